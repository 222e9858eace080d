"""A stream, read with the commands that its server has: entries, last id, groups, consumers, pending entries."""

from collections.abc import Iterator
from typing import Any

from redis.exceptions import ResponseError

from worker.engines.collections import strings
from worker.formats.entries import Consumer, Group, Pending, Stream
from worker.server.pipeline import ask, ask_all, checked, milliseconds
from worker.server.wire import Wire

PIECE = 1000
"""Entries, or pending entries, of one reply."""

_COUNT = b"%d" % PIECE
_LAST_SEQUENCE = 2**64 - 1

Item = tuple[str, list[tuple[bytes, bytes]]]


def read_stream(wire: Wire, key: bytes) -> Stream | None:
    """The stream, or None where it holds what a Stream cannot say: pending entries without a consumer (Redis 8.8).

    Raises GoneError and redis errors.
    """
    reply = ask_all(wire, [(b"XINFO", b"STREAM", key, b"FULL", b"COUNT", _COUNT)])[0]
    # Redis 6.0 and newer give all of a small stream at once; 5.0 knows no FULL.
    full = {} if isinstance(reply, ResponseError) else _named(reply)
    if full and all(map(_is_whole, full[b"groups"])):
        groups = [_group_of_full(_named(group)) for group in full[b"groups"]]
        first = list(map(_item, full[b"entries"]))
    else:
        # The groups come before the last id: else they could point at entries beyond it.
        groups = [_read_group(wire, key, _named(group)) for group in ask(wire, b"XINFO", b"GROUPS", key)]
        # An entry that XNACK has given back belongs to a consumer that is not listed, and whose name is empty.
        if any(not consumer.name and consumer.seen_at is None for group in groups for consumer in group.consumers):
            return None
        full, first = _named(ask(wire, b"XINFO", b"STREAM", key)), []
    last_id = full[b"last-generated-id"].decode()
    if not first or len(first) < full[b"length"]:
        first.extend(_entries(wire, key, first[-1][0] if first else None, last_id))
    return Stream(first, last_id, _text(full.get(b"max-deleted-entry-id")), full.get(b"entries-added"), groups)


def _entries(wire: Wire, key: bytes, after: str | None, last_id: str) -> Iterator[Item]:
    while True:
        start = b"-" if after is None else _next(after)
        piece = ask(wire, b"XRANGE", key, start, last_id.encode(), b"COUNT", _COUNT)
        yield from map(_item, piece)
        if len(piece) < PIECE:
            return
        after = piece[-1][0].decode()


def _next(entry_id: str) -> bytes:
    """The id after this one, as an argument of XRANGE: only Redis 6.2 and newer know `(id`."""
    at, sequence = map(int, entry_id.split("-"))
    return b"%d-%d" % ((at, sequence + 1) if sequence < _LAST_SEQUENCE else (at + 1, 0))


def _is_whole(group: list[Any]) -> bool:
    """Whether FULL gives all of a group: no list was cut at COUNT, and each pending entry has its consumer."""
    full = _named(group)
    return len(full[b"pending"]) == full[b"pel-count"] and not full.get(b"nacked-count")


def _group_of_full(full: dict[bytes, Any]) -> Group:
    consumers = []
    for consumer in map(_named, full[b"consumers"]):
        # A consumer's own list is cut at COUNT as well, and is in any case a part of the group's.
        name = consumer[b"name"]
        pending = [
            Pending(entry_id.decode(), at, count) for entry_id, owner, at, count in full[b"pending"] if owner == name
        ]
        active_at = consumer.get(b"active-time", -1)
        consumers.append(Consumer(name, consumer[b"seen-time"], active_at if active_at >= 0 else None, pending))
    return Group(full[b"name"], full[b"last-delivered-id"].decode(), full.get(b"entries-read"), consumers)


def _read_group(wire: Wire, key: bytes, group: dict[bytes, Any]) -> Group:
    name = group[b"name"]
    replies = ask_all(wire, [(b"XINFO", b"CONSUMERS", key, name), (b"TIME",)])
    now = milliseconds(replies[1])
    consumers: dict[bytes, Consumer] = {}
    for consumer in map(_named, checked(replies[0])):
        inactive = consumer.get(b"inactive", -1)
        active_at = now - inactive if inactive >= 0 else None
        consumers[consumer[b"name"]] = Consumer(consumer[b"name"], now - consumer[b"idle"], active_at)
    for owner, pending in _pending(wire, key, name):
        # The owner may be a consumer that came meanwhile, or nobody, with an empty name.
        consumers.setdefault(owner, Consumer(owner)).pending.append(pending)
    return Group(name, group[b"last-delivered-id"].decode(), group.get(b"entries-read"), list(consumers.values()))


def _pending(wire: Wire, key: bytes, group: bytes) -> Iterator[tuple[bytes, Pending]]:
    """(consumer, pending entry) of a group; the time of delivery is exact to a millisecond."""
    start = b"-"
    while True:
        listing, time = ask_all(wire, [(b"XPENDING", key, group, start, b"+", _COUNT), (b"TIME",)])
        now = milliseconds(time)
        piece = checked(listing)
        for entry_id, owner, idle, deliveries in piece:
            yield owner, Pending(entry_id.decode(), now - idle, deliveries)
        if len(piece) < PIECE:
            return
        start = _next(piece[-1][0].decode())


def _named(flat: list[Any]) -> dict[bytes, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _item(reply: list[Any]) -> Item:
    entry_id, flat = reply
    flat = strings(flat)
    return entry_id.decode(), list(zip(flat[::2], flat[1::2], strict=True))


def _text(reply: bytes | None) -> str | None:
    return None if reply is None else reply.decode()
