"""Which server plays a recording: the nearest to its source, so that it knows the commands, and a target loads what it writes."""

import re
from collections.abc import Iterable

from worker.errors import RefusedError
from worker.repository.manifest import Manifest
from worker.server.scratch import memory
from worker.server.scratch.programs import Program, none_loads

DATABASES = 1024
"""A MOVE or SWAPDB may name any; each costs a few kilobytes."""
_INSTEAD = "the base alone is restored by `python -m worker restore {name}`"


def choose(base: Manifest, programs: Iterable[Program], spare: int | None) -> Program:
    """The server of the source's make with its version, or with the next one up; else the lowest that loads the base.

    `spare` is as memory.spare has it. RefusedError where none can be given the recording.
    """
    types = {kind for kinds in base.keys_by_db.values() for kind in kinds}
    if types & {"module", "unknown"} or base.module_data:
        raise _refused(base, "it holds values of modules, which only a server with those modules takes")
    known = [*programs]
    able = [program for program in known if base.rdb_version is not None and program.loads(base.rdb_version)]
    if not able:
        raise _refused(base, none_loads(known, base.source.server, base.source.version))
    needed = memory.needed(base.memory, base.bytes.raw)
    if spare is not None and needed > spare:
        raise _refused(base, memory.too_little(needed, spare))
    return min(able, key=lambda program: _distance(program, base))


def _distance(program: Program, base: Manifest) -> tuple[bool, bool, tuple[int, ...]]:
    """What is of the same make comes first, and then what is not older: of those the oldest, of the others the newest."""
    source = tuple(map(int, re.findall(r"\d+", base.source.version or "")[:2]))
    is_other = program.make != base.source.server
    is_older = not is_other and program.version[:2] < source
    return is_other, is_older, tuple(-number if is_older else number for number in program.version)


def _refused(base: Manifest, why: str) -> RefusedError:
    return RefusedError(
        f"What followed {base.name} cannot be played, for {why}. Without that there is no way to the moment; "
        f"{_INSTEAD.format(name=base.name)}."
    ).plain()
