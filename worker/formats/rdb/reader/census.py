"""Counts the keys of an RDB file as it passes, without making entries."""

from collections import Counter, deque
from collections.abc import Generator, Iterator
from struct import error as StructError  # noqa: N812 - read beside IndexError

from worker.errors import FormatError
from worker.formats.entries import Entry
from worker.formats.rdb.codes import ONE_STRING, TYPE_OF
from worker.formats.rdb.reader.names import Names
from worker.formats.rdb.reader.opcodes import EXPIRE_MS, FIRST_OPCODE, SELECT_DB, read_expiry
from worker.formats.rdb.reader.open_value import OpenValue
from worker.formats.rdb.reader.reader import NO_LENGTH, Reader
from worker.formats.rdb.skipping import after_string
from worker.formats.rdb.strings import read_string
from worker.formats.rdb.values import kind_at
from worker.formats.rdb.vectors import MODULE_2
from worker.formats.tally import Tally


class Census(Reader):
    """A Reader whose batches are empty: what it has passed is counted in `tally`. FormatError as a Reader's.

    A backup cannot be quicker than this loop; to make and drop an entry for each key would double its time.
    """

    def __init__(self, chunks: Iterator[bytes], tally: Tally, at: float = 0.0) -> None:
        self.expired: Counter[int] = Counter()
        """How many keys have expired by `at`, in milliseconds since the epoch; by database."""
        self._chunks, self._tally, self._at = chunks, tally, at
        self._passed: deque[bytes] = deque()
        # Of the keys since the last count: their types, and when they expire.
        self._codes, self._moments = bytearray(), list[int]()
        # Of those whose code is a module's: what `kind_at` calls them.
        self._modules: Counter[str] = Counter()
        self._names = Names()
        # How many keys had been counted, and where in the window the next of that database begins.
        self._named, self._begin = tally.keys, 0
        super().__init__(self._tapped(), values=False)

    def chunks(self) -> Generator[bytes]:
        """Yield the chunks, each as soon as its keys were counted."""
        for _ in self.batches():
            while self._passed:
                yield self._passed.popleft()
        yield from self._passed

    def _tapped(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._passed.append(chunk)
            yield chunk

    def _walk(self) -> list[Entry]:
        """Every whole record of the window, and by name some of them."""
        large, self._begin = self._open, self._window.pos
        if large:
            self._begin = self._resume(large, [])
            if self._open:
                return []
            self._count()
            self._named = self._tally.keys
            self._tally.prefixes.add_large(large.key)
        self._pass_records(self._begin)
        self._name()
        return []

    def _name(self) -> None:
        """Count what has passed since the last time, which is of one database, and look at the names of some of it."""
        self._count()
        passed, sample = self._tally.keys - self._named, self._tally.prefixes
        names = self._names.first(sample.wanted(passed), self._window.data, self._begin, self.rdb_version)
        sample.add(names, passed)
        self._named = self._tally.keys

    def _pass_records(self, pos: int) -> None:
        """The loop of a Reader, spelt out once more with half of its work."""
        window, add, expires_at = self._window, self._codes.append, self._moments.append
        data, size = window.data, len(window.data)
        try:
            while True:
                window.pos = pos
                code = data[pos]
                if code == EXPIRE_MS and pos + 9 <= size:
                    expires_at(read_expiry(data, pos + 1)[0])
                    pos += 9
                    continue
                if code >= FIRST_OPCODE:
                    pos = self._opcode(code, pos + 1)
                    if self._ended or self.unreadable:
                        window.pos = pos
                        break
                    continue
                length = data[pos + 1]
                start = pos + 2 + length if length < 0x40 else after_string(data, pos + 1)
                if code in ONE_STRING:
                    length = data[start]
                    pos = start + 1 + length if length < 0x40 else after_string(data, start)
                    if pos > size:
                        key = read_string(data, window.pos + 1)[0]
                        self._hold(OpenValue(code, TYPE_OF[code], key, start, pos, None))
                        break
                else:
                    pos = self._after(code, read_string(data, pos + 1)[0], start)
                    if self._open or self.unreadable:
                        break
                add(code)
        except (IndexError, StructError):
            pass
        except FormatError:
            window.fail(NO_LENGTH)

    def _resume(self, value: OpenValue, batch: list[Entry]) -> int:
        pos = super()._resume(value, batch)
        if not self._open:
            self._codes.append(value.code)
            if value.code == MODULE_2:
                self._modules[value.kind] += 1
        return pos

    def _after(self, code: int, key: bytes, start: int) -> int:
        pos = super()._after(code, key, start)
        if code == MODULE_2 and not self._open:
            self._modules[kind_at(self._window.data, start, code)] += 1
        return pos

    def _opcode(self, code: int, pos: int) -> int:
        if code == SELECT_DB:
            # Those so far are of the database before.
            self._name()
        pos = super()._opcode(code, pos)
        if code == SELECT_DB:
            self._begin = pos
        if self._expires_at is not None:
            # In seconds, or cut by the end of the last window.
            self._moments.append(self._expires_at)
            self._expires_at = None
        return pos

    def _count(self) -> None:
        codes = Counter(self._codes)
        del codes[MODULE_2]
        for kind, number in self._modules.items():
            self._tally.count(self._db, kind, number)
        for code, number in codes.items():
            self._tally.count(self._db, TYPE_OF[code], number)
        self._tally.expiring += len(self._moments)
        if self._at:
            self.expired[self._db] += sum(moment <= self._at for moment in self._moments)
        self._codes.clear()
        self._modules.clear()
        self._moments.clear()
