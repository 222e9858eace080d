"""Where a key may be: in a backup, by its index, or (alive.py) in the live source. Both are asked in the same words."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from worker.arguments.questions import LIVE
from worker.formats.encryption import Keys
from worker.formats.entries import Entry, EntryStream, Passing
from worker.formats.rdb.codes import FIRST_VALKEY_VERSION, OF_BOTH_MAKES
from worker.progress import Progress, silent
from worker.repository import artifact
from worker.repository.manifest import Manifest
from worker.search.indexing import index, nearby
from worker.search.indexing.shelf import Shelf
from worker.server import globs
from worker.storage import Storage

SHARED = "shared"
LEAST_KEYS = 50_000
"""An index of fewer is made at once."""
HELD_BYTES = 1 << 20
"""A larger value that was met on a walk is read anew where it is to be shown."""

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
    """Reads the entry with its value; None where the record was of another key with the same hash."""
    rdb_version: int | None
    """The version of the payload."""

    def same_bytes(self, other: "Version") -> bool:
        """Whether both hold the same bytes, which mean the same."""
        return self.digest == other.digest and (self.form == other.form or SHARED in (self.form, other.form))


class Place(Protocol):
    """A backup, or the live source."""

    @property
    def name(self) -> str:
        """The backup's name, or LIVE."""
        ...

    @property
    def at(self) -> datetime:
        """The moment of its state."""
        ...

    @property
    def read_by(self) -> float:
        """When it had been read, in milliseconds since the epoch."""
        ...

    @property
    def address(self) -> str | None:
        """The address of the server whose keys they are."""
        ...

    @property
    def rdb_version(self) -> int | None:
        """The version of the payloads that `fitting` gives; None where it gives none."""
        ...

    def covers(self, db: int) -> bool:
        """Whether a key of that database would be there; where not, its absence says nothing."""
        ...

    def databases(self) -> list[int]:
        """The databases that have keys."""
        ...

    def versions(self, key: bytes, databases: list[int], progress: Progress) -> dict[int, Version]:
        """The key's version in each of these databases that has it."""
        ...

    def fitting(self, match: str, databases: frozenset[int] | None, progress: Progress) -> Fitting:
        """Yield the keys that fit a glob, in batches of a bounded size; empty ones as well."""
        ...


def by_server(places: Sequence[Place]) -> list[list[int]]:
    """The numbers of the places, grouped by server, because what one server has says nothing of another; the first place's
    group comes first. Adopted backups count as that server's. So do all where no backup has the live source's address,
    which may have moved.
    """
    if not places:
        return []
    first = places[0]
    own = (first.address, None)
    if first.name == LIVE and all(place.address not in own for place in places[1:]):
        return [list(range(len(places)))]
    groups: dict[str | None, list[int]] = {}
    for number, place in enumerate(places):
        groups.setdefault(first.address if place.address in own else place.address, []).append(number)
    return list(groups.values())


class Stored:
    """A backup."""

    def __init__(self, storage: Storage, manifest: Manifest, keys: Keys, known_as: str = "") -> None:
        """`known_as` is what leads to it, where that is not its name: of a moment."""
        self.name = known_as or manifest.name
        self.at, self.address = manifest.created_at, manifest.source.address
        self.read_by = (manifest.created_at.timestamp() + manifest.duration_seconds) * 1000
        self.rdb_version = manifest.rdb_version
        self._storage, self._manifest, self._keys = storage, manifest, keys

    def covers(self, db: int) -> bool:
        """Not where the backup holds only other databases, only the keys that a restore touched, or not all keys."""
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
        with index.opened(self._storage, self._manifest, self._keys, progress) as opened:
            records = {db: opened.find(db, key) for db in wanted}
        return {db: self._version(db, key, hits, progress) for db, hits in records.items() if hits}

    def _version(self, db: int, key: bytes, records: list[index.Record], progress: Progress) -> Version:
        # Which of two keys with the same hash a record is of can only be read.
        record = (
            records[0]
            if len(records) == 1
            else next(filter(lambda record: self._entry(db, key, record, progress), records), records[0])
        )
        version = self._manifest.rdb_version
        return Version(
            form_of(version), record.digest, record.expires_at, lambda: self._entry(db, key, record, progress), version
        )

    def _entry(self, db: int, key: bytes, record: index.Record, progress: Progress) -> Entry | None:
        """The entry of a record, read up to its place. ArtifactError where the artifact has changed since.

        One database may hold under that key what another holds too, but for its expiry.
        """
        there = nearby.entry(self._storage, self._manifest, key, record)
        if there is None:
            with self._storage.fetch(self._manifest.name, progress) as file:
                entries = artifact.resumed(file, self._manifest, self._keys, record.begins_at)
                if (there := nearby.first(entries, key, record)) is None:
                    artifact.check_bytes(file, self._manifest, silent)
        return None if there is None else there._replace(db=db)

    def fitting(self, match: str, databases: frozenset[int] | None, progress: Progress) -> Fitting:
        """Walked from the beginning, for an index knows no names; with their values. Raises ArtifactError and RefusedError.

        Whether the artifact is what it was is known at the end.
        """
        with self.read(progress, globs.compiled(match.encode()).fullmatch) as stream:
            yield from Fits(stream, match, databases).batches()

    @contextmanager
    def read(self, progress: Progress, fits: Callable[[bytes], object] | None = None) -> Iterator[EntryStream]:
        """All of it, to be read to the end in the block; keys that it is not true of may be left out where there is a `fits`.

        Raises ArtifactError, at its end too, and RefusedError.
        """
        index.check_readable(self._manifest)
        with (
            self._storage.open(self._manifest.name) as file,
            artifact.whole(file, self._manifest, self._keys, fits=fits) as reader,
        ):
            yield _Counted(reader, progress, self._manifest.keys)


