"""The ordinary commands that make a value anew: for servers without RESTORE, of another make, or older than the backup.

Pure: values in, commands out. Nothing here talks to a server.
"""

from collections.abc import Iterable, Iterator
from heapq import merge
from typing import Any

from worker.formats.entries import Consumer, Entry, Group, Opaque, Pending, Stream, VectorSet
from worker.formats.rdb.vectors import floats_for_vadd
from worker.formats.types import BY_NAME, FIELDS_EXPIRE, HOLDS

Command = tuple[bytes | str | int | float, ...]

ELEMENTS = 512
"""The most elements of a collection in one command."""
PIECE = 1 << 20
"""Bytes of a collection in one command, roughly."""
LONGEST_SET = 256 << 20
"""Bytes: a longer string is SET and then APPENDed to, in pieces, for servers take 512 MB in one argument at most."""
STRING_PIECE = 16 << 20

_NO_ID = "0-0"
_QUANTISATION = {"none": "NOQUANT", "q8": "Q8", "binary": "BIN"}


def build(entry: Entry, version: tuple[int, ...], *, field_expiry: bool | None = None) -> Iterator[Command]:
    """Yield the commands that make `entry.value` under `entry.key`, which must not exist yet, in the current database.

    `version` is the server's redis_version. `field_expiry` says whether it has HPEXPIREAT: as its version tells, unless
    said otherwise, which Valkey 9 needs (it has, and calls itself Redis 7.2.4). The key's own expiry is the caller's to
    set. An empty collection, which no server holds, gives no command.
    """
    key, value = entry.key, entry.value
    if isinstance(value, bytes):
        yield from _string(key, value)
    elif isinstance(value, Stream):
        yield from _stream(key, value, version)
    elif isinstance(value, VectorSet):
        yield from _vector_set(key, value)
    elif isinstance(value, Opaque):
        yield ("RESTORE", key, 0, value.dump)
    elif isinstance(value, list):
        members: list[Any] = value
        yield from _collection(entry.type, key, members, version)
        if entry.type in FIELDS_EXPIRE and _knows_field_expiry(version, field_expiry):
            yield from _field_expiry(key, members)


def expires_by_field(entry: Entry) -> bool:
    """Whether it is a hash of which some fields expire by themselves."""
    if entry.type not in FIELDS_EXPIRE or not isinstance(entry.value, list):
        return False
    fields: list[Any] = entry.value
    return any(expires_at is not None for _, _, expires_at in fields)


def without_field_expiry(entry: Entry, now: float) -> Entry:
    """The entry for a server without expiry of fields: without fields that have expired by `now` (ms since the epoch)."""
    if not expires_by_field(entry):
        return entry
    fields: list[Any] = entry.value  # type: ignore[assignment]
    lasting: list[tuple[bytes, bytes, int | None]]
    lasting = [(name, text, None) for name, text, at in fields if at is None or at > now]
    return entry._replace(value=lasting)


def _knows_field_expiry(version: tuple[int, ...], said: bool | None) -> bool:
    return version >= (7, 4) if said is None else said


def _string(key: bytes, value: bytes) -> Iterator[Command]:
    if len(value) <= LONGEST_SET:
        yield ("SET", key, value)
        return
    yield ("SET", key, value[:STRING_PIECE])
    for start in range(STRING_PIECE, len(value), STRING_PIECE):
        yield ("APPEND", key, value[start : start + STRING_PIECE])


def _collection(kind: str, key: bytes, value: list[Any], version: tuple[int, ...]) -> Iterator[Command]:
    rows: Iterable[tuple[bytes | str, ...]]
    holds, name = HOLDS[kind], BY_NAME[kind].builds[0].form[0].decode()
    if name == "HSET" and version < (4, 0):
        name = "HMSET"
    if holds == "scores":
        # repr is the shortest text that reads back as the same double; it writes inf and -inf as Redis does.
        rows = ((repr(score), member) for member, score in value)
    elif holds == "fields":
        rows = ((field, text) for field, text, _ in value)
    else:
        rows = ((member,) for member in value)
    for piece in _pieces(rows):
        yield (name, key, *piece)


def _pieces(rows: Iterable[tuple[bytes | str, ...]]) -> Iterator[list[bytes | str]]:
    """Flat lists of rows, each of ELEMENTS rows or about PIECE bytes."""
    piece: list[bytes | str] = []
    count = size = 0
    for row in rows:
        piece += row
        count += 1
        size += sum(map(len, row))
        if count >= ELEMENTS or size >= PIECE:
            yield piece
            piece, count, size = [], 0, 0
    if piece:
        yield piece


