"""The engine for servers without DUMP: every value, read with the ordinary commands of its type."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from worker.connection import Endpoint
from worker.entries import TYPES, Entry, Opaque, Value
from worker.errors import SourceError
from worker.pace import Pace
from worker.sources import pieces
from worker.sources.asking import Abilities, Command, GoneError, abilities, ask_all, checked
from worker.sources.expiry import Window, exact, expiry, expiry_commands
from worker.sources.scanning import scan_keys
from worker.sources.streams import read_stream
from worker.wire import Wire

KEYS = 500
"""Of one round of SCAN, and of one batch."""
GROUP_BYTES = 1 << 20
"""Of the values that are asked for at once, about."""
WHOLE_ELEMENTS = 1000
"""A collection of more is read in pieces, so that no single command holds the server up."""

# What an element weighs, roughly: only its number is known before it is read.
_ELEMENT_BYTES = 64
_SIZE = {"string": b"STRLEN", "list": b"LLEN", "set": b"SCARD", "zset": b"ZCARD", "hash": b"HLEN"}


class _Found(NamedTuple):
    key: bytes
    kind: str
    size: int


class Typed:
    """Reads all keys of some databases, each at its own moment. It is an EntryStream."""

    engine = "typed"
    consistency = "per-key"

    def __init__(self, endpoint: Endpoint, databases: list[int]) -> None:
        self.rdb_version: int | None = None
        self.libraries: list[bytes] = []
        self.warnings: list[str] = []
        self.named = 0
        """Keys that SCAN has named, whether or not they were still there when they were asked for."""
        self._endpoint = endpoint
        self._databases = databases

    def batches(self) -> Iterator[list[Entry]]:
        """Yield every key that is there all the time, once, with its value; at least one batch per round of SCAN.

        Raises SourceError, or SourceUnavailableError where the connection breaks: a SCAN cannot go on over another one.
        """
        with self._endpoint.translated("reading keys"):
            pace = Pace(self._endpoint)
            for db in self._databases:
                with Wire(self._endpoint, db) as wire:
                    self.libraries = self._read_libraries(wire)
                    database = _Database(wire, db, abilities(wire, fields=True))
                    for keys in scan_keys(wire, KEYS):
                        self.named += len(keys)
                        for some in pace.cut(keys, KEYS) if keys else [keys]:
                            yield from database.read(some)
                            pace.rest()

    def _read_libraries(self, wire: Wire) -> list[bytes]:
        """The source texts of the server's functions; none where it has no functions, or does not let us see them."""
        told = ask_all(wire, [(b"FUNCTION", b"LIST", b"WITHCODE")])[0]
        if not isinstance(told, ResponseError):
            return [dict(zip(one[::2], one[1::2], strict=True))[b"library_code"] for one in told]
        if str(told).startswith("NOPERM"):
            self.warnings = [
                "The function libraries are not in this backup: FUNCTION LIST is not allowed to this user."
            ]
        return []


