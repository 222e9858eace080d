"""One RDB value, decoded: what DUMP answers, less its footer, becomes a value of formats/entries.py.

All encodings that Redis 2.6 to 8.6 and Valkey 7.2 to 9 write, and the streams of Redis 8.8 and newer.
Source of the format: rdb.c, rdbSaveObject and rdbLoadObject.
"""

from collections.abc import Callable
from itertools import repeat
from struct import Struct
from struct import error as StructError  # noqa: N812 - an exception's name

from worker.errors import FormatError
from worker.formats.entries import Entry, Opaque, Value
from worker.formats.key_text import key_text
from worker.formats.rdb.encodings import intset, listpack, ziplist, zipmap
from worker.formats.rdb.hashes import (
    Pairs,
    read_expiring,
    read_expiring_listpack,
    read_expiring_listpack_rc,
    read_expiring_rc,
    read_valkey_expiring,
)
from worker.formats.rdb.payload import seal
from worker.formats.rdb.streams import read_stream
from worker.formats.rdb.strings import read_length, read_string, read_strings, view_string
from worker.formats.rdb.vectors import MODULE_2, name_at, readable
from worker.formats.rdb.vectors import NAME as VECTOR_SET
from worker.formats.rdb.versions import FIRST_VALKEY_VERSION

Read = Callable[[bytes, int], tuple[Value | None, int]]

_read_double = Struct("<d").unpack_from

_VALKEY_HASH = 22
"""Valkey's, which is not what a Redis release candidate once wrote as 22."""
_MODULES = (6, 7)
STRING = 0
"""The type byte of a string, whichever way it is encoded."""
_KEY_CHARACTERS = 80
_SPECIAL_DOUBLES = {253: float("nan"), 254: float("inf"), 255: float("-inf")}

TYPE_OF: dict[int, str] = (
    {0: "string", 1: "list", 2: "set", 3: "zset", 4: "hash", 5: "zset", 6: "module", 7: "module"}
    | {9: "hash", 10: "list", 11: "set", 12: "zset", 13: "hash", 14: "list", 15: "stream", 16: "hash", 17: "zset"}
    | {18: "list", 19: "stream", 20: "set", 21: "stream", 22: "hash", 23: "hash", 24: "hash", 25: "hash"}
    | {26: "stream", 27: "stream"}
)
"""The name, as in worker.formats.entries.TYPES, of each RDB type byte that this program knows (rdb.h). Of modules `kind_at` knows more."""


def kind_at(data: bytes, pos: int, code: int) -> str:
    """The name of the type of a value at `pos`, behind its type byte. IndexError where that is cut."""
    if code != MODULE_2:
        return TYPE_OF.get(code, "unknown")
    try:
        return VECTOR_SET if name_at(data, pos) == VECTOR_SET else "module"
    except FormatError:
        return "module"


def kind_of(payload: bytes) -> str:
    """The same of a payload, which begins with its type byte."""
    try:
        return kind_at(payload, 1, payload[0])
    except IndexError:
        return "unknown"


def decode(payload: bytes, rdb_version: int) -> Value:
    """The value of an RDB type byte and RDB value; `rdb_version` is that of the file, or of DUMP's footer.

    A module's value is kept whole, and so is a stream with entries that only Redis 8.8 and newer can express, and a vector
    set that is damaged or of a later kind. Raises FormatError for an unknown type and for damage of any other kind.
    """
    if not payload:
        raise FormatError("The value is empty: not even its type is there, at byte 0.")
    code = payload[0]
    if code in _MODULES:
        return readable(payload) or Opaque(seal(payload, rdb_version))
    readers = _VALKEY_READERS if rdb_version >= FIRST_VALKEY_VERSION else _READERS
    read = readers.get(code)
    if read is None:
        raise FormatError(f"This program does not know the RDB type {code} of version {rdb_version}, at byte 0.")
    try:
        value, end = read(payload, 1)
    except (IndexError, StructError):
        raise _breaks_off(payload) from None
    if end != len(payload):
        raise _goes_on(payload, end)
    return Opaque(seal(payload, rdb_version)) if value is None else value


def value_of(entry: Entry, rdb_version: int) -> Value:
    """The value of an entry that came with its payload. FormatError says which key it is that cannot be decoded."""
    try:
        return decode(entry.payload or b"", rdb_version)
    except FormatError as error:
        raise FormatError(f"{str(error).rstrip('.')}, in {told(entry.type, entry.key, entry.db)}.") from None


def told(kind: str, key: bytes, db: int) -> str:
    """Which value it is that is wrong, behind "in"."""
    return f"the {kind} {key_text(key)[:_KEY_CHARACTERS]!r} of database {db}"


