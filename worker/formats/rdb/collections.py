"""Lists, sets, sorted sets and hashes as an RDB holds them (rdb.c, rdbLoadObject).

Each function gives the value at an offset of a payload and the offset after it, and raises FormatError, IndexError and
struct.error. Fields of hashes expire in types 22 to 25 of Redis 7.4 and newer and in type 22 of Valkey 9: times are
milliseconds since the epoch, and fields that have expired since are still there.
"""

from collections.abc import Callable
from itertools import repeat
from struct import Struct

from worker.errors import FormatError
from worker.formats.entries import Value
from worker.formats.rdb.encodings import listpack, ziplist
from worker.formats.rdb.strings import read_length, read_string, read_strings

Pairs = list[tuple[bytes, bytes, int | None]]
Unpack = Callable[[bytes], list[bytes]]
"""Takes a blob in a compact encoding apart."""
Read = Callable[[bytes, int], tuple[Value | None, int]]
"""Reads the value at an offset; None for one that a Value cannot say."""

_read_double = Struct("<d").unpack_from
_SPECIAL_DOUBLES = {253: float("nan"), 254: float("inf"), 255: float("-inf")}
_read_milliseconds = Struct("<q").unpack_from
_NEVER = -1
"""Valkey's word for a field that does not expire."""
_MAX_EXPIRY = 2**48
"""No Redis keeps an expiry of a field beyond that (ebuckets.h)."""


def read_list(data: bytes, pos: int) -> tuple[list[bytes], int]:
    """Types 1 and 2: a list or a set, element by element."""
    count, pos = read_length(data, pos)
    return read_strings(data, pos, count)


def read_hash(data: bytes, pos: int) -> tuple[Pairs, int]:
    """Type 4: a hash, field and value by turns."""
    count, pos = read_length(data, pos)
    parts, pos = read_strings(data, pos, 2 * count)
    return as_pairs(parts), pos


def read_scores(data: bytes, pos: int) -> tuple[list[tuple[bytes, float]], int]:
    """Type 5: a sorted set, each score in 8 bytes."""
    count, pos = read_length(data, pos)
    members: list[tuple[bytes, float]] = []
    for _ in range(count):
        member, pos = read_string(data, pos)
        members.append((member, _read_double(data, pos)[0]))
        pos += 8
    return members, pos


def read_scores_of_text(data: bytes, pos: int) -> tuple[list[tuple[bytes, float]], int]:
    """Type 3, older than RDB 8: a score is text behind its length in one byte; 253 to 255 mean nan and the infinities."""
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


def as_pairs(parts: list[bytes]) -> Pairs:
    """Fields and values, which come by turns. ValueError where one is lacking."""
    if len(parts) % 2:
        raise ValueError
    return list(zip(parts[::2], parts[1::2], repeat(None)))


def as_scores(parts: list[bytes]) -> list[tuple[bytes, float]]:
    """Members and scores, which come by turns. ValueError where one is lacking or no number."""
    return list(zip(parts[::2], map(float, parts[1::2]), strict=True))


def packed(unpack: Unpack, shape: Callable[[list[bytes]], Value]) -> Read:
    """A reader of types that are one string: a blob in a compact encoding."""

    def read(data: bytes, pos: int) -> tuple[Value, int]:
        blob, end = read_string(data, pos)
        try:
            return shape(unpack(blob)), end
        except ValueError:
            raise FormatError(f"A packed value lacks a part or has a score that is no number, at byte {pos}.") from None

    return read


def as_members(parts: list[bytes]) -> Value:
    """Elements, as they are."""
    return parts


def read_quicklist(data: bytes, pos: int) -> tuple[list[bytes], int]:
    """Type 14: a list in ziplists."""
    nodes, pos = read_list(data, pos)
    return [element for node in nodes for element in ziplist(node)], pos


def read_quicklist2(data: bytes, pos: int) -> tuple[list[bytes], int]:
    """Type 18: a list in nodes, each of which says what it is (quicklist.h): 1 is one large element, 2 a listpack."""
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


def read_expiring(data: bytes, pos: int) -> tuple[Pairs, int]:
    """Type 24: the earliest expiry, then each field's as 1 + how much later it is, or 0 for none."""
    (earliest,) = _read_milliseconds(data, pos)
    return _fields(data, pos + 8, earliest - 1)


def read_expiring_rc(data: bytes, pos: int) -> tuple[Pairs, int]:
    """Type 22 of Redis 7.4's release candidates: each field's expiry as it is, or 0 for none."""
    return _fields(data, pos, 0)


def _fields(data: bytes, pos: int, base: int) -> tuple[Pairs, int]:
    count, pos = read_length(data, pos)
    fields: Pairs = []
    for _ in range(count):
        later, start = read_length(data, pos)
        expires_at = _expiry(base + later, pos) if later else None
        field, start = read_string(data, start)
        value, pos = read_string(data, start)
        fields.append((field, value, expires_at))
    return fields, pos


def _expiry(milliseconds: int, pos: int) -> int:
    if 0 <= milliseconds < _MAX_EXPIRY:
        return milliseconds
    raise FormatError(f"A hash field expires at an impossible time, {milliseconds}, at byte {pos}.")


def read_expiring_listpack(data: bytes, pos: int) -> tuple[Pairs, int]:
    """Type 25: the earliest expiry, which is not needed, then as type 23."""
    _read_milliseconds(data, pos)
    return read_expiring_listpack_rc(data, pos + 8)


def read_expiring_listpack_rc(data: bytes, pos: int) -> tuple[Pairs, int]:
    """Type 23: field, value and expiry (0 for none) in a listpack."""
    blob, end = read_string(data, pos)
    parts = listpack(blob)
    try:
        times = [_expiry(int(time), pos) if time != b"0" else None for time in parts[2::3]]
        return list(zip(parts[::3], parts[1::3], times, strict=True)), end
    except ValueError:
        raise FormatError(f"A hash with expiring fields is damaged at byte {pos}.") from None


def read_valkey_expiring(data: bytes, pos: int) -> tuple[Pairs, int]:
    """Type 22 of Valkey 9: field, value and expiry (-1 for none) in 8 bytes."""
    count, pos = read_length(data, pos)
    fields: Pairs = []
    for _ in range(count):
        field, pos = read_string(data, pos)
        value, pos = read_string(data, pos)
        (expires_at,) = _read_milliseconds(data, pos)
        if expires_at < _NEVER:
            raise FormatError(f"A hash field expires at an impossible time, {expires_at}, at byte {pos}.")
        fields.append((field, value, expires_at if expires_at != _NEVER else None))
        pos += 8
    return fields, pos
