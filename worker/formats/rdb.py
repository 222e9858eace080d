"""The server's own file: an RDB dump, walked in windows and written from entries.

Source of the format: rdb.c of Redis 2.6 to 8 and of Valkey 9.
"""

import re
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from struct import Struct
from struct import error as StructError  # noqa: N812 - read beside IndexError
from typing import NoReturn

import anycrc

from worker.entries import Entry, EntryStream
from worker.errors import FormatError
from worker.formats.skipping import FLAT, LENGTH, MODULE, STRING, Shape, Skipper, after_flat, after_string, shape_of
from worker.formats.strings import read_length, read_string
from worker.formats.values import TYPE_OF

SLOT_INFO, FUNCTION, FUNCTION_PRE_GA, MODULE_AUX, IDLE, FREQ, AUX, RESIZE_DB, EXPIRE_MS, EXPIRE_S, SELECT_DB, END = (
    range(244, 256)
)
# Below them: 243 is Valkey's; 242 and 243 of Redis 8.6 and newer are not known here.
SLOT_IMPORT = 243
FIRST_OPCODE = 242
FIRST_VALKEY_VERSION = 80

_crc64 = anycrc.Model("CRC64-REDIS").calc
_HEADER = re.compile(rb"REDIS(\d{4})|VALKEY(\d{3})")
_HEADER_BYTES = 9
_CHECKSUM_BYTES = 8
_FIRST_VERSION_WITH_CHECKSUM = 5
_u32 = Struct("<I").unpack_from
_i64 = Struct("<q").unpack_from
_pack_i64 = Struct("<q").pack
# A NamedTuple's own constructor takes twice as long.
_new = tuple.__new__
_TYPE_BYTE = [bytes([code]) for code in range(256)]
_EXPIRE_MS_BYTE = _TYPE_BYTE[EXPIRE_MS]
# What follows an opcode that is passed over.
_PASSED_OVER: dict[int, Shape] = {
    SLOT_INFO: (LENGTH, LENGTH, LENGTH),
    MODULE_AUX: (LENGTH, LENGTH, LENGTH, MODULE),
    RESIZE_DB: (LENGTH, LENGTH),
    IDLE: (LENGTH,),
}
_PASSED_OVER_IN_VALKEY = _PASSED_OVER | {SLOT_IMPORT: (STRING, (LENGTH, LENGTH))}
# Types whose value is one string: most keys of most servers, so the walk below spells their skipping out.
_ONE_STRING = frozenset((0, 9, 10, 11, 12, 13, 16, 17, 20))


@dataclass(slots=True)
class _OpenValue:
    """A value that began in this window and goes on in the next."""

    code: int
    key: bytes
    start: int
    reached: int
    skipper: Skipper | None


