"""The live source, as a place where a key may be."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter

from worker.arguments.questions import LIVE
from worker.engines.live import Live
from worker.formats.compare.values import Kind, expired
from worker.formats.entries import Entry, EntryStream
from worker.progress import Progress
from worker.search.indexing import index
from worker.search.places import Fitting, Version, form_of
from worker.server.endpoint import Endpoint
from worker.server.info import read_facts
from worker.server.reading.keys import Keys
from worker.server.reading.scanning import scan_keys
from worker.server.wire import Wire

SCAN_KEYS = 500


class Alive:
    """The source, as it is now."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.name, self.at, self.address = LIVE, datetime.now(UTC), endpoint.address
        self.rdb_version: int | None = None
        self._endpoint = endpoint
        # A server that hides its keyspace in INFO has a database 0 all the same.
        self._counts = read_facts(endpoint).keys or {0: 0}

    def covers(self, db: int) -> bool:  # noqa: ARG002 - as of every place
        """A database without keys covers none."""
        return True

    @property
    def read_by(self) -> float:
        """When it was first asked, in milliseconds since the epoch."""
        return self.at.timestamp() * 1000

    def databases(self) -> list[int]:
        """As INFO says."""
        return sorted(self._counts)

    def versions(self, key: bytes, databases: list[int], progress: Progress) -> dict[int, Version]:  # noqa: ARG002
        """Read at once from all these databases. Raises the endpoint's errors."""
        versions = {}
        with Keys(self._endpoint) as keys:
            for db in databases:
                for entry in keys.read(db, [key]) if db in self._counts else ():
                    if entry is not None:
                        versions[db] = self._version(entry, keys.rdb_version or 0)
        return versions

    def _version(self, entry: Entry, rdb_version: int) -> Version:
        return Version(
            form_of(rdb_version, entry.payload), index.digest(entry), entry.expires_at, lambda: entry, rdb_version
        )

    def fitting(self, match: str, databases: frozenset[int] | None, progress: Progress) -> Fitting:
        """By SCAN, without type, expiry and value. Raises the endpoint's errors."""
        seen, total = 0, sum(self._counts.values()) or None
        for db in self.databases():
            if databases is not None and db not in databases:
                continue
            with self._endpoint.translated("reading keys"), Wire(self._endpoint, db) as wire:
                for keys in scan_keys(wire, SCAN_KEYS, match.encode()):
                    seen += SCAN_KEYS
                    progress("reading", min(seen, total or seen), total, "keys")
                    yield [Entry(db, key, None, "unknown") for key in keys]

    def read(self, wanted: list[tuple[int, bytes]]) -> Iterator[tuple[Entry, int | None]]:
        """Yield those of these keys that are there, with the RDB version of their payloads. Raises the endpoint's errors."""
        with Keys(self._endpoint) as keys:
            for db, group in groupby(sorted(wanted), itemgetter(0)):
                for entry in keys.read(db, [key for _, key in group]) if db in self._counts else ():
                    if entry is not None:
                        yield entry, keys.rdb_version

    def beside(self, stream: EntryStream, databases: list[int]) -> Iterator[list[tuple[Kind, Entry]]]:
        """Yield how the keys of a backup, which has these databases, stand here; not those that are identical to the byte.

        `new` is what is not there, and `expired` that whose time is over besides. Raises the endpoint's errors.
        """
        with Keys(self._endpoint) as keys:
            absent = [db for db in databases if db not in self._counts]
            keys.now()  # asked while no reply is on its way
            for part in Live(keys, absent, lambda: float("-inf")).beside(stream):
                now = keys.now()
                yield [
                    ("expired" if pair.kind == "new" and expired(pair.backup, now) else pair.kind, pair.backup)
                    for pair in part.pairs
                ]