def view(payload: bytes) -> memoryview:
    """The value of a payload whose type is STRING, of which no copy is made where that can be. Raises FormatError."""
    try:
        value, end = view_string(payload, 1)
    except IndexError:
        raise _breaks_off(payload) from None
    if end != len(payload):
        raise _goes_on(payload, end)
    return value


def _breaks_off(payload: bytes) -> FormatError:
    return FormatError(f"The value breaks off at byte {len(payload)}.")


def _goes_on(payload: bytes, end: int) -> FormatError:
    return FormatError(f"The value ends at byte {end}, and {len(payload) - end} more bytes follow.")


def _strings(data: bytes, pos: int) -> tuple[list[bytes], int]:
    count, pos = read_length(data, pos)
    return read_strings(data, pos, count)


def _hash(data: bytes, pos: int) -> tuple[Pairs, int]:
    count, pos = read_length(data, pos)
    parts, pos = read_strings(data, pos, 2 * count)
    return _pairs(parts), pos


def _zset(data: bytes, pos: int) -> tuple[list[tuple[bytes, float]], int]:
    count, pos = read_length(data, pos)
    members: list[tuple[bytes, float]] = []
    for _ in range(count):
        member, pos = read_string(data, pos)
        members.append((member, _read_double(data, pos)[0]))
        pos += 8
    return members, pos


def _zset_of_text(data: bytes, pos: int) -> tuple[list[tuple[bytes, float]], int]:
    """Before RDB 8 a score was text after one byte of length, whose last three values mean no length."""
    count, pos = read_length(data, pos)
    members: list[tuple[bytes, float]] = []
    for _ in range(count):
        member, pos = read_string(data, pos)
        length, start = data[pos], pos + 1
        pos = start + (0 if length in _SPECIAL_DOUBLES else length)
        if pos > len(data):
            raise IndexError
        try:
            members.append((member, _SPECIAL_DOUBLES.get(length) or float(data[start:pos])))
        except ValueError:
            raise FormatError(f"A sorted set has a score that is no number at byte {start}.") from None
    return members, pos


def _pairs(parts: list[bytes]) -> Pairs:
    if len(parts) % 2:
        raise ValueError
    return list(zip(parts[::2], parts[1::2], repeat(None)))


def _scored(parts: list[bytes]) -> list[tuple[bytes, float]]:
    return list(zip(parts[::2], map(float, parts[1::2]), strict=True))


def _packed(unpack: Callable[[bytes], list[bytes]], shape: Callable[[list[bytes]], Value]) -> Read:
    """A reader of types that are one string: a blob in a compact encoding."""

    def read(data: bytes, pos: int) -> tuple[Value, int]:
        blob, end = read_string(data, pos)
        try:
            return shape(unpack(blob)), end
        except ValueError:
            raise FormatError(f"A packed value lacks a part or has a score that is no number, at byte {pos}.") from None

    return read


def _same(parts: list[bytes]) -> Value:
    return parts


def _quicklist(data: bytes, pos: int) -> tuple[list[bytes], int]:
    nodes, pos = _strings(data, pos)
    return [element for node in nodes for element in ziplist(node)], pos


def _quicklist2(data: bytes, pos: int) -> tuple[list[bytes], int]:
    """Each node says what it is (quicklist.h): 1 is one large element, 2 a listpack."""
    count, pos = read_length(data, pos)
    elements: list[bytes] = []
    for _ in range(count):
        container, start = read_length(data, pos)
        node, after = read_string(data, start)
        if container == 1:
            elements.append(node)
        elif container == 2:
            elements += listpack(node)
        else:
            raise FormatError(f"A list has a node of the unknown kind {container} at byte {pos}.")
        pos = after
    return elements, pos


_READERS: dict[int, Read] = {
    0: read_string,
    1: _strings,
    2: _strings,
    3: _zset_of_text,
    4: _hash,
    5: _zset,
    9: _packed(zipmap, _pairs),
    10: _packed(ziplist, _same),
    11: _packed(intset, _same),
    12: _packed(ziplist, _scored),
    13: _packed(ziplist, _pairs),
    14: _quicklist,
    16: _packed(listpack, _pairs),
    17: _packed(listpack, _scored),
    18: _quicklist2,
    20: _packed(listpack, _same),
    22: read_expiring_rc,
    23: read_expiring_listpack_rc,
    24: read_expiring,
    25: read_expiring_listpack,
}
_READERS |= dict.fromkeys((15, 19, 21, 26, 27), read_stream)
# Valkey went its own way from Redis 7.2: what both wrote until then is below 22.
_VALKEY_READERS = {code: read for code, read in _READERS.items() if code < _VALKEY_HASH}
_VALKEY_READERS[_VALKEY_HASH] = read_valkey_expiring
