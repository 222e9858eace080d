"""Streams as an RDB holds them, types 15, 19, 21, 26 and 27 (rdb.c; the nodes: t_stream.c, streamAppendItem).

Each newer type says more: 19 (Redis 7.0) the largest deleted id, the entries ever added and what groups have read, 21
(7.2) when a consumer was last active, 26 (8.6) the ids of idempotent producers, 27 (8.8) pending entries that a
consumer has given back. The producers' ids are read over: they only serve for seconds after an entry is added.
"""

from struct import Struct

from worker.errors import FormatError
from worker.formats.entries import Consumer, Group, Pending, Stream
from worker.formats.rdb.encodings import listpack
from worker.formats.rdb.skipping import BYTES_8, BYTES_16, LENGTH, STRING, Shape
from worker.formats.rdb.strings import read_length, read_string

_DELETED, _SAME_FIELDS = 1, 2
_U64 = 2**64 - 1
_read_id = Struct(">QQ").unpack_from
_read_time = Struct("<q").unpack_from

Items = list[tuple[str, list[tuple[bytes, bytes]]]]


def shape_of(code: int) -> Shape:
    """How a stream is passed over: nodes, its length and ids, groups with their pending entries, and what came later."""
    consumer: Shape = (STRING, BYTES_8, *([BYTES_8] if code >= 21 else []), (BYTES_16,))
    group: Shape = (STRING, LENGTH, LENGTH, *([LENGTH] if code >= 19 else []), (BYTES_16, BYTES_8, LENGTH), consumer)
    ownerless: Shape = ((BYTES_16,),) if code >= 27 else ()
    producers: Shape = (LENGTH, LENGTH, (STRING, (STRING, LENGTH, LENGTH)), LENGTH, LENGTH) if code >= 26 else ()
    ids = (LENGTH,) * (8 if code >= 19 else 3)
    return ((STRING, STRING), *ids, (*group, *ownerless), *producers)


def read_stream(data: bytes, pos: int) -> tuple[Stream | None, int]:
    """The stream at `pos` of a payload and the offset after it; None where it holds what a Stream cannot say.

    That is a pending entry which belongs to no consumer (XNACK, Redis 8.8). Raises FormatError, IndexError and
    struct.error.
    """
    code = data[0]
    entries, pos = _read_nodes(data, pos)
    (length, *last), pos = _read_lengths(data, pos, 3)
    if length != len(entries):
        raise FormatError(f"A stream says that it has {length} entries, and has {len(entries)}, at byte {pos}.")
    stream = Stream(entries, _id(*last))
    if code >= 19:
        (_, _, *deleted, stream.entries_added), pos = _read_lengths(data, pos, 5)
        stream.max_deleted_id = _id(*deleted)
    groups, pos = read_length(data, pos)
    ownerless = 0
    for _ in range(groups):
        group, left, pos = _read_group(data, pos)
        stream.groups.append(group)
        ownerless += left
    if code >= 26:
        pos = _skip_producers(data, pos)
    return (None if ownerless else stream), pos


def _id(milliseconds: int, sequence: int) -> str:
    return f"{milliseconds}-{sequence}"


def _read_lengths(data: bytes, pos: int, count: int) -> tuple[list[int], int]:
    lengths = []
    for _ in range(count):
        length, pos = read_length(data, pos)
        lengths.append(length)
    return lengths, pos


def _read_nodes(data: bytes, pos: int) -> tuple[Items, int]:
    """All entries: each node is a listpack under the id that its entries' ids are counted from."""
    nodes, pos = read_length(data, pos)
    items: Items = []
    for _ in range(nodes):
        key, start = read_string(data, pos)
        if len(key) != 16:
            raise FormatError(f"A stream's node has no id at byte {pos}.")
        node, pos = read_string(data, start)
        try:
            _add_items(items, _read_id(key), listpack(node))
        except (ValueError, IndexError):
            raise FormatError(f"A stream's node is damaged at byte {start}.") from None
    return items, pos


