"""The server's own file, read: an RDB dump, walked in windows.

Source of the format: rdb.c of Redis 2.6 to 8 and of Valkey 9.
"""

import re
from collections.abc import Callable, Iterator
from struct import Struct
from struct import error as StructError  # noqa: N812 - read beside IndexError
from typing import NoReturn

from worker.errors import FormatError
from worker.formats.entries import Entry, Used
from worker.formats.rdb.codes import FIRST_VERSION_WITH_CHECKSUM, ONE_STRING, TYPE_OF, known
from worker.formats.rdb.reader.opcodes import (
    AUX,
    END,
    EXPIRE_MS,
    EXPIRE_S,
    FIRST_OPCODE,
    FREQ,
    FUNCTION,
    IDLE,
    MODULE_AUX,
    SELECT_DB,
    passed_over,
    read_expiry,
    read_used,
)
from worker.formats.rdb.reader.open_value import OpenValue
from worker.formats.rdb.reader.window import CHECKSUM_BYTES, Window
from worker.formats.rdb.skipping import Skipper, after_flat, after_plain, after_string
from worker.formats.rdb.strings import read_length, read_string
from worker.formats.rdb.values import key_in_words, kind_at
from worker.formats.rdb.vectors import MODULE_2

_HEADER = re.compile(rb"REDIS(\d{4})|VALKEY(\d{3})")
HEADER_BYTES = 9
_MOST_FACTS = 100
_u32 = Struct("<I").unpack_from
# A NamedTuple's own constructor takes twice as long.
_new = tuple.__new__
_TYPE_BYTE = [bytes([code]) for code in range(256)]
NO_LENGTH = "a length or a string begins with a byte that none can begin with"


