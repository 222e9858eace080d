"""One key on two sides, in a backup and alive: whether they are the same.

Equal values may be encoded in different ways, so where payloads differ the values decide. A value is compared by its
parts, a dict, so that order counts only where the type has one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

from worker.errors import FormatError
from worker.formats.compare.long_strings import LongString
from worker.formats.entries import Entry, Opaque, Stream, Value, VectorSet
from worker.formats.rdb.payload import FOOTER_BYTES, seal, version_of
from worker.formats.rdb.values import decode
from worker.formats.rdb.vectors import shown
from worker.formats.types import FIELDS_EXPIRE, HOLDS, Holds

Kind = Literal["new", "identical", "differs", "expiry", "expired", "deleted"]
"""Not alive; the same in all; of another value; only its expiry differs; expired since; alive and not in the backup."""
KINDS: tuple[Kind, ...] = get_args(Kind)

NOT_EVERYWHERE = frozenset(("largest deleted id", "entries added", "entries read by"))
"""Parts of a stream that servers before 7.0 do not keep, and that are None then."""

_CLOSE_MS = 10
"""Before Redis 7.0 a server tells an expiry to within a few milliseconds only."""

Part = tuple[str, Any]
"""A part's kind, and its name or place: `("field", b"name")`, `("position", 3)`."""
Parts = dict[Part, Any]


@dataclass(frozen=True)
class Sides:
    """What both sides are read with: the RDB versions of their payloads, and the target's clock."""

    backup: int | None
    live: int | None
    now: float
    """Milliseconds since the epoch."""


def judged(backup: Entry, live: Entry | None, sides: Sides) -> Kind:
    """What a key of the backup is beside the live one: any of KINDS but `deleted`."""
    if expired(backup, sides.now):
        return "expired"
    if live is None:
        return "new"
    if not same_value(backup, live, sides):
        return "differs"
    return "identical" if same_expiry(backup, live) else "expiry"


def expired(entry: Entry, now: float) -> bool:
    """Whether its time is over. A restore judges this before anything else."""
    until = lasts_until(entry)
    return until is not None and until <= now


def lasts_until(entry: Entry) -> int | None:
    """When its time is over, in milliseconds since the epoch; None for never."""
    fields: Any = entry.value
    if entry.payload is not None or entry.type not in FIELDS_EXPIRE or not fields or isinstance(fields, Opaque):
        return entry.expires_at
    # A hash that is built anew has nothing to hold when each of its fields has expired.
    times = [at for _, _, at in fields]
    ends = [entry.expires_at, None if None in times else max(times)]
    return min((end for end in ends if end is not None), default=None)


def same_expiry(left: Entry, right: Entry) -> bool:
    """Whether both expire at the same time, as far as servers tell."""
    first, second = left.expires_at, right.expires_at
    return first == second if first is None or second is None else abs(first - second) <= _CLOSE_MS


def same_value(backup: Entry, live: Entry, sides: Sides) -> bool:
    """Whether both hold the same, however it is encoded. When a stream's consumers were last seen does not count."""
    if backup.payload is not None and backup.payload == live.payload:
        return True
    if backup.type != live.type:
        return False
    of_backup, of_live = both(backup, live, sides)
    return of_backup == of_live


def both(backup: Entry | None, live: Entry | None, sides: Sides) -> tuple[Parts, Parts]:
    """The parts of both, without those that one side cannot know because its server is older."""
    of_backup = {} if backup is None else parts(backup, sides.backup, sides.now)
    of_live = {} if live is None else parts(live, sides.live, sides.now)
    for part in [part for side in (of_backup, of_live) for part, content in side.items() if content is None]:
        of_backup.pop(part, None)
        of_live.pop(part, None)
    return of_backup, of_live


def parts(entry: Entry, version: int | None, now: float) -> Parts:
    """The parts of an entry's value, without expired fields; `version` is the RDB version of its payload."""
    return _parts(_value(entry, version), HOLDS.get(entry.type), now)


def _value(entry: Entry, version: int | None) -> Value | LongString | None:
    """The value, or its bytes where nobody can decode it."""
    if entry.payload is not None:
        return LongString.of(entry.payload) or _decoded(entry.payload, version or 0)
    if isinstance(entry.value, Opaque):
        # A document may hold a payload of any type.
        return _decoded(entry.value.dump[:-FOOTER_BYTES], version_of(entry.value.dump))
    return entry.value


def _decoded(payload: bytes, version: int) -> Value:
    try:
        return decode(payload, version)
    except FormatError:
        return Opaque(seal(payload, version))


def _parts(value: Value | LongString | None, holds: Holds | None, now: float) -> Parts:
    if value is None:
        return {}
    if isinstance(value, bytes | LongString):
        return {("value", b""): value}
    if isinstance(value, Opaque):
        return {("payload", b""): value.dump[:-FOOTER_BYTES]}
    if isinstance(value, Stream | VectorSet):
        return dict(_of_stream(value) if isinstance(value, Stream) else _of_vectors(value))
    members: list[Any] = value
    if holds == "elements":
        return {("position", index): element for index, element in enumerate(members)}
    if holds == "scores":
        # As text, NaN equals itself. Adding 0 turns -0 into 0, for no command tells them apart.
        return {("score", member): repr(score + 0.0) for member, score in members}
    if holds == "fields":
        return {("field", name): (text, at) for name, text, at in members if at is None or at > now}
    return {("member", member): True for member in members}


def _of_vectors(value: VectorSet) -> Iterator[tuple[Part, Any]]:
    """All but the search graph, for servers write it in another order each time."""
    yield ("dimensions", b""), value.dimensions
    yield ("quantisation", b""), value.quantisation
    yield ("most links", b""), value.most_links
    if value.projection is not None:
        dimensions, matrix = value.projection
        yield ("projected from", b""), dimensions
        yield ("projection", b""), matrix
    for element in value.elements:
        yield ("vector", element.name), shown(element, value)
        if element.attributes:
            yield ("attributes", element.name), element.attributes


def _of_stream(stream: Stream) -> Iterator[tuple[Part, Any]]:
    for entry_id, fields in stream.entries:
        yield ("entry", entry_id), tuple(fields)
    yield ("last id", b""), stream.last_id
    yield ("largest deleted id", b""), stream.max_deleted_id
    yield ("entries added", b""), stream.entries_added
    for group in stream.groups:
        yield ("group", group.name), group.last_id
        yield ("entries read by", group.name), group.entries_read
        for consumer in group.consumers:
            yield ("consumer", (group.name, consumer.name)), True
            for held in consumer.pending:
                delivery = (held.delivered_at, held.deliveries)
                yield ("pending", (group.name, consumer.name, held.id)), delivery