class Reader:
    """Walks an RDB file at flat memory; the one thing held whole is a value that was asked for.

    `values` says whether entries carry their payload; without, even a value of many gigabytes is passed over unheld.
    """

    def __init__(self, chunks: Iterator[bytes], *, values: bool) -> None:
        self.rdb_version: int | None = None
        self.libraries: list[bytes] = []
        self.facts: dict[str, str] = {}
        """The AUX fields, such as `redis-ver` and `repl-offset`."""
        self.unreadable: str | None = None
        """Without `values`: what ended the walk early, while the bytes went on to be checked to their end."""
        self._chunks, self._values = chunks, values
        self._data, self._pos = b"", 0
        self._offset, self._crc = 0, 0
        self._db = 0
        self._expires_at: int | None = None
        self._open: _OpenValue | None = None
        self._ended = False

    def batches(self) -> Iterator[list[Entry]]:
        """Yield the entries of each window. FormatError says what is wrong, and at which byte."""
        while len(self._data) < _HEADER_BYTES:
            self._refill()
        self._read_header()
        while not self._ended:
            yield self._walk()
            if self.unreadable and self._values:
                self._fail(self.unreadable)
            if self.unreadable:
                yield from self._drain()
                return
            if not self._ended:
                self._refill()
        yield from self._read_end()

    def _fail(self, what: str) -> NoReturn:
        raise FormatError(f"This is not a whole RDB file: {what}, at byte {self._offset + self._pos:,}.")

    def _read_header(self) -> None:
        match = _HEADER.match(self._data)
        if match is None:
            raise FormatError("This is no RDB file: it does not begin with REDIS or VALKEY and a version.")
        self.rdb_version = int(match[1] or match[2])
        self._pos = _HEADER_BYTES

    def _refill(self) -> None:
        """Drop what was walked and read on: at least one chunk, and as much as is held over, so that growth is linear."""
        rest = [self._data[self._pos :]]
        self._pass(self._pos)
        held = len(rest[0])
        wanted = max(1, held, self._open.reached - held if self._open else 0) if self._values else 1
        while wanted > 0:
            chunk = next(self._chunks, None)
            if chunk is None and len(rest) == 1:
                self._fail("it is cut short")
            if chunk is None:
                break
            rest.append(chunk)
            wanted -= max(len(chunk), 1)
        self._data = b"".join(rest)

    def _pass(self, count: int) -> None:
        """`count` bytes have been walked: they enter the checksum, and positions are counted from behind them."""
        self._crc = _crc64(self._data[:count], self._crc)
        self._offset += count
        self._pos = 0
        if self._open:
            self._open.start -= count
            self._open.reached -= count

    def _walk(self) -> list[Entry]:
        """Every whole record of the window. Spelt out in one loop, for a call each would double the time."""
        batch: list[Entry] = []
        data, pos, size, values = self._data, self._pos, len(self._data), self._values
        if self._open:
            pos = self._resume(self._open, batch)
        try:
            while not self._open:
                self._pos = pos
                code = data[pos]
                if code >= FIRST_OPCODE:
                    pos = self._opcode(code, pos + 1)
                    if self._ended or self.unreadable:
                        self._pos = pos
                        break
                    continue
                length = data[pos + 1]
                start = pos + 2 + length
                key = data[pos + 2 : start]
                if length >= 0x40:
                    key, start = read_string(data, pos + 1)
                if code in _ONE_STRING:
                    length = data[start]
                    pos = start + 1 + length if length < 0x40 else after_string(data, start)
                    if pos > size:
                        self._hold(_OpenValue(code, key, start, pos, None))
                        break
                else:
                    pos = self._skip(code, key, start)
                    if self._open or self.unreadable:
                        break
                payload = _TYPE_BYTE[code] + data[start:pos] if values else None
                batch.append(_new(Entry, (self._db, key, self._expires_at, TYPE_OF[code], payload, None)))
                self._expires_at = None
        except (IndexError, StructError):
            pass
        except FormatError:
            self._fail("a length or a string begins with a byte that none can begin with")
        return batch

    def _skip(self, code: int, key: bytes, start: int) -> int:
        """Where the value that begins at `start` ends; it is held open when that is not in this window."""
        size = len(self._data)
        if start > size:
            raise IndexError
        if code in FLAT:
            with suppress(IndexError):
                reached = after_flat(self._data, start, code)
                if reached <= size:
                    return reached
        shape = shape_of(code, self.rdb_version or 0)
        if shape is None:
            self._unknown(code, key)
            return start
        skipper = Skipper(shape)
        reached, whole = skipper.skip(self._data, start)
        if not whole or reached > size:
            self._hold(_OpenValue(code, key, start, reached, skipper))
        return reached

    def _hold(self, value: _OpenValue) -> None:
        self._open = value
        self._pos = value.start if self._values else min(value.reached, len(self._data))

    def _resume(self, value: _OpenValue, batch: list[Entry]) -> int:
        """Go on with a value that was held open; it stays so when this window does not end it either."""
        whole = value.reached <= len(self._data)
        if whole and value.skipper:
            value.reached, whole = value.skipper.skip(self._data, value.reached)
        if not whole or value.reached > len(self._data):
            self._hold(value)
            return self._pos
        payload = _TYPE_BYTE[value.code] + self._data[value.start : value.reached] if self._values else None
        batch.append(Entry(self._db, value.key, self._expires_at, TYPE_OF[value.code], payload))
        self._open, self._expires_at = None, None
        return value.reached

    def _unknown(self, code: int, key: bytes) -> None:
        shown = key[:64].decode("utf-8", "backslashreplace")
        self.unreadable = (
            f"the key {shown!r} of database {self._db} has the RDB type {code}, which this program does not know"
        )

    def _opcode(self, code: int, pos: int) -> int:
        """What stands between keys. IndexError or StructError, and nothing changed, where it is cut."""
        data = self._data
        if code == EXPIRE_MS:
            self._expires_at = _i64(data, pos)[0]
            return pos + 8
        if code == EXPIRE_S:
            self._expires_at = _u32(data, pos)[0] * 1000
            return pos + 4
        if code == SELECT_DB:
            self._db, pos = read_length(data, pos)
            return pos
        if code == FREQ:
            return pos + 1 if data[pos] >= 0 else pos
        if code == END:
            self._ended = True
            return pos
        if code == AUX:
            name, pos = read_string(data, pos)
            value, pos = read_string(data, pos)
            self.facts[name.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
            return pos
        if code == FUNCTION:
            library, pos = read_string(data, pos)
            self.libraries.append(library)
            return pos
        return self._pass_over(code, pos)

    def _pass_over(self, code: int, pos: int) -> int:
        known = _PASSED_OVER_IN_VALKEY if (self.rdb_version or 0) >= FIRST_VALKEY_VERSION else _PASSED_OVER
        if code not in known:
            self.unreadable = f"it has a part of kind {code}, which this program does not know"
            return pos
        pos, whole = Skipper(known[code]).skip(self._data, pos)
        if not whole or pos > len(self._data):
            raise IndexError
        return pos

    def _read_end(self) -> Iterator[list[Entry]]:
        """After the end mark: the checksum, and then nothing."""
        self._data, rest = b"", self._after_mark()
        version = self.rdb_version or 0
        expected = _CHECKSUM_BYTES if version >= _FIRST_VERSION_WITH_CHECKSUM else 0
        for chunk in self._chunks:
            rest += chunk
            if len(rest) > expected:
                break
            yield []
        if len(rest) < expected:
            self._fail("it is cut short")
        if len(rest) > expected:
            self._fail("something follows its end")
        self._check(rest)

    def _after_mark(self) -> bytes:
        rest = self._data[self._pos :]
        self._pass(self._pos)
        return rest

    def _check(self, checksum: bytes) -> None:
        found = int.from_bytes(checksum, "little")
        # Zero means that the server was told not to compute it (`rdbchecksum no`).
        if found and found != self._crc:
            self._fail("its checksum does not match, so some byte before has changed")

    def _drain(self) -> Iterator[list[Entry]]:
        """Past something unreadable: only the checksum, which needs no understanding, is still followed to the end."""
        while True:
            tail = self._data[-_CHECKSUM_BYTES:]
            self._pass(len(self._data) - len(tail))
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._data = tail + chunk
            yield []
        self._check(tail)


def write(stream: EntryStream, facts: dict[str, str]) -> Generator[bytes]:
    """Yield an RDB file of the stream's own version; every entry must have a payload. `facts` become AUX fields."""
    crc = 0
    for chunk in _body(stream, facts):
        crc = _crc64(chunk, crc)
        yield chunk
    yield crc.to_bytes(_CHECKSUM_BYTES, "little")


def _body(stream: EntryStream, facts: dict[str, str]) -> Iterator[bytes]:
    batches = stream.batches()
    first = next(batches, [])
    aux = [_TYPE_BYTE[AUX] + _written(name.encode()) + _written(value.encode()) for name, value in facts.items()]
    yield _header(stream.rdb_version) + b"".join(aux)
    db = None
    for batch in chain([first], batches):
        parts: list[bytes] = []
        for entry in batch:
            if entry.db != db:
                db = entry.db
                parts.append(_TYPE_BYTE[SELECT_DB] + _length(db))
            if entry.expires_at is not None:
                parts.append(_EXPIRE_MS_BYTE + _pack_i64(entry.expires_at))
            payload = entry.payload or b""
            parts += (payload[:1], _written(entry.key), payload[1:])
        yield b"".join(parts)
    yield b"".join(_TYPE_BYTE[FUNCTION] + _written(library) for library in stream.libraries) + _TYPE_BYTE[END]


def _header(version: int | None) -> bytes:
    if version is None:
        raise FormatError("An RDB file can only be written from a server's own payloads.")
    return b"VALKEY%03d" % version if version >= FIRST_VALKEY_VERSION else b"REDIS%04d" % version


def _length(value: int) -> bytes:
    if value < 0x40:
        return _TYPE_BYTE[value]
    if value < 0x4000:
        return bytes((0x40 | value >> 8, value & 0xFF))
    if value < 1 << 32:
        return b"\x80" + value.to_bytes(4, "big")
    return b"\x81" + value.to_bytes(8, "big")


def _written(string: bytes) -> bytes:
    return _length(len(string)) + string
