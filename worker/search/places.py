"""Where a key may be: in a backup, by its index, or (alive.py) in the live source. Both are asked in the same words."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from worker.arguments.questions import LIVE
from worker.formats.entries import Entry, EntryStream, Passing
from worker.formats.rdb.codes import FIRST_VALKEY_VERSION, OF_BOTH_MAKES
from worker.progress import Progress, silent
from worker.repository import artifact
from worker.repository.manifest import Manifest
from worker.search import index
from worker.server import globs
from worker.storage import Storage

SHARED = "shared"

Fitting = Iterator[list[Entry]]


@dataclass(frozen=True)
class Version:
    """One key in one place."""

    form: str
    """What its digest can be compared with, see `form_of`."""
    digest: bytes
    """Equal for two versions in one form only if they hold the same; the same value may be written in several ways."""
    expires_at: int | None
    read: Callable[[], Entry | None]
    """Gives the entry with its value; None where it was another key's, whose hash is the same."""
    rdb_version: int | None
    """Of the payload."""

    def same_bytes(self, other: "Version") -> bool:
        """Whether both hold the same bytes, which mean the same."""
        return self.digest == other.digest and (self.form == other.form or SHARED in (self.form, other.form))


class Place(Protocol):
    """A backup, or the live source."""

    @property
    def name(self) -> str:
        """Of the backup, or LIVE."""
        ...

    @property
    def at(self) -> datetime:
        """When it was as it is there."""
        ...

    @property
    def read_by(self) -> float:
        """When that was read at the latest, in milliseconds since the epoch."""
        ...

    @property
    def address(self) -> str | None:
        """Of the server whose keys they are."""
        ...

    @property
    def rdb_version(self) -> int | None:
        """Of the payloads that `fitting` gives; None where it gives values, or none."""
        ...

    def covers(self, db: int) -> bool:
        """Whether a key of that database would be there; where not, its absence says nothing."""
        ...

    def databases(self) -> list[int]:
        """The databases that have keys."""
        ...

    def versions(self, key: bytes, databases: list[int], progress: Progress) -> dict[int, Version]:
        """The key in those of these databases where it is."""
        ...

    def fitting(self, match: str, databases: frozenset[int] | None, progress: Progress) -> Fitting:
        """Yield the keys that fit a glob, in batches of a bounded size; empty ones as well."""
        ...


def by_server(places: Sequence[Place]) -> list[list[int]]:
    """The numbers of the places that tell of one server, those of the first place's first: what one server has says nothing
    of another. What was adopted is taken for the first one's; and so is all, where a live source has no backup of that
    address, for it may have moved.
    """
    if not places:
        return []
    first = places[0]
    own = (first.address, None)
    if first.name == LIVE and all(one.address not in own for one in places[1:]):
        return [list(range(len(places)))]
    groups: dict[str | None, list[int]] = {}
    for number, place in enumerate(places):
        groups.setdefault(first.address if place.address in own else place.address, []).append(number)
    return list(groups.values())


class Stored:
    """A backup."""

    def __init__(self, storage: Storage, manifest: Manifest) -> None:
        self.name, self.at, self.address = manifest.name, manifest.created_at, manifest.source.address
        self.read_by = (manifest.created_at.timestamp() + manifest.duration_seconds) * 1000
        self.rdb_version = manifest.rdb_version
        self._storage, self._manifest = storage, manifest

    def covers(self, db: int) -> bool:
        """Not where only other databases were backed up, only the keys that a restore touched, or not all of them."""
        databases = self._manifest.source.databases
        return (
            self._manifest.kind != "undo" and not self._manifest.lacks_keys and (databases is None or db in databases)
        )

    def databases(self) -> list[int]:
        """As its manifest says."""
        return sorted(self._manifest.keys_by_db)

    def versions(self, key: bytes, databases: list[int], progress: Progress) -> dict[int, Version]:
        """Looked up in the index, which is made if there is none. Raises ArtifactError and RefusedError."""
        index.check_readable(self._manifest)
        wanted = [db for db in databases if db in self._manifest.keys_by_db]
        if not wanted:
            return {}
        with index.opened(self._storage, self._manifest, progress) as opened:
            records = {db: opened.find(db, key) for db in wanted}
        return {db: self._version(db, key, found) for db, found in records.items() if found}

    def _version(self, db: int, key: bytes, records: list[index.Record]) -> Version:
        # Of two keys with one hash nobody can tell which is meant without reading.
        one = (
            records[0]
            if len(records) == 1
            else next(filter(lambda one: self._entry(db, key, one), records), records[0])
        )
        version = self._manifest.rdb_version
        return Version(form_of(version), one.digest, one.expires_at, lambda: self._entry(db, key, one), version)

    def _entry(self, db: int, key: bytes, record: index.Record) -> Entry | None:
        """Read until there. ArtifactError where it is not there because the artifact has changed since.

        One database may hold under that key what another holds too, but for its expiry.
        """
        with self._storage.fetch(self.name) as file:
            for batch in artifact.resumed(file, self._manifest, record.begins_at).batches():
                for entry in batch:
                    if entry.key == key and record.fits(entry):
                        return entry._replace(db=db)
            artifact.check_bytes(file, self._manifest, silent)
        return None

    def fitting(self, match: str, databases: frozenset[int] | None, progress: Progress) -> Fitting:
        """Walked from the beginning, for an index knows no names; with their values. Raises ArtifactError and RefusedError.

        Whether the artifact is what it was is known at the end.
        """
        with self.read(progress) as stream:
            yield from Fits(stream, match, databases).batches()

    @contextmanager
    def read(self, progress: Progress) -> Iterator[EntryStream]:
        """All of it, to be read to the end in the block. Raises ArtifactError, at its end too, and RefusedError."""
        index.check_readable(self._manifest)
        with self._storage.open(self.name) as file, artifact.whole(file, self._manifest) as reader:
            yield _Counted(reader, progress, self._manifest.keys)


class _Counted(Passing):
    """An EntryStream of which is told how far it has come."""

    def __init__(self, stream: EntryStream, progress: Progress, total: int | None) -> None:
        super().__init__(stream)
        self._progress, self._total = progress, total

    def batches(self) -> Iterator[list[Entry]]:
        """Yield the stream's batches."""
        seen = 0
        for batch in self._stream.batches():
            seen += len(batch)
            self._progress("reading", seen, self._total, "keys")
            yield batch


class Fits(Passing):
    """An EntryStream less what does not fit a glob, or is in none of these databases. A Selection takes twice as long."""

    def __init__(self, stream: EntryStream, match: str, databases: frozenset[int] | None) -> None:
        super().__init__(stream)
        self._fits, self._databases = globs.compiled(match.encode()).fullmatch, databases

    def batches(self) -> Iterator[list[Entry]]:
        """Yield the stream's batches, narrowed."""
        fits, databases = self._fits, self._databases
        for batch in self._stream.batches():
            yield [one for one in batch if fits(one.key) and (databases is None or one.db in databases)]


def form_of(rdb_version: int | None, payload: bytes | None = None) -> str:
    """Whose payload it is: a type that both makes know means the same in both, a later one of each has its own meaning.

    What makes the same digest is of the same type, so one of two that is SHARED speaks for the other.
    """
    if rdb_version is None:
        return "json"
    if payload is not None and payload[0] in OF_BOTH_MAKES:
        return SHARED
    return "valkey" if rdb_version >= FIRST_VALKEY_VERSION else "redis"
