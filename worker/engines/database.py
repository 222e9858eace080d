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
"""The size of the values that are asked for at once, roughly."""
WHOLE_ELEMENTS = 1000
"""A collection of more is read in pieces, so that no single command holds the server up."""

# The assumed size of an element: before a collection is read only their number is known.
_ELEMENT_BYTES = 64
_SIZE = {kind.name: kind.size for kind in TYPES if kind.size}


class _TypedKey(NamedTuple):
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
        """Note a key with an impossible reply. The last time that is an error."""
        if self.last:
            raise nonsense(self._endpoint.role, self._db, key)
        self.keys.append(key)


class Database:
    """Reads keys of one database; between any two batches no reply is on its way."""

    def __init__(self, endpoint: Endpoint, wire: Wire, db: int, able: Abilities) -> None:
        self._endpoint, self._wire, self._db, self._able = endpoint, wire, db, able

    def read(self, keys: list[bytes], *, again: bool = True) -> Iterator[list[Entry]]:
        """Yield these keys. A key that changes its type meanwhile is read once more, and then left out. One with an impossible
        reply is read once more, and then that is an error.
        """
        changed = _Changed(self._endpoint, self._db, last=not again)
        quick, slow = self._find(keys, changed)
        for group in _groups(quick):
            yield self._read_group(group, changed)
        for typed in slow:
            yield self._read_alone(typed, changed)
        if changed.keys and again:
            yield from self.read(changed.keys, again=False)
        elif not quick and not slow:
            yield []

    def _find(self, keys: list[bytes], changed: _Changed) -> tuple[list[_TypedKey], list[_TypedKey]]:
        """Types and sizes: what can be read at once, and what takes several commands."""
        kinds = [_kind(reply) for reply in ask_all(self._wire, [(b"TYPE", key) for key in keys])]
        named = [(key, kind) for key, kind in zip(keys, kinds, strict=True) if kind != "none"]
        sizes = iter(ask_all(self._wire, [(_SIZE[kind], key) for key, kind in named if kind in _SIZE]))
        quick: list[_TypedKey] = []
        slow: list[_TypedKey] = []
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
            (slow if HOLDS.get(kind) == "stream" or size > longest else quick).append(_TypedKey(key, kind, size))
        return quick, slow

    def _read_group(self, group: list[_TypedKey], changed: _Changed) -> list[Entry]:
        commands: list[Command] = []
        for typed in group:
            commands += (_whole(typed), *expiry_commands(typed.key, self._able))
        replies = ask_all(self._wire, commands)
        width = len(replies) // len(group)
        read: list[tuple[_TypedKey, Value, Window | None]] = []
        for index, typed in enumerate(group):
            value, *times = replies[index * width : (index + 1) * width]
            try:
                read.append((typed, self._value(typed, value, changed), expiry(times)))
            except GoneError:
                changed.keys.append(typed.key)
            except NONSENSE:
                changed.add_nonsense(typed.key)
        return self._entries(read)

    def _read_alone(self, typed: _TypedKey, changed: _Changed) -> list[Entry]:
        """A value that takes several commands."""
        try:
            value = self._value_alone(typed, changed)
            window = expiry(ask_all(self._wire, expiry_commands(typed.key, self._able)))
        except GoneError:
            changed.keys.append(typed.key)
            return []
        except NONSENSE:
            changed.add_nonsense(typed.key)
            return []
        return self._entries([(typed, value, window)])

    def _value_alone(self, typed: _TypedKey, changed: _Changed) -> Value:
        if HOLDS[typed.kind] != "stream":
            value = collections.read(self._wire, BY_NAME[typed.kind], typed.key)
        else:
            value = read_stream(self._wire, typed.key) or self._value(
                typed, ask_all(self._wire, [_whole(typed)])[0], changed
            )
        if not value:
            raise GoneError
        return value

    def _value(self, typed: _TypedKey, reply: Any, changed: _Changed) -> Value:
        """The value out of the reply to `_whole`. Raises GoneError."""
        if typed.kind not in _VALUE:
            reply = self._dump(typed, reply, changed)
        if checked(reply) is None or reply == []:
            raise GoneError
        make = _VALUE.get(typed.kind, _of_dump)
        return make(reply)

    def _dump(self, typed: _TypedKey, reply: Any, changed: _Changed) -> Any:
        """The reply to DUMP. Raises GoneError where the type has to be asked for again, which may have come damaged."""
        if isinstance(reply, ResponseError):
            if not changed.last:
                raise GoneError
            raise SourceError(
                f"The {typed.kind} {shown(typed.key)} in database {self._db} holds what only DUMP can read, and the "
                f"source refuses DUMP ({reply}): allow it, or delete the key."
            )
        if is_whole(reply, []):
            # The payload is of an ordinary type, and TYPE had named another one.
            if reply is not None and TYPE_OF.get(reply[0]) in _VALUE and not changed.last:
                raise GoneError
            return reply
        again = ask_again(self._endpoint, self._db, typed.key, self._able)[0]
        return b"".join(again) if isinstance(again, tuple) else again

    def _entries(self, read: list[tuple[_TypedKey, Value, Window | None]]) -> list[Entry]:
        """What was read, with every expiry as exact as this server allows."""
        moments = exact(self._wire, ((typed.key, window) for typed, _, window in read), self._able)
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


def _groups(keys: list[_TypedKey]) -> Iterator[list[_TypedKey]]:
    """Keys whose values are about GROUP_BYTES together; a bigger one is alone."""
    group: list[_TypedKey] = []
    weight = 0
    for typed in keys:
        its = typed.size if HOLDS.get(typed.kind) == "text" else typed.size * _ELEMENT_BYTES
        if group and weight + its > GROUP_BYTES:
            yield group
            group, weight = [], 0
        group.append(typed)
        weight += its
    if group:
        yield group


def _whole(typed: _TypedKey) -> Command:
    """The command that reads the value at once: DUMP for types that have no such command, or that we do not know."""
    name, *rest = _WHOLE.get(typed.kind, (b"DUMP",))
    return (name, typed.key, *rest)


def _kind(reply: Any) -> str:
    """The type's name; a damaged reply becomes a name that no type has."""
    answer = checked(reply)
    return answer.decode("utf-8", "backslashreplace") if isinstance(answer, bytes) else repr(answer)


def _of_dump(dump: bytes) -> Value:
    return built_in(dump[:-FOOTER_BYTES]) or Opaque(dump)


def _bytes(reply: Any) -> bytes:
    if not isinstance(reply, bytes):
        raise TypeError
    return reply


_WHOLE = {kind.name: kind.whole for kind in TYPES if kind.whole}
_OF_WHOLE: dict[Holds, Callable[[Any], Value]] = {
    "text": _bytes,
    "elements": collections.strings,
    "members": collections.strings,
    "scores": collections.scores,
    "fields": collections.fields,
}
_VALUE = {name: _OF_WHOLE[HOLDS[name]] for name in _WHOLE}