class _Database:
    def __init__(self, wire: Wire, db: int, able: Abilities) -> None:
        self._wire, self._db, self._able = wire, db, able

    def read(self, keys: list[bytes], *, again: bool = True) -> Iterator[list[Entry]]:
        """Yield these keys; those that change their type under our eyes are read once more, and then left out."""
        changed: list[bytes] = []
        quick, slow = self._find(keys, changed)
        for group in _groups(quick):
            yield self._read_group(group, changed)
        for found in slow:
            yield self._read_alone(found, changed)
        if changed and again:
            yield from self.read(changed, again=False)
        elif not quick and not slow:
            yield []

    def _find(self, keys: list[bytes], changed: list[bytes]) -> tuple[list[_Found], list[_Found]]:
        """Types and sizes: what can be read at once, and what takes several commands."""
        kinds = [checked(reply).decode() for reply in ask_all(self._wire, [(b"TYPE", key) for key in keys])]
        named = [(key, kind) for key, kind in zip(keys, kinds, strict=True) if kind != "none"]
        sizes = iter(ask_all(self._wire, [(_SIZE[kind], key) for key, kind in named if kind in _SIZE]))
        quick: list[_Found] = []
        slow: list[_Found] = []
        for key, kind in named:
            try:
                size = checked(next(sizes)) if kind in _SIZE else 0
            except GoneError:
                changed.append(key)
                continue
            longest = pieces.STRING_BYTES if kind == "string" else WHOLE_ELEMENTS
            (slow if kind == "stream" or size > longest else quick).append(_Found(key, kind, size))
        return quick, slow

    def _read_group(self, group: list[_Found], changed: list[bytes]) -> list[Entry]:
        commands: list[Command] = []
        for found in group:
            commands += (_whole(found), *expiry_commands(found.key, self._able))
        replies = ask_all(self._wire, commands)
        width = len(replies) // len(group)
        read: list[tuple[_Found, Value, Window | None]] = []
        for index, found in enumerate(group):
            value, *times = replies[index * width : (index + 1) * width]
            try:
                read.append((found, self._value(found, value), expiry(times)))
            except GoneError:
                changed.append(found.key)
        return self._entries(read)

    def _read_alone(self, found: _Found, changed: list[bytes]) -> list[Entry]:
        """A value that takes several commands."""
        try:
            value = self._value_alone(found)
            window = expiry(ask_all(self._wire, expiry_commands(found.key, self._able)))
        except GoneError:
            changed.append(found.key)
            return []
        return self._entries([(found, value, window)])

    def _value_alone(self, found: _Found) -> Value:
        if found.kind != "stream":
            value = pieces.READ[found.kind](self._wire, found.key)
        else:
            value = read_stream(self._wire, found.key) or self._value(found, ask_all(self._wire, [_whole(found)])[0])
        if not value:
            raise GoneError
        return value

    def _value(self, found: _Found, reply: Any) -> Value:
        """The value out of the reply to `_whole`. Raises GoneError."""
        if found.kind not in _VALUE and isinstance(reply, ResponseError):
            raise SourceError(
                f"The {found.kind} {found.key[:80]!r} in database {self._db} holds what only DUMP can read, and the "
                f"source refuses DUMP ({reply}): allow it, or delete the key."
            )
        if checked(reply) is None or reply == []:
            raise GoneError
        make = _VALUE.get(found.kind, Opaque)
        return make(reply)

    def _entries(self, read: list[tuple[_Found, Value, Window | None]]) -> list[Entry]:
        """What was read, with every expiry as exact as this server allows."""
        moments = exact(self._wire, ((found.key, window) for found, _, window in read), self._able)
        return self._with_field_expiry(
            [
                Entry(self._db, key, moments[key], kind if kind in TYPES else "module", None, value)
                for (key, kind, _), value, _ in read
            ]
        )

    def _with_field_expiry(self, entries: list[Entry]) -> list[Entry]:
        """The entries, with hashes as their fields' expiry makes them; one whose fields have all gone is left out."""
        hashes: list[Any] = [(entry.key, entry.value) for entry in entries if entry.type == "hash"]
        if not hashes or not self._able.fields:
            return entries
        values = iter(pieces.add_expiry(self._wire, hashes))
        complete = [entry._replace(value=next(values)) if entry.type == "hash" else entry for entry in entries]
        return [entry for entry in complete if entry.value != []]


def _groups(found: list[_Found]) -> Iterator[list[_Found]]:
    """Keys whose values are about GROUP_BYTES together; a bigger one is alone."""
    group: list[_Found] = []
    weight = 0
    for one in found:
        its = one.size if one.kind == "string" else one.size * _ELEMENT_BYTES
        if group and weight + its > GROUP_BYTES:
            yield group
            group, weight = [], 0
        group.append(one)
        weight += its
    if group:
        yield group


def _whole(found: _Found) -> Command:
    """The command that reads the value at once: DUMP for types that have no such command, or that we do not know."""
    name, *rest = _WHOLE.get(found.kind, (b"DUMP",))
    return (name, found.key, *rest)


def _same(reply: Any) -> Any:
    return reply


_WHOLE = {
    "string": (b"GET",),
    "list": (b"LRANGE", b"0", b"-1"),
    "set": (b"SMEMBERS",),
    "zset": (b"ZRANGE", b"0", b"-1", b"WITHSCORES"),
    "hash": (b"HGETALL",),
}
_VALUE: dict[str, Callable[[Any], Value]] = {
    "string": _same,
    "list": _same,
    "set": _same,
    "zset": pieces.scores,
    "hash": pieces.fields,
}
