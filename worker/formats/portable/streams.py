"""A stream as the portable document shows it: its entries, and its groups with their consumers and what those hold."""

import re

from worker.errors import FormatError
from worker.formats.entries import Consumer, Group, Pending, Stream
from worker.formats.portable.parts import Json, array, data, fields, integer, maybe, pairs, text

_ID = re.compile(r"(0|[1-9][0-9]{0,19})-(0|[1-9][0-9]{0,19})")
_ID_END = 2**64


def show(stream: Stream) -> Json:
    """Its JSON shape."""
    return {
        "entries": [[at, [[text(field), text(value)] for field, value in content]] for at, content in stream.entries],
        "last_id": stream.last_id,
        "max_deleted_id": stream.max_deleted_id,
        "entries_added": stream.entries_added,
        "groups": [_show_group(group) for group in stream.groups],
    }


def _show_group(group: Group) -> Json:
    return {
        "name": text(group.name),
        "last_id": group.last_id,
        "entries_read": group.entries_read,
        "consumers": [_show_consumer(consumer) for consumer in group.consumers],
    }


def _show_consumer(consumer: Consumer) -> Json:
    return {
        "name": text(consumer.name),
        "seen_at": consumer.seen_at,
        "active_at": consumer.active_at,
        "pending": [[entry.id, entry.delivered_at, entry.deliveries] for entry in consumer.pending],
    }


def read(shown: Json) -> Stream:
    """The stream that `show` has shown. Raises FormatError."""
    parts = fields(shown, "entries", "last_id", "max_deleted_id", "entries_added", "groups")
    deleted = parts["max_deleted_id"]
    return Stream(
        entries=[
            (_id(at), [(data(field), data(value)) for field, value in pairs(content, (2,), "[field, value]")])
            for at, content in pairs(parts["entries"], (2,), "[id, [[field, value], ...]]")
        ],
        last_id=_id(parts["last_id"]),
        max_deleted_id=None if deleted is None else _id(deleted),
        entries_added=maybe(parts["entries_added"], 0),
        groups=[_read_group(group) for group in array(parts["groups"])],
    )


def _read_group(shown: Json) -> Group:
    parts = fields(shown, "name", "last_id", "entries_read", "consumers")
    consumers = [_read_consumer(consumer) for consumer in array(parts["consumers"])]
    return Group(data(parts["name"]), _id(parts["last_id"]), maybe(parts["entries_read"], 0), consumers)


def _read_consumer(shown: Json) -> Consumer:
    parts = fields(shown, "name", "seen_at", "active_at", "pending")
    waiting = pairs(parts["pending"], (3,), "[id, delivered_at, deliveries]")
    pending = [Pending(_id(at), integer(delivered_at), integer(count, 0)) for at, delivered_at, count in waiting]
    return Consumer(data(parts["name"]), maybe(parts["seen_at"]), maybe(parts["active_at"]), pending)


def _id(shown: Json) -> str:
    match = _ID.fullmatch(shown) if type(shown) is str else None
    if match is None or int(match[1]) >= _ID_END or int(match[2]) >= _ID_END:
        raise FormatError("must have stream ids of the form milliseconds-sequence")
    return match[0]
