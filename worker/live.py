"""A backup's entries beside the live keys of the same names: read from the target, and judged."""

from collections.abc import Collection, Iterator
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from worker.compare import Kind, Sides, expired, judged
from worker.connection import Endpoint
from worker.entries import Entry, EntryStream
from worker.report import Report
from worker.sources.keys import Keys


class Pair(NamedTuple):
    """One key of the backup, and the live key of that name."""

    backup: Entry
    live: Entry | None
    """None also where it was not looked at: the backup's key has expired."""
    kind: Kind
    sides: Sides


class Live:
    """The target's present state, asked for entry by entry. `absent` are databases that it does not have."""

    def __init__(self, keys: Keys, absent: Collection[int] = ()) -> None:
        self._keys, self._absent = keys, absent

    def beside(self, batch: list[Entry], rdb_version: int | None) -> Iterator[Pair]:
        """Yield each entry of a batch with what is alive of it; to be read to the end."""
        now = self._keys.now()
        sides = Sides(rdb_version, self._keys.rdb_version, now)
        for entry, live in self._looked_up(batch, now):
            # The first payload tells it.
            if sides.live != self._keys.rdb_version:
                sides = Sides(rdb_version, self._keys.rdb_version, now)
            yield Pair(entry, live, judged(entry, live, sides), sides)

    def _looked_up(self, batch: list[Entry], now: float) -> Iterator[tuple[Entry, Entry | None]]:
        for db, group in groupby(batch, attrgetter("db")):
            entries = list(group)
            if db in self._absent:
                yield from ((entry, None) for entry in entries)
                continue
            found = self._keys.read(db, [entry.key for entry in entries if not expired(entry, now)])
            for entry in entries:
                yield entry, None if expired(entry, now) else next(found)
            # To its end, where the reader learns what its last batch cost.
            next(found, None)


class OfKinds:
    """An EntryStream less the keys that are of another kind than these beside the live ones; those count as skipped."""

    def __init__(self, stream: EntryStream, kinds: Collection[Kind], endpoint: Endpoint, report: Report) -> None:
        self._stream, self._endpoint, self._report = stream, endpoint, report
        # What has expired is for the writing to count.
        self._kinds = {*kinds, "expired"}

    @property
    def rdb_version(self) -> int | None:
        """As the stream says."""
        return self._stream.rdb_version

    @property
    def libraries(self) -> list[bytes]:
        """None: only some keys are meant."""
        return []

    def batches(self) -> Iterator[list[Entry]]:
        """Yield the stream's batches, less what is not of these kinds."""
        with Keys(self._endpoint) as keys:
            live = Live(keys)
            for batch in self._stream.batches():
                kept = [pair.backup for pair in live.beside(batch, self.rdb_version) if pair.kind in self._kinds]
                self._report.skipped += len(batch) - len(kept)
                yield kept