def _add_items(items: Items, base: tuple[int, int], parts: list[bytes]) -> None:
    """Append a node's entries.

    The node begins with how many there are, how many are deleted, the number of fields of its first entry, these, 0.
    Each entry is flags, two offsets from the node's id, its fields and values (or only values, if its fields are the
    node's), and of how many parts it was made. Raises ValueError and IndexError.
    """
    live, deleted, width = map(int, parts[:3])
    fields, at, total = parts[3 : 3 + width], 4 + width, len(parts)
    if width < 0 or parts[3 + width] != b"0":
        raise ValueError
    before, gone = len(items), 0
    while at < total:
        flags, start = int(parts[at]), at + 3
        if flags & _SAME_FIELDS:
            stop = start + width
            pairs = list(zip(fields, parts[start:stop], strict=True))
        else:
            start, count = start + 1, int(parts[start])
            stop = start + 2 * count
            if count < 0:
                raise ValueError
            pairs = list(zip(parts[start:stop:2], parts[start + 1 : stop : 2], strict=True))
        if int(parts[stop]) != stop - at:
            raise ValueError
        if flags & _DELETED:
            gone += 1
        else:
            items.append((_id(base[0] + int(parts[at + 1]) & _U64, base[1] + int(parts[at + 2]) & _U64), pairs))
        at = stop + 1
    if (len(items) - before, gone) != (live, deleted):
        raise ValueError


def _read_group(data: bytes, pos: int) -> tuple[Group, int, int]:
    """A consumer group, how many of its pending entries belong to no consumer, and the offset after it."""
    name, pos = read_string(data, pos)
    last, pos = _read_lengths(data, pos, 2)
    group = Group(name, _id(*last))
    if data[0] >= 19:
        entries_read, pos = read_length(data, pos)
        # The server writes its -1, "unknown", as an unsigned number (SCG_INVALID_ENTRIES_READ).
        group.entries_read = entries_read if entries_read < 2**63 else None
    waiting, pos = _read_pending(data, pos)
    consumers, pos = read_length(data, pos)
    for _ in range(consumers):
        consumer, pos = _read_consumer(data, pos, waiting)
        group.consumers.append(consumer)
    ownerless = 0
    if data[0] >= 27:
        ownerless, start = read_length(data, pos)
        pos = start + 16 * ownerless
    if ownerless != len(waiting) or pos > len(data):
        raise FormatError(f"A consumer group has pending entries that belong to nobody, at byte {pos}.")
    return group, ownerless, pos


def _read_pending(data: bytes, pos: int) -> tuple[dict[tuple[int, int], Pending], int]:
    """A group's pending entries by id; whose they are is said later, by the consumers."""
    count, pos = read_length(data, pos)
    pending = {}
    for _ in range(count):
        entry = _read_id(data, pos)
        (delivered_at,) = _read_time(data, pos + 16)
        deliveries, pos = read_length(data, pos + 24)
        pending[entry] = Pending(_id(*entry), delivered_at, deliveries)
    return pending, pos


def _read_consumer(data: bytes, pos: int, waiting: dict[tuple[int, int], Pending]) -> tuple[Consumer, int]:
    """A consumer with its pending entries, which are taken out of `waiting`: each has one owner."""
    name, pos = read_string(data, pos)
    (seen_at,) = _read_time(data, pos)
    consumer = Consumer(name, seen_at)
    pos += 8
    if data[0] >= 21:
        (active_at,) = _read_time(data, pos)
        consumer.active_at = active_at if active_at >= 0 else None
        pos += 8
    count, pos = read_length(data, pos)
    for _ in range(count):
        entry = waiting.pop(_read_id(data, pos), None)
        if entry is None:
            raise FormatError(f"A consumer has a pending entry that its group has not, at byte {pos}.")
        consumer.pending.append(entry)
        pos += 16
    return consumer, pos


def _skip_producers(data: bytes, pos: int) -> int:
    """The offset after what a stream remembers of idempotent producers: limits, each one's ids, two totals."""
    (_, _, producers), pos = _read_lengths(data, pos, 3)
    for _ in range(producers):
        _, pos = read_string(data, pos)
        count, pos = read_length(data, pos)
        for _ in range(count):
            _, pos = read_string(data, pos)
            _, pos = _read_lengths(data, pos, 2)
    _, pos = _read_lengths(data, pos, 2)
    return pos
