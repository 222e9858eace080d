"""What a command of the stream does to one key: writes it, takes it away, gives it another expiry.

Source: what Redis 6.2 to 8 and Valkey 8 and 9 propagate; 6.2 with its expiries made absolute (formats/commands/absolute.py).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from worker.formats.commands.touching import DELETING, SILENT, keys_of
from worker.segments.commands import Command

Did = Literal[
    "written",
    "expiry",
    "taken",
    "emptied",
    "swapped",
    "renamed_away",
    "renamed_here",
    "copied_here",
    "moved_away",
    "moved_here",
]
"""`taken` is by DEL or UNLINK, and then it was deleted, or has expired."""
Expiry = int | Literal["kept", "never", "unknown"]
"""In milliseconds since the epoch; `kept`: as before; `never` also of a key that is not there any more."""

_INTO_FIRST = frozenset(
    (b"SUNIONSTORE", b"SINTERSTORE", b"SDIFFSTORE", b"PFMERGE", b"BITOP", b"GEOSEARCHSTORE", b"ZRANGESTORE")
) | {b"ZUNIONSTORE", b"ZINTERSTORE", b"ZDIFFSTORE"}
"""Those that only write to the first of their keys."""
_INTO_LAST = frozenset((b"SORT", b"GEORADIUS", b"GEORADIUSBYMEMBER"))
"""Those that write to what their STORE names."""
_KEEPING = frozenset((b"PFMERGE",))
"""Of those that write to the first: what changes it, and does not replace it."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What became of the key in one database."""

    db: int | None
    did: Did
    expiry: Expiry
    other: bytes | None = None
    """The key that it was renamed to, or came from."""
    other_db: int | None = None
    """The database that it was moved to, came from, or was swapped with."""
    alone: bool = True
    """Whether it was the only key of its command: an expiry deletes one at a time."""
    value: bytes | None = None
    """What the key holds afterwards, where the command says that."""


def effects(command: Command, key: bytes) -> Iterator[Effect]:
    """What the command does to that key; to each of two databases where it moves it from one to the other."""
    word, arguments, db = command.word, command.arguments, command.db
    if word in SILENT:
        return
    if (special := _SPECIAL.get(word)) is not None:
        yield from special(arguments, key, db)
    elif key in _written(word, arguments):
        yield _of_one(word, arguments, key, db)


def _written(word: bytes, arguments: list[bytes]) -> list[bytes]:
    keys = [*keys_of(word, arguments)]
    if word in _INTO_FIRST:
        return keys[:1]
    return keys[1:] if word in _INTO_LAST else keys


def _of_one(word: bytes, arguments: list[bytes], key: bytes, db: int | None) -> Effect:
    if word in DELETING:
        return Effect(db, "taken", "never", alone=len(arguments) == 2)
    if word in (b"MSET", b"MSETNX"):
        pairs = dict(zip(arguments[1::2], arguments[2::2], strict=False))
        return Effect(db, "written", "never", value=pairs.get(key))
    if word in _INTO_FIRST | _INTO_LAST and word not in _KEEPING:
        return Effect(db, "written", "never")
    if (expiring := _EXPIRING.get(word)) is not None:
        return Effect(db, "expiry", expiring(arguments))
    if (setting := _SETTING.get(word)) is not None:
        return Effect(db, "written", setting(arguments), value=_value(word, arguments))
    return Effect(db, "written", "kept")


def _value(word: bytes, arguments: list[bytes]) -> bytes | None:
    return arguments[2] if word in (b"SET", b"SETNX", b"GETSET") and len(arguments) > 2 else None


def _at(text: bytes, unit: int = 1) -> Expiry:
    return int(text) * unit if text.lstrip(b"-").isdigit() else "unknown"


def _option(arguments: list[bytes], first: int, otherwise: Expiry) -> Expiry:
    """Of SET and GETEX: what the options behind the key and the value say."""
    options = [argument.upper() for argument in arguments[first:]]
    for place, option in enumerate(options):
        if option in (b"PXAT", b"EXAT") and place + 1 < len(options):
            return _at(options[place + 1], 1 if option == b"PXAT" else 1000)
        if option == b"KEEPTTL":
            return "kept"
        if option == b"PERSIST":
            return "never"
        if option in (b"PX", b"EX"):
            return "unknown"
    return otherwise


def _of_restore(arguments: list[bytes]) -> Expiry:
    if len(arguments) < 4:
        return "unknown"
    if arguments[2] == b"0":
        return "never"
    return _at(arguments[2]) if b"ABSTTL" in [option.upper() for option in arguments[4:]] else "unknown"


_EXPIRING: dict[bytes, Callable[[list[bytes]], Expiry]] = {
    b"PEXPIREAT": lambda arguments: _at(arguments[2]) if len(arguments) > 2 else "unknown",
    b"EXPIREAT": lambda arguments: _at(arguments[2], 1000) if len(arguments) > 2 else "unknown",
    b"PEXPIRE": lambda _: "unknown",
    b"EXPIRE": lambda _: "unknown",
    b"PERSIST": lambda _: "never",
    b"GETEX": lambda arguments: _option(arguments, 2, "kept"),
}
_SETTING: dict[bytes, Callable[[list[bytes]], Expiry]] = {
    b"SET": lambda arguments: _option(arguments, 3, "never"),
    b"SETNX": lambda _: "never",
    b"GETSET": lambda _: "never",
    b"SETEX": lambda _: "unknown",
    b"PSETEX": lambda _: "unknown",
    b"MSETEX": lambda _: "unknown",
    b"RESTORE": _of_restore,
    b"RESTORE-ASKING": _of_restore,
}


def _flushed(arguments: list[bytes], _: bytes, db: int | None) -> Iterator[Effect]:
    yield Effect(db if arguments[0].upper() == b"FLUSHDB" else None, "emptied", "never")


def _swapped(arguments: list[bytes], _: bytes, __: int | None) -> Iterator[Effect]:
    numbers = [int(number) for number in arguments[1:3] if number.isdigit()]
    if len(numbers) == 2 and numbers[0] != numbers[1]:
        yield Effect(numbers[0], "swapped", "kept", other_db=numbers[1])


def _renamed(arguments: list[bytes], key: bytes, db: int | None) -> Iterator[Effect]:
    old, new = arguments[1:3]
    if old != new and key == old:
        yield Effect(db, "renamed_away", "never", other=new)
    elif old != new and key == new:
        yield Effect(db, "renamed_here", "unknown", other=old)


def _copied(arguments: list[bytes], key: bytes, db: int | None) -> Iterator[Effect]:
    old, new = arguments[1:3]
    options = [argument.upper() for argument in arguments[3:]]
    to = db
    if b"DB" in options[:-1] and (number := options[options.index(b"DB") + 1]).isdigit():
        to = int(number)
    if key == new:
        yield Effect(to, "copied_here", "unknown", other=old, other_db=db if to != db else None)


def _moved(arguments: list[bytes], key: bytes, db: int | None) -> Iterator[Effect]:
    if key == arguments[1] and arguments[2].isdigit():
        to = int(arguments[2])
        yield Effect(db, "moved_away", "never", other_db=to)
        yield Effect(to, "moved_here", "unknown", other_db=db)


_SPECIAL: dict[bytes, Callable[[list[bytes], bytes, int | None], Iterator[Effect]]] = {
    b"FLUSHALL": _flushed,
    b"FLUSHDB": _flushed,
    b"SWAPDB": _swapped,
    b"RENAME": _renamed,
    b"RENAMENX": _renamed,
    b"COPY": _copied,
    b"MOVE": _moved,
}
