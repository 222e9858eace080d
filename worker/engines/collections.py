"""Values too big for one reply, read piece by piece; and the expiry of a hash's fields.

Each function raises GoneError where the key has gone or changed its type, and redis errors. A value that is being
changed meanwhile comes out as a mix of before and after: without DUMP no server offers better.
"""

from collections.abc import Callable, Iterator
from typing import Any

from worker.formats.entries import Value
from worker.formats.types import Holds, KeyType
from worker.server.pipeline import GoneError, ask, ask_all, checked
from worker.server.reading.scanning import named
from worker.server.replies import damaged
from worker.server.wire import Wire

STRING_BYTES = 64 << 20
"""Bytes of a string in one reply; a longer string is read in pieces."""
ELEMENTS = 1000
"""Elements of a collection in one reply."""

_COUNT = b"%d" % ELEMENTS
_SLICES = 100
_NO_FIELD = -2

Field = tuple[bytes, bytes, int | None]


def strings(reply: Any) -> list[bytes]:
    """The reply, if it is a list of strings; TypeError for anything else."""
    if type(reply) is not list or not set(map(type, reply)) <= {bytes}:
        raise TypeError("no list of strings")
    return reply


def scores(flat: Any) -> list[tuple[bytes, float]]:
    """Members and scores, which come one after the other."""
    flat = strings(flat)
    return list(zip(flat[::2], map(float, flat[1::2]), strict=True))


def fields(flat: Any) -> list[Field]:
    """Fields and values, which come one after the other."""
    flat = strings(flat)
    return [(name, value, None) for name, value in zip(flat[::2], flat[1::2], strict=True)]


def add_expiry(wire: Wire, hashes: list[tuple[bytes, list[Field]]]) -> list[list[Field]]:
    """The fields of each (key, fields), with their expiry; those that have gone meanwhile are left out."""
    complete: list[list[Field]] = [[] for _ in hashes]
    slices = [
        (index, key, held[start : start + ELEMENTS])
        for index, (key, held) in enumerate(hashes)
        for start in range(0, len(held), ELEMENTS)
    ]
    for start in range(0, len(slices), _SLICES):
        run = slices[start : start + _SLICES]
        commands = [
            (b"HPEXPIRETIME", key, b"FIELDS", b"%d" % len(held), *(name for name, _, _ in held)) for _, key, held in run
        ]
        for (index, _, held), reply in zip(run, ask_all(wire, commands), strict=True):
            complete[index] += _expiring(held, reply)
    return complete


def _expiring(held: list[Field], reply: Any) -> list[Field]:
    try:
        times = checked(reply)
    except GoneError:
        return []
    # The first 7.4 answers nil, and not a -2 for each field, when the key has gone.
    if not times:
        return []
    if type(times) is not list or len(times) != len(held) or set(map(type, times)) != {int} or min(times) < _NO_FIELD:
        raise damaged("HPEXPIRETIME")
    timed = zip(held, times, strict=True)
    return [(name, value, at if at >= 0 else None) for (name, value, _), at in timed if at != _NO_FIELD]


def _text(wire: Wire, command: bytes, key: bytes) -> bytes:
    text = bytearray()
    while True:
        start = len(text)
        piece = ask(wire, command, key, b"%d" % start, b"%d" % (start + STRING_BYTES - 1))
        text += piece
        if len(piece) < STRING_BYTES:
            return bytes(text)


def _elements(wire: Wire, command: bytes, key: bytes) -> list[bytes]:
    elements: list[bytes] = []
    while True:
        start = len(elements)
        piece = ask(wire, command, key, b"%d" % start, b"%d" % (start + ELEMENTS - 1))
        elements += strings(piece)
        if len(piece) < ELEMENTS:
            return elements


def _members(wire: Wire, command: bytes, key: bytes) -> list[bytes]:
    # A scan may repeat elements, here and below. A dict keeps each of them once, in order.
    members: dict[bytes, None] = {}
    for piece in _scan(wire, command, key):
        members.update(dict.fromkeys(piece))
    return list(members)


def _scores(wire: Wire, command: bytes, key: bytes) -> list[tuple[bytes, float]]:
    members: dict[bytes, float] = {}
    for piece in _scan(wire, command, key):
        members.update(scores(piece))
    return list(members.items())


def _fields(wire: Wire, command: bytes, key: bytes) -> list[Field]:
    values: dict[bytes, bytes] = {}
    for piece in _scan(wire, command, key):
        values.update(zip(piece[::2], piece[1::2], strict=True))
    return [(name, value, None) for name, value in values.items()]


def _scan(wire: Wire, command: bytes, key: bytes) -> Iterator[list[bytes]]:
    cursor = b"0"
    while True:
        cursor, piece = named(ask(wire, command, key, cursor, b"COUNT", _COUNT))
        yield piece
        if cursor == b"0":
            return


_READ: dict[Holds, Callable[[Wire, bytes, bytes], Value]] = {
    "text": _text,
    "elements": _elements,
    "members": _members,
    "scores": _scores,
    "fields": _fields,
}


def read(wire: Wire, kind: KeyType, key: bytes) -> Value:
    """A big value, read by its type's `piece` command; empty where the key has gone."""
    return _READ[kind.holds](wire, kind.piece, key)
