"""Counts keys as they pass: how many in all, by database and type, by prefix, and how many expire."""

from collections import Counter
from collections.abc import Iterator
from operator import attrgetter

from worker.formats.entries import Entry, EntryStream, Passing
from worker.formats.prefixes import PrefixSample
from worker.formats.types import UNKNOWN

_DB_AND_TYPE = attrgetter("db", "type")
_EXPIRES_AT = attrgetter("expires_at")


class Tally:
    """The numbers of a manifest, growing while entries go by."""

    def __init__(self) -> None:
        self.prefixes = PrefixSample()
        self.keys = 0
        self.expiring = 0
        self._counts: Counter[tuple[int, str]] = Counter()

    def add(self, batch: list[Entry]) -> None:
        """Count a batch."""
        self.keys += len(batch)
        # Millions of keys pass here, so no Python code runs for each of them.
        self._counts.update(map(_DB_AND_TYPE, batch))
        self.expiring += len(batch) - list(map(_EXPIRES_AT, batch)).count(None)
        wanted = self.prefixes.wanted(len(batch))
        # All over the batch, which may be of several databases.
        looked_at = batch[:: len(batch) // wanted][:wanted] if wanted else []
        self.prefixes.add([entry.key for entry in looked_at], len(batch))

    def count(self, db: int, kind: str, number: int) -> None:
        """Count so many keys of one type."""
        self.keys += number
        self._counts[db, kind] += number

    @property
    def by_db(self) -> dict[int, dict[str, int]]:
        """Keys by database and type."""
        counts: dict[int, dict[str, int]] = {}
        for (db, kind), number in sorted(self._counts.items()):
            counts.setdefault(db, {})[kind] = number
        return counts

    @property
    def unknown(self) -> int:
        """Keys of a type that no reader here can skip."""
        return sum(number for (_, kind), number in self._counts.items() if kind == UNKNOWN)


class Counted(Passing):
    """An EntryStream that counts its entries as they are read, and leaves out those of other databases than `databases`."""

    def __init__(self, stream: EntryStream, tally: Tally, databases: frozenset[int] | None = None) -> None:
        super().__init__(stream)
        self._tally, self._databases = tally, databases

    def batches(self) -> Iterator[list[Entry]]:
        """Yield what the stream yields, less other databases' keys."""
        for batch in self._stream.batches():
            kept = batch if self._databases is None else [entry for entry in batch if entry.db in self._databases]
            self._tally.add(kept)
            yield kept
