"""Which server a backup is rehearsed in, and how: or why there is none."""

from collections.abc import Iterable
from dataclasses import dataclass

from worker.repository.manifest import Manifest
from worker.server.scratch import memory
from worker.server.scratch.programs import Program, none_loads
from worker.server.scratch.scratch import FEWEST_DATABASES, Wanted

_FIRST_WITH_VECTORS = (8,)


@dataclass(frozen=True)
class NoServer:
    """None can be given this backup."""

    why: str
    """As a clause."""


def choose(manifest: Manifest, programs: Iterable[Program], spare: int | None) -> Wanted | NoServer:
    """The newest of them that takes it, of its own make if there is one. `spare` is as memory.spare has it."""
    types = {kind for kinds in manifest.keys_by_db.values() for kind in kinds}
    if types & {"module", "unknown"}:
        return NoServer("it holds values of modules, which only a server with those modules takes")
    known = [*programs]
    able = [program for program in known if _takes(program, manifest, types)]
    if not able:
        return NoServer(none_loads(known, manifest.source.server, manifest.source.version))
    needed = memory_needed(manifest)
    if spare is not None and needed > spare:
        return NoServer(memory.too_little(needed, spare))
    program = max(able, key=lambda program: (program.make == manifest.source.server, program.version))
    return Wanted(program, spare or 0, max([FEWEST_DATABASES - 1, *manifest.keys_by_db]) + 1)


def memory_needed(manifest: Manifest) -> int:
    """Bytes that a server would use for it, as far as can be told without reading it."""
    return memory.needed(manifest.memory, manifest.bytes.raw)


def _takes(program: Program, manifest: Manifest, types: set[str]) -> bool:
    if "vectorset" in types and (program.make != "redis" or program.version < _FIRST_WITH_VECTORS):
        return False
    return manifest.rdb_version is None or program.loads(manifest.rdb_version)
