"""The keys that a restore deals with, as they are now, in the order of the backup; for a mirror then all others.

Where the restore leaves alone what exists, their names are enough.
"""

from collections.abc import Iterator
from itertools import chain, groupby
from operator import attrgetter

from worker.engines.scan import OLDEST_VERSION, Scan
from worker.formats.entries import EntriesAlone, Entry
from worker.repository import artifact
from worker.restore.selection.keyset import KeySet
from worker.restore.selection.plan import Plan
from worker.restore.selection.surplus import Surplus
from worker.server.info import Facts
from worker.server.reading.keys import Keys
from worker.server.wire import Wire

BATCH_BYTES = 1 << 20
_EMPTY_STRING = b"\0\0"
"""An empty string as a payload: type and length."""


class Present(EntriesAlone):
    """The keys of a plan as they are now: an EntryStream, without those that are not there."""

    def __init__(self, plan: Plan, facts: Facts, keys: Keys, names: KeySet | None, *, whole: bool = False) -> None:
        """`whole`: it writes all of the backup, as one file."""
        self.plan, self.facts = plan, facts
        self.named = 0
        """Keys that the restore will deal with, as far as they have been read."""
        self.libraries: list[bytes] = []
        self.warnings: list[str] = []
        self._databases, self._keys, self._names = sorted(facts.keys), keys, names
        self._whole = whole or plan.request.deletes
        self._stream = plan.stream(values=False)
        self._empty: dict[int, bool] = {}
        self._remaining = self._batches()

    @property
    def rdb_version(self) -> int:
        """The version of the payloads; known with the first one."""
        return self._keys.rdb_version or OLDEST_VERSION

    @property
    def brought(self) -> bool:
        """Whether the restore loads function libraries; known at the end."""
        return bool(self._stream.libraries) and self.plan.request.kinds is None

    def begin(self) -> bool:
        """Read up to the first key that is there. Gives whether the restore takes away anything that is there."""
        first = next(self._remaining, [])
        self._remaining = chain([first] if first else [], self._remaining)
        return self.plan.request.mode != "skip" and bool(first or self.libraries)

    def batches(self) -> Iterator[list[Entry]]:
        """Yield what is there, in batches of a bounded size that are never empty."""
        return self._remaining

    def _batches(self) -> Iterator[list[Entry]]:
        expected = self.plan.expected_keys
        if self._whole and not self._databases and expected:
            # All of it into an empty server: the backup need not be read to know that nothing of it is there.
            self.named = expected
        elif self._is_vain():
            self._look_for_a_key()
        else:
            yield from self._there()
        if self.plan.request.deletes or self.brought:
            self._read_libraries()

    def _there(self) -> Iterator[list[Entry]]:
        yield from self._kept(self._touched())
        if self._names is not None:
            yield from self._others(Surplus(self.plan, self._names))

    def _touched(self) -> Iterator[tuple[int, list[bytes]]]:
        """The names of keys that the restore will deal with, each part with its database."""
        deletes = self.plan.request.deletes
        for batch in self._stream.batches():
            touched = batch if deletes else [entry for entry in batch if self._is_written(entry)]
            self.named += len(touched)
            for db, entries in groupby(touched, attrgetter("db")):
                names = [entry.key for entry in entries]
                if self._names is not None:
                    self._names.add(db, names)
                if not self._is_empty(db):
                    yield db, names

    def _is_vain(self) -> bool:
        """Whether walking the backup to its end cannot find anything that is there."""
        backup = self.plan.manifest
        plain = not (self.plan.request.deletes or backup.functions) and artifact.has_checksum(
            backup.data_format, backup.rdb_version
        )
        return plain and all(map(self._is_empty, self.plan.databases))

    def _look_for_a_key(self) -> None:
        """One key is enough to know that the restore writes something; the rest of the backup is only checked to be whole."""
        for batch in self._stream.batches():
            if any(map(self._is_written, batch)):
                self.named = self.plan.expected_keys or 1
                break
        artifact.check_end(self.plan.file, self.plan.manifest, self.plan.keys)

    def _is_written(self, entry: Entry) -> bool:
        return entry.expires_at is None or entry.expires_at > self.plan.at

    def _kept(self, parts: Iterator[tuple[int, list[bytes]]]) -> Iterator[list[Entry]]:
        if self.plan.request.mode == "skip":
            for db, names in parts:
                there = zip(names, self._keys.there(db, names), strict=True)
                if entries := [Entry(db, name, None, "string", _EMPTY_STRING) for name, exists in there if exists]:
                    yield entries
            return
        held: list[Entry] = []
        size = 0
        # While what was read is being written, the server is busy with the next.
        for answered in self._keys.read_ahead((db, some) for db, names in parts for some in self._keys.cut(names)):
            answered.reverse()
            while answered:
                if (entry := answered.pop()) is not None:
                    held.append(entry)
                    size += len(entry.payload or b"")
                del entry
                if size > BATCH_BYTES:
                    yield held
                    held, size = [], 0
        if held:
            yield held

    def _is_empty(self, db: int) -> bool:
        """Whether a database is empty, as after a disaster: then none of its keys is asked for."""
        if db not in self._empty:
            endpoint = self.plan.endpoint
            with endpoint.translated("counting keys"), Wire(endpoint, db) as wire:
                # Where a server does not say it, it is asked for every key.
                self._empty[db] = wire.try_(b"DBSIZE") == 0
        return self._empty[db]

    def _others(self, surplus: Surplus) -> Iterator[list[Entry]]:
        """The keys that a mirror deletes."""
        with self.plan.endpoint.translated("reading keys"), Wire(self.plan.endpoint) as wire:
            there = surplus.batches(wire, self._databases)
            yield from self._kept((db, names) for db, names in there if not self._is_empty(db))

    def _read_libraries(self) -> None:
        """Function libraries that a restore may replace. A scan of no databases reads only them."""
        scan = Scan(self.plan.endpoint, [])
        for _ in scan.batches():
            pass
        self.libraries, self.warnings = scan.libraries, scan.warnings