class Passed(Stored):
    """A backup that is one of many to be looked through: walked for the key the first time, and asked by its index then.

    To make an index takes three times as long as a walk. So who looks for one key once does not wait for it; who comes again
    does, and finds any key in moments from then on.
    """

    def versions(self, key: bytes, databases: list[int], progress: Progress) -> dict[int, Version]:
        """As of any backup. Raises ArtifactError and RefusedError."""
        index.check_readable(self._manifest)
        if (self._manifest.keys or 0) < LEAST_KEYS:
            return super().versions(key, databases, progress)
        shelf = Shelf(self._storage, self._manifest, self._keys)
        wanted = {db for db in databases if db in self._manifest.keys_by_db}
        if not wanted or index.is_asked(shelf):
            return super().versions(key, databases, progress)
        versions = {db: self._seen(entry) for db, entry in self._walked(key, wanted, progress).items()}
        index.ask(shelf)
        return versions

    def _walked(self, key: bytes, databases: set[int], progress: Progress) -> dict[int, Entry]:
        by_db: dict[int, Entry] = {}
        with self.read(progress, fits=key.__eq__) as stream:
            for batch in stream.batches():
                by_db |= {entry.db: entry for entry in batch if entry.key == key and entry.db in databases}
        return by_db

    def _seen(self, entry: Entry) -> Version:
        db, key, content = entry.db, entry.key, index.content(entry)
        held = entry if len(content) <= HELD_BYTES else None

        def read() -> Entry | None:
            return held or self._walked(key, {db}, silent).get(db)

        version, expires_at = self._manifest.rdb_version, index.bounded_expiry(entry.expires_at)
        return Version(form_of(version), index.digest(entry), expires_at, read, version)


class _Counted(Passing):
    """An EntryStream that reports how far it has come."""

    def __init__(self, reader: artifact.Reader, progress: Progress, total: int | None) -> None:
        super().__init__(reader)
        self._reader, self._progress, self._total = reader, progress, total

    def batches(self) -> Iterator[list[Entry]]:
        """Yield the stream's batches."""
        seen = 0
        for batch in self._stream.batches():
            seen += len(batch)
            self._progress("reading", seen + self._reader.passed, self._total, "keys")
            yield batch


class Fits(Passing):
    """An EntryStream with only what fits a glob, in these databases. A Selection takes twice as long."""

    def __init__(self, stream: EntryStream, match: str, databases: frozenset[int] | None) -> None:
        super().__init__(stream)
        self._fits, self._databases = globs.compiled(match.encode()).fullmatch, databases

    def batches(self) -> Iterator[list[Entry]]:
        """Yield the stream's batches, narrowed."""
        fits, databases = self._fits, self._databases
        for batch in self._stream.batches():
            yield [entry for entry in batch if fits(entry.key) and (databases is None or entry.db in databases)]


def form_of(rdb_version: int | None, payload: bytes | None = None) -> str:
    """Whose payload it is: a type that both makes know means the same in both, a later one of each has its own meaning.

    What makes the same digest is of the same type, so one of two that is SHARED speaks for the other.
    """
    if rdb_version is None:
        return "json"
    if payload is not None and payload[0] in OF_BOTH_MAKES:
        return SHARED
    return "valkey" if rdb_version >= FIRST_VALKEY_VERSION else "redis"
