"""Counts keys as they pass: how many in all, by database and type, and how many expire."""

from collections import Counter, deque
from collections.abc import Generator, Iterator
from operator import attrgetter

from worker.entries import Entry, EntryStream
from worker.formats.rdb import Reader

_DB_AND_TYPE = attrgetter("db", "type")
_EXPIRES_AT = attrgetter("expires_at")


class Tally:
    """The numbers of a manifest, growing while entries go by."""

    def __init__(self) -> None:
        self.keys = 0
        self.expiring = 0
        self._counts: Counter[tuple[int, str]] = Counter()

    def add(self, batch: list[Entry]) -> None:
        """Count a batch."""
        self.keys += len(batch)
        # No Python code runs for a single key here: it is done for every one of millions.
        self._counts.update(map(_DB_AND_TYPE, batch))
        self.expiring += len(batch) - list(map(_EXPIRES_AT, batch)).count(None)

    @property
    def by_db(self) -> dict[int, dict[str, int]]:
        """Keys by database and type."""
        found: dict[int, dict[str, int]] = {}
        for (db, kind), number in sorted(self._counts.items()):
            found.setdefault(db, {})[kind] = number
        return found


class Counted:
    """An EntryStream that is counted while somebody else reads it; limited to some databases where that is asked."""

    def __init__(self, stream: EntryStream, tally: Tally, databases: frozenset[int] | None = None) -> None:
        self._stream, self._tally, self._databases = stream, tally, databases

    @property
    def rdb_version(self) -> int | None:
        """As the stream says."""
        return self._stream.rdb_version

    @property
    def libraries(self) -> list[bytes]:
        """As the stream says."""
        return self._stream.libraries

    def batches(self) -> Iterator[list[Entry]]:
        """Yield what the stream yields, less other databases' keys."""
        for batch in self._stream.batches():
            kept = batch if self._databases is None else [entry for entry in batch if entry.db in self._databases]
            self._tally.add(kept)
            yield kept


class Walk:
    """Chunks of an RDB file that are walked as they pass. FormatError where they are no whole RDB file."""

    def __init__(self, chunks: Iterator[bytes], tally: Tally) -> None:
        self._chunks, self._tally = chunks, tally
        self._passed: deque[bytes] = deque()
        self.reader = Reader(self._tapped(), values=False)

    def _tapped(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._passed.append(chunk)
            yield chunk

    def chunks(self) -> Generator[bytes]:
        """Yield the chunks, each as soon as it was walked."""
        for batch in self.reader.batches():
            self._tally.add(batch)
            while self._passed:
                yield self._passed.popleft()
        yield from self._passed
