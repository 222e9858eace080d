"""What a restore, or a preview of one, is asked to do, and what follows from that for a backup."""

from dataclasses import dataclass
from typing import BinaryIO, Literal

from pydantic import Field, StrictBool

from worker.errors import RefusedError
from worker.repository import artifact
from worker.repository.manifest import Manifest
from worker.restore.selection.filters import Selected, Selection
from worker.restore.selection.mapping import Redirected, Redirection
from worker.server import rights

Mode = Literal["skip", "overwrite", "mirror"]
WrittenKind = Literal["new", "differs", "expiry"]


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


class Request(Selection, Redirection):
    """Which backup, how, how much of it, and where to."""

    name: str = Field(min_length=1, max_length=200)
    """Of the backup; `latest` is the newest."""
    mode: Mode = "skip"
    kinds: frozenset[WrittenKind] | None = None
    """Only keys that are such beside the live ones: not there, of another value, or of another expiry only."""

    @property
    def deletes(self) -> bool:
        """Whether live keys go that the backup does not have."""
        return self.mode not in ("skip", "overwrite")

    def databases_of(self, manifest: Manifest) -> list[int]:
        """The target's databases that are written. RefusedError where two of the backup's would go to one, or where the map
        is of none that it has: what was to go elsewhere would go where it came from.
        """
        if self.map_databases and manifest.keys_by_db and not self.map_databases.keys() & manifest.keys_by_db.keys():
            has, named = (", ".join(map(str, sorted(dbs))) for dbs in (manifest.keys_by_db, self.map_databases))
            raise RefusedError(
                f"No key would go to another database: the backup has databases {has}, and the map is of {named}. Write "
                "the backup's database first, as in --map-db 0:5."
            )
        return self.mapped([db for db in manifest.keys_by_db if self.databases is None or db in self.databases])

    def demand(self, manifest: Manifest) -> Demand:
        """What the target would be given of a backup. Raises what `databases_of` raises."""
        kinds = {kind for db in manifest.keys_by_db.values() for kind in db}
        return Demand(
            manifest.rdb_version,
            self.databases_of(manifest),
            frozenset(kinds if self.types is None else kinds & self.types),
            rights.TO_DELETE if self.deletes else (),
            "a mirror" if self.deletes else "a restore",
        )

    def expected_keys(self, manifest: Manifest) -> int | None:
        """How many keys of the backup are meant; None where only a look at each tells."""
        if self.match or self.exclude or self.keys is not None or self.strip_prefix:
            return None
        return sum(
            number
            for db, kinds in manifest.keys_by_db.items()
            for kind, number in kinds.items()
            if (self.databases is None or db in self.databases) and (self.types is None or kind in self.types)
        )


class RestoreArguments(Request):
    """What is to be restored, and which preview of it somebody has seen."""

    preview: str | None = Field(default=None, max_length=200)
    """The id of a run: where the target has changed since that preview, the restore is refused."""
    force: StrictBool = False
    """Go on all the same."""


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
