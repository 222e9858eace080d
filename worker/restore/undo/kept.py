"""What was there before a restore, asked for by the keys that it dealt with: in their order, or in any other."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from worker.errors import StorageError
from worker.formats.entries import Entry, EntryStream
from worker.restore.undo.spool import Aside
from worker.storage.tempfiles import on_disk, temporary

ROWS = 500
CACHE_KB = 32 << 10
"""Of the index, so much is in memory."""


ASIDE_BYTES = 16 << 20
"""A kept payload of so many bytes waits on disk while the live value and what the restore wrote are in memory."""

Held = tuple[Entry, Aside | None]
"""What was kept of one key; a large payload is aside, and not in the entry."""


class Kept(Protocol):
    """What was there before; each key is asked for once."""

    stream: EntryStream
    has_more: bool
    """Whether it also holds keys that the restore had nothing to do with."""

    def begin(self) -> None:
        """Before anything is asked."""
        ...

    def of(self, db: int, key: bytes) -> Held | None:
        """What was there under this key."""
        ...

    def others(self) -> Iterator[Held]:
        """What was there under keys that were not asked for."""
        ...


def drained(stream: EntryStream) -> Iterator[Entry]:
    """Yield the entries, and take each out of its list, so that no list keeps a payload alive."""
    for batch in stream.batches():
        batch.reverse()
        while batch:
            yield batch.pop()


class InOrder:
    """Kept in the order in which it is asked for."""

    has_more = False

    def __init__(self, stream: EntryStream) -> None:
        self.stream = stream
        # A for loop would keep the last payload alive.
        self._entries = map(_set_aside, drained(stream))
        self._next: Held | None = None

    def begin(self) -> None:
        """Before anything is asked."""
        self._next = next(self._entries, None)

    def of(self, db: int, key: bytes) -> Held | None:
        """What was there under this key."""
        kept = self._next
        if kept is None or kept[0].key != key or kept[0].db != db:
            return None
        self._next = next(self._entries, None)
        return kept

    def others(self) -> Iterator[Held]:
        """What is left of it."""
        while (kept := self._next) is not None:
            yield kept
            self._next = next(self._entries, None)


class Indexed:
    """Kept in the order of a server: it is read to its end first, onto disk. StorageError where that is full.

    The index is a database of SQLite without a name, the values lie in an unnamed file: nothing of either stays.
    """

    has_more = True

    def __init__(self, stream: EntryStream) -> None:
        self.stream = stream
        self._values = temporary()
        self._asked = bytearray()
        self._index = sqlite3.connect("", isolation_level=None)

    def __del__(self) -> None:
        # Where no file could be made, there is none to close.
        for held in ("_index", "_values"):
            if hasattr(self, held):
                getattr(self, held).close()

    def begin(self) -> None:
        """Before anything is asked."""
        with _explained():
            for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE_KB}"):
                self._index.execute(f"PRAGMA {setting}")
            self._index.execute(
                "CREATE TABLE kept (db INTEGER, key BLOB, row INTEGER, expires_at INTEGER, type TEXT, at INTEGER, size INTEGER, "
                "PRIMARY KEY (db, key)) WITHOUT ROWID"
            )
            self._fill(self._index)

    def of(self, db: int, key: bytes) -> Held | None:
        """What was there under this key."""
        with _explained():
            query = "SELECT row, expires_at, type, at, size FROM kept WHERE db = ? AND key = ?"
            row = self._index.execute(query, (db, key)).fetchone()
        if row is None:
            return None
        number, expires_at, kind, at, size = row
        self._asked[number] = 1
        return self._held(Entry(db, key, expires_at, kind), at, size)

    def others(self) -> Iterator[Held]:
        """What was there under keys that were not asked for."""
        rows = self._index.execute("SELECT row, db, key, expires_at, type, at, size FROM kept")
        while True:
            with _explained():
                row = rows.fetchone()
            if row is None:
                return
            number, db, key, expires_at, kind, at, size = row
            if not self._asked[number]:
                yield self._held(Entry(db, key, expires_at, kind), at, size)

    def _held(self, entry: Entry, at: int, size: int) -> Held:
        with on_disk():
            self._values.seek(at)
            return _set_aside(entry._replace(payload=self._values.read(size)))

    def _fill(self, index: sqlite3.Connection) -> None:
        rows: list[tuple[object, ...]] = []
        at, number = 0, 0
        index.execute("BEGIN")
        for entry in drained(self.stream):
            payload = entry.payload or b""
            with on_disk():
                self._values.write(payload)
            rows.append((entry.db, entry.key, number, entry.expires_at, entry.type, at, len(payload)))
            at, number = at + len(payload), number + 1
            if len(rows) >= ROWS:
                index.executemany("INSERT INTO kept VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
                rows.clear()
        index.executemany("INSERT INTO kept VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        index.execute("COMMIT")
        with on_disk():
            self._values.flush()
        self._asked = bytearray(number)


def _set_aside(entry: Entry) -> Held:
    if entry.payload is None or len(entry.payload) < ASIDE_BYTES:
        return entry, None
    return entry._replace(payload=None), Aside(entry.payload)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StorageError(
            f"The folder for temporary files cannot be written ({error}): free some space, or set TMPDIR."
        ) from None
