"""Where a key may be: in a backup, by its index, or in the live source. Both are asked in the same words."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from worker import artifact, globs, index
from worker.connection import Endpoint
from worker.entries import Entry
from worker.facts import read_facts
from worker.formats.versions import FIRST_VALKEY_VERSION
from worker.manifest import Manifest
from worker.progress import Progress, silent
from worker.sources.keys import Keys
from worker.sources.scanning import scan_keys
from worker.storage import Folder
from worker.wire import Wire

LIVE = "live"
SCAN_KEYS = 500

Names = Iterator[list[tuple[int, bytes]]]


@dataclass(frozen=True)
class Version:
    """One key in one place."""

    form: str
    """What its digest can be compared with: that of another one in the same form."""
    digest: bytes
    """Equal for two versions in one form only if they hold the same; the same value may be written in several ways."""
    expires_at: int | None
    read: Callable[[], Entry | None]
    """Gives the entry with its value; None where it was another key's, whose hash is the same."""
    rdb_version: int | None
    """Of the payload."""


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
    def address(self) -> str | None:
        """Of the server whose keys they are."""
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

    def names(self, match: str, databases: frozenset[int] | None, progress: Progress) -> Names:
        """Yield the keys that fit a glob, in batches of a bounded size; empty ones as well."""
        ...


class Stored:
    """A backup."""

    def __init__(self, storage: Folder, manifest: Manifest) -> None:
        self.name, self.at, self.address = manifest.name, manifest.created_at, manifest.source.address
        self._storage, self._manifest = storage, manifest

    def covers(self, db: int) -> bool:
        """Not where only other databases were backed up, only the keys that a restore touched, or not all of them."""
        databases = self._manifest.source.databases
        return self._manifest.kind not in ("undo", "partial") and (databases is None or db in databases)

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
        return Version(_form(version), one.digest, one.expires_at, lambda: self._entry(db, key, one), version)

    def _entry(self, db: int, key: bytes, record: index.Record) -> Entry | None:
        """Read until there. ArtifactError where it is not there because the artifact has changed since.

        One database may hold under that key what another holds too, but for its expiry.
        """
        with self._storage.open(self.name) as file:
            for batch in artifact.resumed(file, self._manifest, record.begins_at).batches():
                for entry in batch:
                    if entry.key == key and record.fits(entry):
                        return entry._replace(db=db)
            artifact.check_bytes(file, self._manifest, silent)
        return None

    def names(self, match: str, databases: frozenset[int] | None, progress: Progress) -> Names:
        """Walked from the beginning, for an index knows no names. Raises ArtifactError and RefusedError."""
        index.check_readable(self._manifest)
        fits, seen = globs.compiled(match.encode()).fullmatch, 0
        with self._storage.open(self.name) as file:
            raw = artifact.bounded(artifact.raw_chunks(file, self._manifest.compression), self._manifest.bytes.raw)
            for batch in artifact.reader(raw, self._manifest.data_format, values=False).batches():
                seen += len(batch)
                progress("reading", seen, self._manifest.keys, "keys")
                yield [
                    (entry.db, entry.key)
                    for entry in batch
                    if fits(entry.key) and (databases is None or entry.db in databases)
                ]


class Live:
    """The source, as it is now."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.name, self.at, self.address = LIVE, datetime.now(UTC), endpoint.address
        self._endpoint = endpoint
        # A server that hides its keyspace in INFO has a database 0 all the same.
        self._counts = read_facts(endpoint).keys or {0: 0}

    def covers(self, db: int) -> bool:  # noqa: ARG002 - as of every place
        """A database without keys has none."""
        return True

    def databases(self) -> list[int]:
        """As INFO says."""
        return sorted(self._counts)

    def versions(self, key: bytes, databases: list[int], progress: Progress) -> dict[int, Version]:  # noqa: ARG002
        """Asked for, all at once. Raises the endpoint's errors."""
        found = {}
        with Keys(self._endpoint) as keys:
            for db in databases:
                for entry in keys.read(db, [key]) if db in self._counts else ():
                    if entry is not None:
                        found[db] = self._version(entry, keys.rdb_version or 0)
        return found

    def _version(self, entry: Entry, rdb_version: int) -> Version:
        return Version(_form(rdb_version), index.digest(entry), entry.expires_at, lambda: entry, rdb_version)

    def names(self, match: str, databases: frozenset[int] | None, progress: Progress) -> Names:
        """By SCAN. Raises the endpoint's errors."""
        seen, total = 0, sum(self._counts.values()) or None
        for db in self.databases():
            if databases is not None and db not in databases:
                continue
            with self._endpoint.translated("reading keys"), Wire(self._endpoint, db) as wire:
                for keys in scan_keys(wire, SCAN_KEYS, match.encode()):
                    seen += SCAN_KEYS
                    progress("reading", min(seen, total or seen), total, "keys")
                    yield [(db, key) for key in keys]


def _form(rdb_version: int | None) -> str:
    """The types of payloads have other meanings in Valkey than in Redis; a value in JSON has none."""
    if rdb_version is None:
        return "json"
    return "valkey" if rdb_version >= FIRST_VALKEY_VERSION else "redis"
