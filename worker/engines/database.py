"""Keys of one database by the ordinary commands of their types: type and size first, then as many as fit in one go."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from worker.engines import collections
from worker.engines.streams import read_stream
from worker.errors import SourceError
from worker.formats.entries import Entry, Opaque, Value
from worker.formats.rdb.codes import TYPE_OF
from worker.formats.rdb.payload import FOOTER_BYTES
from worker.formats.rdb.values import built_in
from worker.formats.types import BY_NAME, FIELDS_EXPIRE, HOLDS, TYPES, UNKNOWN, Holds, name_of
from worker.server.endpoint import Endpoint
from worker.server.pipeline import Abilities, Command, GoneError, ask_all, checked
from worker.server.reading.damage import NONSENSE, ask_again, is_whole, nonsense, shown
from worker.server.reading.expiry import Window, exact, expiry, expiry_commands
from worker.server.wire import Wire

GROUP_BYTES = 1 << 20
"""Of the values that are asked for at once, about."""
WHOLE_ELEMENTS = 1000
"""A collection of more is read in pieces, so that no single command holds the server up."""

# What an element weighs, roughly: only its number is known before it is read.
_ELEMENT_BYTES = 64
_SIZE = {one.name: one.size for one in TYPES if one.size}


class _Found(NamedTuple):
    key: bytes
    kind: str
    size: int


class _Changed:
    """Keys that are to be read once more, unless this was the `last` time."""

    def __init__(self, endpoint: Endpoint, db: int, *, last: bool) -> None:
        self.keys: list[bytes] = []
        self.last = last
        self._endpoint, self._db = endpoint, db

    def add_nonsense(self, key: bytes) -> None:
        """One of which something was told that cannot be. The last time that is an error."""
        if self.last:
            raise nonsense(self._endpoint.role, self._db, key)
        self.keys.append(key)


class Database:
    """Reads keys of one database; between any two batches no reply is on its way."""

    def __init__(self, endpoint: Endpoint, wire: Wire, db: int, able: Abilities) -> None:
        self._endpoint, self._wire, self._db, self._able = endpoint, wire, db, able

    def read(self, keys: list[bytes], *, again: bool = True) -> Iterator[list[Entry]]:
        """Yield these keys. Those that change their type under our eyes are read once more, and then left out; so are those
        of which nonsense is told, and then that is an error.
        """
        changed = _Changed(self._endpoint, self._db, last=not again)
        quick, slow = self._find(keys, changed)
        for group in _groups(quick):
            yield self._read_group(group, changed)
        for found in slow:
            yield self._read_alone(found, changed)
        if changed.keys and again:
            yield from self.read(changed.keys, again=False)
        elif not quick and not slow:
            yield []

    def _find(self, keys: list[bytes], changed: _Changed) -> tuple[list[_Found], list[_Found]]:
        """Types and sizes: what can be read at once, and what takes several commands."""
        kinds = [_kind(reply) for reply in ask_all(self._wire, [(b"TYPE", key) for key in keys])]
        named = [(key, kind) for key, kind in zip(keys, kinds, strict=True) if kind != "none"]
        sizes = iter(ask_all(self._wire, [(_SIZE[kind], key) for key, kind in named if kind in _SIZE]))
        quick: list[_Found] = []
        slow: list[_Found] = []
        for key, kind in named:
            try:
                size = int(checked(next(sizes))) if kind in _SIZE else 0
            except GoneError:
                changed.keys.append(key)
                continue
            except NONSENSE:
                changed.add_nonsense(key)
                continue
            longest = collections.STRING_BYTES if HOLDS.get(kind) == "text" else WHOLE_ELEMENTS
            (slow if HOLDS.get(kind) == "stream" or size > longest else quick).append(_Found(key, kind, size))
        return quick, slow

    def _read_group(self, group: list[_Found], changed: _Changed) -> list[Entry]:
        commands: list[Command] = []
        for found in group:
            commands += (_whole(found), *expiry_commands(found.key, self._able))
        replies = ask_all(self._wire, commands)
        width = len(replies) // len(group)
        read: list[tuple[_Found, Value, Window | None]] = []
        for index, found in enumerate(group):
            value, *times = replies[index * width : (index + 1) * width]
            try:
                read.append((found, self._value(found, value, changed), expiry(times)))
            except GoneError:
                changed.keys.append(found.key)
            except NONSENSE:
                changed.add_nonsense(found.key)
        return self._entries(read)

    def _read_alone(self, found: _Found, changed: _Changed) -> list[Entry]:
        """A value that takes several commands."""
        try:
            value = self._value_alone(found, changed)
            window = expiry(ask_all(self._wire, expiry_commands(found.key, self._able)))
        except GoneError:
            changed.keys.append(found.key)
            return []
        except NONSENSE:
            changed.add_nonsense(found.key)
            return []
        return self._entries([(found, value, window)])

    def _value_alone(self, found: _Found, changed: _Changed) -> Value:
        if HOLDS[found.kind] != "stream":
            value = collections.read(self._wire, BY_NAME[found.kind], found.key)
        else:
            value = read_stream(self._wire, found.key) or self._value(
                found, ask_all(self._wire, [_whole(found)])[0], changed
            )
        if not value:
            raise GoneError
        return value

    def _value(self, found: _Found, reply: Any, changed: _Changed) -> Value:
        """The value out of the reply to `_whole`. Raises GoneError."""
        if found.kind not in _VALUE:
            reply = self._dump(found, reply, changed)
        if checked(reply) is None or reply == []:
            raise GoneError
        make = _VALUE.get(found.kind, _of_dump)
        return make(reply)

    def _dump(self, found: _Found, reply: Any, changed: _Changed) -> Any:
        """The reply to DUMP. Raises GoneError where the type has to be asked for again, which may have come damaged."""
        if isinstance(reply, ResponseError):
            if not changed.last:
                raise GoneError
            raise SourceError(
                f"The {found.kind} {shown(found.key)} in database {self._db} holds what only DUMP can read, and the "
                f"source refuses DUMP ({reply}): allow it, or delete the key."
            )
        if is_whole(reply, []):
            # An ordinary type of which TYPE has said something else.
            if reply is not None and TYPE_OF.get(reply[0]) in _VALUE and not changed.last:
                raise GoneError
            return reply
        again = ask_again(self._endpoint, self._db, found.key, self._able)[0]
        return b"".join(again) if isinstance(again, tuple) else again

    def _entries(self, read: list[tuple[_Found, Value, Window | None]]) -> list[Entry]:
        """What was read, with every expiry as exact as this server allows."""
        moments = exact(self._wire, ((found.key, window) for found, _, window in read), self._able)
        return self._with_field_expiry(
            [
                Entry(self._db, key, moments[key], name_of(kind.encode()) or UNKNOWN, None, value)
                for (key, kind, _), value, _ in read
            ]
        )

    def _with_field_expiry(self, entries: list[Entry]) -> list[Entry]:
        """The entries, with hashes as their fields' expiry makes them; one whose fields have all gone is left out."""
        hashes: list[Any] = [(entry.key, entry.value) for entry in entries if entry.type in FIELDS_EXPIRE]
        if not hashes or not self._able.fields:
            return entries
        values = iter(collections.add_expiry(self._wire, hashes))
        complete = [entry._replace(value=next(values)) if entry.type in FIELDS_EXPIRE else entry for entry in entries]
        return [entry for entry in complete if entry.value != []]


def _groups(found: list[_Found]) -> Iterator[list[_Found]]:
    """Keys whose values are about GROUP_BYTES together; a bigger one is alone."""
    group: list[_Found] = []
    weight = 0
    for one in found:
        its = one.size if HOLDS.get(one.kind) == "text" else one.size * _ELEMENT_BYTES
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


def _kind(reply: Any) -> str:
    """The reply to TYPE; of a damaged one a type that there is not."""
    told = checked(reply)
    return told.decode("utf-8", "backslashreplace") if isinstance(told, bytes) else repr(told)


def _of_dump(dump: bytes) -> Value:
    return built_in(dump[:-FOOTER_BYTES]) or Opaque(dump)


def _bytes(reply: Any) -> bytes:
    if not isinstance(reply, bytes):
        raise TypeError
    return reply


_WHOLE = {one.name: one.whole for one in TYPES if one.whole}
_OF_WHOLE: dict[Holds, Callable[[Any], Value]] = {
    "text": _bytes,
    "elements": collections.strings,
    "members": collections.strings,
    "scores": collections.scores,
    "fields": collections.fields,
}
_VALUE = {name: _OF_WHOLE[HOLDS[name]] for name in _WHOLE}