class Reader:
    """Walks an RDB file at flat memory; the one thing held whole is a value that was asked for.

    `values` says whether entries carry their payload; without, even a value of many gigabytes is passed over unheld.
    Of a `part`, which lacks some keys at the beginning, the end is not checked. With `fits` only keys that it is true of are
    made entries of, which takes half of the time where those are few.
    """

    def __init__(
        self,
        chunks: Iterator[bytes],
        *,
        values: bool,
        part: bool = False,
        fits: Callable[[bytes], object] | None = None,
    ) -> None:
        self.rdb_version: int | None = None
        self.libraries: list[bytes] = []
        self.facts: dict[str, str] = {}
        """The AUX fields, such as `redis-ver` and `repl-offset`."""
        self.unreadable: str | None = None
        """Without `values`: what ended the walk early, while the bytes went on to be checked to their end."""
        self.modules = False
        """Whether a module has put something beside the keys, without which no server loads the file."""
        self.begins_at = 0
        """Behind which byte the entries of the last batch lie: `artifact.resumed` begins there."""
        self.passed = 0
        """Keys that did not fit."""
        self._window, self._values, self._part, self._fits = Window(chunks), values, part, fits
        self._read_to = 0
        self._db = 0
        self._expires_at: int | None = None
        self._used: Used | None = None
        self._open: OpenValue | None = None
        self._ended = False

    def batches(self) -> Iterator[list[Entry]]:
        """Yield the entries of each window. FormatError says what is wrong, and at which byte."""
        window = self._window
        while len(window.data) < HEADER_BYTES:
            window.refill()
        self._read_header()
        while not self._ended:
            self.begins_at = self._read_to
            yield self._walk()
            if self.unreadable:
                break
            if not self._ended:
                self._refill()
        if self.unreadable and self._values:
            window.fail(self.unreadable, "This RDB file cannot be read to its end")
        if self._part:
            return
        checksum = CHECKSUM_BYTES if (self.rdb_version or 0) >= FIRST_VERSION_WITH_CHECKSUM else 0
        for _ in window.drain(END) if self.unreadable else window.end(checksum):
            yield []

    def _read_header(self) -> None:
        match = _HEADER.match(self._window.data)
        if match is None:
            raise FormatError("This is no RDB file: it does not begin with REDIS or VALKEY and a version.")
        self.rdb_version = int(match[1] or match[2])
        self._window.pos = HEADER_BYTES

    def _refill(self) -> None:
        try:
            dropped = self._window.refill()
        except FormatError as error:
            value = self._value_at(self._window.pos)
            raise FormatError(f"{error} It is in {value}." if value else str(error)) from None
        if self._open:
            self._open.start = 0
            self._open.reached -= dropped

    def _walk(self) -> list[Entry]:
        """Every whole record of the window."""
        batch: list[Entry] = []
        whole = self._window.pos
        try:
            if self._open:
                whole = self._resume(self._open, batch)
            if not self._open:
                whole = self._read_records(batch, whole)
        except FormatError:
            self._fail_at(self._window.pos)
        if batch:
            self._read_to = self._window.offset + whole
        return batch

    def _read_records(self, batch: list[Entry], pos: int) -> int:
        """Every record that begins at `pos` or behind it; where the last key ended.

        Spelt out in one loop on local names, for a call or an attribute for each key would double the time. The window
        goes on at `begin`, where the record begins that is being read, or the rest of a value that is held open.
        """
        window, values, fits, add, passed = self._window, self._values, self._fits, batch.append, 0
        data, size = window.data, len(window.data)
        db, expires_at, used = self._db, self._expires_at, self._used
        begin = whole = pos
        try:
            while True:
                begin = pos
                code = data[pos]
                if code == EXPIRE_MS and pos + 9 <= size:
                    expires_at = read_expiry(data, pos + 1)[0]
                    pos += 9
                    continue
                if code >= FIRST_OPCODE:
                    self._expires_at = expires_at
                    begin = pos = self._opcode(code, pos + 1)
                    db, expires_at, used = self._db, self._expires_at, self._used
                    if self._ended or self.unreadable:
                        return whole
                    continue
                # A key: most are shorter than 64 bytes, and so are most strings.
                length = data[pos + 1]
                start = pos + 2 + length
                key = data[pos + 2 : start]
                if length >= 0x40:
                    key, start = read_string(data, pos + 1)
                if code in ONE_STRING:
                    length = data[start]
                    pos = start + 1 + length if length < 0x40 else after_string(data, start)
                    if pos > size:
                        self._hold(OpenValue(code, TYPE_OF[code], key, start, pos, None))
                        begin = window.pos
                        return whole
                else:
                    window.pos = begin
                    pos = self._after(code, key, start)
                    if self._open or self.unreadable:
                        begin = window.pos
                        return whole
                # Its value ends at `pos`, in this window.
                if fits and not fits(key):
                    passed += 1
                    whole = pos
                    expires_at = used = self._used = None
                    continue
                payload = _TYPE_BYTE[code] + data[start:pos] if values else None
                kind = TYPE_OF[code] if code != MODULE_2 else kind_at(data, start, code)
                add(_new(Entry, (db, key, expires_at, kind, payload, None, used)))
                whole = pos
                expires_at = used = self._used = None
        except (IndexError, StructError):
            # The rest of the record is in the next window.
            return whole
        finally:
            window.pos, self._expires_at = begin, expires_at
            self.passed += passed

    def _fail_at(self, begin: int) -> NoReturn:
        value = self._value_at(begin)
        self._window.fail(f"{NO_LENGTH}, in {value}" if value else NO_LENGTH)

    def _value_at(self, begin: int) -> str | None:
        """The value that is being read, or that the record at `begin` has, by its type, key and database."""
        try:
            if self._open:
                kind, key = self._open.kind, self._open.key
            else:
                data = self._window.data
                kind, key = TYPE_OF[data[begin]], read_string(data, begin + 1)[0]
        except (IndexError, KeyError, StructError, FormatError):
            return None
        return key_in_words(kind, key, self._db)

    def _after(self, code: int, key: bytes, start: int) -> int:
        """Where the value that begins at `start` ends; it is held open when that is not in this window."""
        size = len(self._window.data)
        if start > size:
            raise IndexError
        row = known(code, self.rdb_version or 0)
        if row is None or (shape := row.shape) is None:
            self._unknown(code, key)
            return start
        data = self._window.data
        try:
            reached = after_flat(data, start, row.flat) if row.flat else after_plain(data, start, shape)
            if reached <= size:
                return reached
        except IndexError:
            # It goes on beyond this window, which only a Skipper remembers.
            pass
        skipper = Skipper(shape)
        reached, whole = skipper.skip(self._window.data, start)
        if not whole or reached > size:
            self._hold(OpenValue(code, kind_at(data, start, code), key, start, reached, skipper))
        return reached

    def _hold(self, value: OpenValue) -> None:
        self._open = value
        self._window.pos = min(value.reached, len(self._window.data))
        self._keep(value, self._window.pos)

    def _keep(self, value: OpenValue, end: int) -> None:
        if self._values and (self._fits is None or self._fits(value.key)):
            if not value.held.tell():
                value.held.write(_TYPE_BYTE[value.code])
            value.held.write(memoryview(self._window.data)[value.start : end])

    def _resume(self, value: OpenValue, batch: list[Entry]) -> int:
        """Go on with a value that was held open; it stays so when this window does not end it either."""
        whole = value.reached <= len(self._window.data)
        if whole and value.skipper:
            value.reached, whole = value.skipper.skip(self._window.data, value.reached)
        if not whole or value.reached > len(self._window.data):
            self._hold(value)
            return self._window.pos
        self._keep(value, value.reached)
        if self._fits and not self._fits(value.key):
            self.passed += 1
        else:
            payload = value.held.getvalue() or None
            batch.append(Entry(self._db, value.key, self._expires_at, value.kind, payload, None, self._used))
        self._open = self._expires_at = self._used = None
        return value.reached

    def _unknown(self, code: int, key: bytes) -> None:
        self.unreadable = (
            f"the key {_shown(key)!r} of database {self._db} has the RDB type {code}, which this program does not know"
        )

    def _opcode(self, code: int, pos: int) -> int:
        """What stands between keys. IndexError or StructError, and nothing changed, where it is cut."""
        data = self._window.data
        if code == EXPIRE_MS:
            self._expires_at = read_expiry(data, pos)[0]
            return pos + 8
        if code == EXPIRE_S:
            self._expires_at = _u32(data, pos)[0] * 1000
            return pos + 4
        if code == SELECT_DB:
            self._db, pos = read_length(data, pos)
            return pos
        if code in (FREQ, IDLE):
            self._used, pos = read_used(code, data, pos)
            return pos
        if code == END:
            self._ended = True
            return pos
        if code == AUX:
            name, pos = read_string(data, pos)
            value, pos = read_string(data, pos)
            if len(self.facts) < _MOST_FACTS:
                self.facts[name.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
            return pos
        if code == FUNCTION:
            library, pos = read_string(data, pos)
            self.libraries.append(library)
            return pos
        return self._pass_over(code, pos)

    def _pass_over(self, code: int, pos: int) -> int:
        shape = passed_over(code, self.rdb_version or 0)
        if shape is None:
            self.unreadable = f"it has a part of kind {code}, which this program does not know"
            return pos
        pos, whole = Skipper(shape).skip(self._window.data, pos)
        if not whole or pos > len(self._window.data):
            raise IndexError
        self.modules = self.modules or code == MODULE_AUX
        return pos


def _shown(key: bytes) -> str:
    return key[:64].decode("utf-8", "backslashreplace")
