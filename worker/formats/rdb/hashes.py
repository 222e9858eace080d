"""Hashes whose fields expire: types 22 to 25 of Redis 7.4 and newer, and type 22 of Valkey 9 (rdb.c, hash objects).

Each function gives the fields of the hash at an offset of a payload and the offset after it, and raises FormatError,
IndexError and struct.error. Times are milliseconds since the epoch. Fields that have expired since are still there.
"""

from struct import Struct

from worker.errors import FormatError
from worker.formats.rdb.encodings import listpack
from worker.formats.rdb.strings import read_length, read_string

Pairs = list[tuple[bytes, bytes, int | None]]

_read_milliseconds = Struct("<q").unpack_from
_NEVER = -1
"""Valkey's word for a field that does not expire."""
_MAX_EXPIRY = 2**48
"""No Redis keeps an expiry of a field beyond that (ebuckets.h)."""


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
    """Type 25: the earliest expiry, which the fields' own make superfluous, then as type 23."""
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
