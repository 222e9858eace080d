"""What follows from a request for a backup: what a target would be given of it, and whether it can be."""

from dataclasses import dataclass
from typing import BinaryIO

from worker.arguments.restore import Request
from worker.errors import RefusedError
from worker.repository import artifact
from worker.repository.manifest import Manifest
from worker.restore.selection.filters import Selected
from worker.restore.selection.mapping import Redirected
from worker.server import rights


@dataclass(frozen=True)
class Demand:
    """What a target would be given."""

    rdb_version: int | None
    """Of the payloads; None where it is given values."""
    databases: list[int]
    """That are written."""
    types: frozenset[str] = frozenset()
    """Of keys."""
    besides: tuple[str, ...] = ()
    """Rights that are needed for more than writing those."""
    doing: str = "a restore"


def demand_of(request: Request, manifest: Manifest) -> Demand:
    """What the target would be given of a backup. Raises what `Request.databases_of` raises."""
    kinds = {kind for db in manifest.keys_by_db.values() for kind in db}
    return Demand(
        manifest.rdb_version,
        request.databases_of(manifest),
        frozenset(kinds if request.types is None else kinds & request.types),
        rights.TO_DELETE if request.deletes else (),
        "a mirror" if request.deletes else "a restore",
    )


def stream_of(file: BinaryIO, manifest: Manifest, request: Request, at: float, *, values: bool = True) -> Redirected:
    """The keys of a backup as a restore writes them that began `at` (milliseconds since the epoch, the target's clock).

    Without `values` payloads are passed over where that can be. It reads `file` from its start.
    """
    file.seek(0)
    chunks = artifact.raw_chunks(file, manifest.compression)
    selected = Selected(artifact.reader(chunks, manifest.data_format, values=values), request)
    return Redirected(selected, request, manifest, at)


def warning_of(manifest: Manifest) -> str | None:
    """What is to be known of a backup before it is restored."""
    if not manifest.lacks_keys:
        return None
    return f"{manifest.name} is {lacking(manifest)}: it does not hold all the keys that there were."


def lacking(manifest: Manifest) -> str:
    """What a backup is that lacks keys, behind an `is`."""
    return "partial" if manifest.kind == "partial" else "a part"


def check_readable(manifest: Manifest) -> None:
    """RefusedError for a backup of which only its own server knows what is in it, and for names without values."""
    if manifest.names_only:
        raise RefusedError(
            f"{manifest.name} holds the names of keys that a restore left alone, and no values: it can only undo that "
            f"restore (`python -m worker undo {manifest.name}`)."
        )
    if manifest.keys is None:
        raise RefusedError(
            f"{manifest.name} holds something that this program cannot read ({' '.join(manifest.warnings)}) "
            "It is a plain RDB file: a redis-server of the source's version loads it."
        )