def _field_expiry(key: bytes, fields: list[tuple[bytes, bytes, int | None]]) -> Iterator[Command]:
    by_time: dict[int, list[bytes]] = {}
    for field, _, expires_at in fields:
        if expires_at is not None:
            by_time.setdefault(expires_at, []).append(field)
    for expires_at, names in by_time.items():
        for piece in _pieces((name,) for name in names):
            yield ("HPEXPIREAT", key, expires_at, "FIELDS", len(piece), *piece)


def _vector_set(key: bytes, value: VectorSet) -> Iterator[Command]:
    """An element at a time, the last first, for a server writes down its newest first. None of it can be projected."""
    for element in reversed(value.elements):
        attributes = ("SETATTR", element.attributes) if element.attributes else ()
        how = (_QUANTISATION[value.quantisation], *attributes, "M", value.most_links)
        yield ("VADD", key, "FP32", floats_for_vadd(element, value), element.name, *how)


def _stream(key: bytes, stream: Stream, version: tuple[int, ...]) -> Iterator[Command]:
    """A stream in its order: entries, last id, groups.

    XCLAIM takes only entries that exist (7.0 and newer), while a pending entry may well be deleted or trimmed. Those
    are added as placeholders in their place, claimed, and removed again.
    """
    if not stream.entries:
        # No command makes an empty stream by itself. XGROUP CREATE does, and the group is removed again.
        yield ("XGROUP", "CREATE", key, "-", _NO_ID, "MKSTREAM")
        yield ("XGROUP", "DESTROY", key, "-")
    gone = _gone(stream)
    placeholders = ((entry_id, [(b"", b"")]) for entry_id in gone)
    entries = merge(stream.entries, placeholders, key=lambda item: _parts(item[0])) if gone else stream.entries
    for entry_id, pairs in entries:
        yield ("XADD", key, entry_id, *(part for pair in pairs for part in pair))
    yield _set_id(key, stream, version, len(gone))
    for group in stream.groups:
        yield from _group(key, group, version)
    if gone:
        yield from _remove(key, stream, gone)
        yield _set_id(key, stream, version)


def _gone(stream: Stream) -> list[str]:
    """The ids of pending entries that the stream no longer holds, in order."""
    pending = {entry.id for group in stream.groups for consumer in group.consumers for entry in consumer.pending}
    pending.difference_update(entry_id for entry_id, _ in stream.entries)
    return sorted(pending, key=_parts)


def _parts(entry_id: str) -> tuple[int, int]:
    milliseconds, sequence = entry_id.split("-")
    return int(milliseconds), int(sequence)


def _set_id(key: bytes, stream: Stream, version: tuple[int, ...], placeholders: int = 0) -> Command:
    if version < (7, 0):
        return ("XSETID", key, stream.last_id)
    held = len(stream.entries)
    added = held if stream.entries_added is None else stream.entries_added
    deleted = stream.max_deleted_id or _NO_ID
    return ("XSETID", key, stream.last_id, "ENTRIESADDED", max(added, held + placeholders), "MAXDELETEDID", deleted)


def _remove(key: bytes, stream: Stream, gone: list[str]) -> Iterator[Command]:
    """Remove placeholders. XDEL would raise the largest deleted id for good; trimming at the head does not."""
    first = _parts(stream.entries[0][0]) if stream.entries else None
    inside = [entry_id for entry_id in gone if first is not None and _parts(entry_id) > first]
    for piece in _batched(inside):
        yield ("XDEL", key, *piece)
    if len(inside) < len(gone):
        yield ("XTRIM", key, "MAXLEN", len(stream.entries))


def _group(key: bytes, group: Group, version: tuple[int, ...]) -> Iterator[Command]:
    read = ("ENTRIESREAD", group.entries_read) if version >= (7, 0) and group.entries_read is not None else ()
    yield ("XGROUP", "CREATE", key, group.name, group.last_id, *read)
    for consumer in group.consumers:
        if version >= (6, 2):
            yield ("XGROUP", "CREATECONSUMER", key, group.name, consumer.name)
        else:
            # A consumer is also made when it asks for its pending entries, of which it has none.
            yield ("XREADGROUP", "GROUP", group.name, consumer.name, "COUNT", 1, "STREAMS", key, 0)
        yield from _claims(key, group.name, consumer)


def _claims(key: bytes, group: bytes, consumer: Consumer) -> Iterator[Command]:
    alike: dict[tuple[int, int], list[Pending]] = {}
    for entry in consumer.pending:
        alike.setdefault((entry.delivered_at, entry.deliveries), []).append(entry)
    for (delivered_at, deliveries), pending in alike.items():
        for piece in _batched([entry.id for entry in pending]):
            how = ("TIME", delivered_at, "RETRYCOUNT", deliveries, "FORCE", "JUSTID")
            yield ("XCLAIM", key, group, consumer.name, 0, *piece, *how)


def _batched(ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), ELEMENTS):
        yield ids[start : start + ELEMENTS]
