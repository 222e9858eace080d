"""Expiries that count from the moment when the server ran the command, as 6.2 sends them, made absolute.

Source: t_string.c and expire.c of Redis 6.2, which propagate `EXPIRE`, `PEXPIRE`, `SETEX`, `PSETEX`, `SET ... EX|PX`, `GETEX ... EX|PX` and
`RESTORE key ttl` as they came. Redis 7.0 and Valkey send absolute times.
"""

from collections.abc import Sequence

FIRST_ABSOLUTE = (7, 0)
"""The first version of Redis that sends nothing else."""
_UNIT = {b"EX": 1000, b"PX": 1}


def absolute(arguments: list[bytes], now_ms: int) -> list[bytes]:
    """The same command with the expiry that it means, had it been run at `now_ms` (milliseconds since the epoch)."""
    word = arguments[0].upper()
    change = _CHANGES.get(word)
    return change(arguments, now_ms) if change is not None else arguments


def _expire(arguments: list[bytes], now_ms: int) -> list[bytes]:
    unit = 1000 if arguments[0].upper() == b"EXPIRE" else 1
    return [b"PEXPIREAT", arguments[1], _at(arguments[2], unit, now_ms), *arguments[3:]]


def _setex(arguments: list[bytes], now_ms: int) -> list[bytes]:
    unit = 1000 if arguments[0].upper() == b"SETEX" else 1
    _, key, seconds, value = arguments
    return [b"SET", key, value, b"PXAT", _at(seconds, unit, now_ms)]


def _option(arguments: list[bytes], now_ms: int) -> list[bytes]:
    """Of SET and GETEX, whose expiry is an option behind the key, and the value."""
    first = 3 if arguments[0].upper() == b"SET" else 2
    for place in range(first, len(arguments) - 1):
        if unit := _UNIT.get(arguments[place].upper()):
            after = arguments[place + 2 :]
            return [*arguments[:place], b"PXAT", _at(arguments[place + 1], unit, now_ms), *after]
    return arguments


def _restore(arguments: list[bytes], now_ms: int) -> list[bytes]:
    options: Sequence[bytes] = [option.upper() for option in arguments[4:]]
    if b"ABSTTL" in options or arguments[2] == b"0":
        return arguments
    return [*arguments[:2], _at(arguments[2], 1, now_ms), *arguments[3:], b"ABSTTL"]


def _at(duration: bytes, unit: int, now_ms: int) -> bytes:
    return b"%d" % (now_ms + int(duration) * unit)


_CHANGES = {
    b"EXPIRE": _expire,
    b"PEXPIRE": _expire,
    b"SETEX": _setex,
    b"PSETEX": _setex,
    b"SET": _option,
    b"GETEX": _option,
    b"RESTORE": _restore,
}
