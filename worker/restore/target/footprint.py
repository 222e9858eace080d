"""How much of a server's memory a key takes: at the least, and at the most.

Measured on Redis 6.2, 7.0 and 8.2 and on Valkey 8.1 and 9.1, with jemalloc and with the C library's allocator; a test
holds the bounds against every server that it finds. The tables in which a server finds its keys are not in it: they grow
in leaps, and `tables` tells of those.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from worker.formats.entries import Entry, Opaque, Stream, VectorSet
from worker.formats.rdb.codes import CODES, ONE_STRING, Code, known
from worker.formats.rdb.encodings import intset, listpack, ziplist, zipmap
from worker.formats.rdb.lengths import LONGEST_INTEGER, Measure, allocated, measure, string_size
from worker.formats.rdb.payload import FOOTER_BYTES, version_of
from worker.formats.rdb.skipping import NODES
from worker.formats.rdb.values import built_in
from worker.formats.types import HOLDS, Holds


class Cost(NamedTuple):
    """Bytes, at the least and at the most."""

    least: int
    most: int


@dataclass(frozen=True)
class Limits:
    """Up to how many elements a server keeps a collection packed: its settings, with Redis' own defaults."""

    hash: int = 512
    zset: int = 128
    set: int = 128
    """Redis before 7.2 packs only sets of integers."""
    intset: int = 512
    lists_compressed: bool = False
    """Whether the middle of a list is kept compressed (`list-compress-depth`)."""


@dataclass(frozen=True)
class Make:
    """The bytes that servers of one make need at the most besides the memory of each string. For elements that are not packed
    that is a node and a place in a table, which may be half empty while the old table is still there.
    """

    key: int = 64
    """Its place in the table and its object."""
    short_list: int = 152
    """A list that is one packed blob, or one element."""
    set: int = 56
    hash: int = 28
    """For a field or a value."""
    zset: int = 128


# Measured; the first is of Redis 6.2 and 7.0, and the largest: it stands for all others.
OTHERS = Make()
_MAKES = (("redis", (8,), Make(short_list=16, set=24)), ("valkey", (8,), Make(24, 16, 24, 24, 96)))

_LEAST_KEY = 24
_EXPIRY = 48
_OF_LIST, _NODE = 96, 56
"""A list without its parts, and a node for each packed part or long element."""
# By what a type holds.
_OF_TABLE: dict[Holds, int] = {"members": 200, "fields": 200, "scores": 960}
_LEAST_ELEMENT: dict[Holds, int] = {"members": 10, "fields": 5, "scores": 32}
_FIELD_EXPIRY = 64
_OF_STREAM, _STREAM_NODE = 320, 96
_COMPRESSED = 90
"""How many times smaller a compressed part of a list may be."""
_STREAM_REST = 7
"""In memory a stream's groups take at the most so many times what they take in a file."""
_GROUP, _CONSUMER, _PENDING = 400, 300, 240
_STREAM_BEGUN = 4400
"""What a stream that was made by commands reserves for the next entries."""
_OF_VECTORS, _VECTOR, _LINK = 4096, 600, 16
"""A vector set, each of its elements with its node and names, and each link in any layer."""
_PACKED_ELEMENT = 12
_UNKNOWN = 24
"""In memory a value of an unknown type takes at the most so many times what it takes in a file."""
_LONGEST_PACKED, _LONGEST_NUMBER = 64, 20
_new = tuple.__new__
_OLD_ENCODINGS = (ziplist, zipmap)
_NODES = frozenset(row.code for row in CODES if row.shape == NODES)


def make_of(server: str, release: tuple[int, ...]) -> Make:
    """The row for a server of this make and release."""
    return next((make for name, first, make in _MAKES if name == server and release >= first), OTHERS)


class Footprint:
    """What keys cost at a server of this make, with these limits."""

    def __init__(self, make: Make, limits: Limits) -> None:
        self._make = make
        self._each: dict[Holds, int] = {"members": make.set, "fields": make.hash, "scores": make.zset}
        self._packed: dict[Holds, int] = {"fields": 2 * limits.hash, "scores": 2 * limits.zset, "members": limits.set}
        self._intset, self._lists_compressed = limits.intset, limits.lists_compressed
        # No element takes less than two bytes: a blob of no more than so many surely stays packed.
        self._stays = {
            row.code: 2 * (limits.intset if row.unpack is intset else self._packed[HOLDS[row.type]])
            for row in CODES
            if row.code in ONE_STRING and row.unpack in (listpack, intset)
        }

    def of(self, entry: Entry, rdb_version: int | None) -> Cost:
        """How much the server's memory grows by this key, where it is new; `rdb_version` is that of its payload.

        FormatError where that is so damaged that nobody can tell.
        """
        _, key, expires_at, kind, payload, value, _ = entry
        if payload is None:
            least, most = self._value(value, HOLDS.get(kind, "payload"))
        else:
            least, most = self._usual(payload) or self._payload(payload, HOLDS.get(kind, "payload"), rdb_version or 0)
        size = len(key)
        most += self._make.key + allocated(size) + (0 if expires_at is None else _EXPIRY)
        return _new(Cost, (least + _LEAST_KEY + size, most))

    def _usual(self, payload: bytes) -> tuple[int, int] | None:
        """A faster `_payload` for what most keys are: a text, or a collection that stays packed."""
        try:
            code = payload[0]
            if code in _NODES and payload[1] == 1:
                size, _ = string_size(payload, 3)
                # A list of one part has no middle.
                return size, allocated(max(size, LONGEST_INTEGER)) + self._make.short_list
            if code and code not in self._stays:
                return None
            size, _ = string_size(payload, 1)
            return (size, allocated(size)) if not code or size <= self._stays[code] else None
        except IndexError:
            return None

    def _payload(self, payload: bytes, holds: Holds, version: int) -> Cost:
        measured = measure(payload, version)
        if (value := built_in(payload)) is not None:
            return self._value(value, holds)
        row = known(payload[0], version)
        if measured is None or row is None:
            return Cost(0, len(payload) * _UNKNOWN + _OF_STREAM)
        if holds == "text":
            return Cost(measured.content, measured.allocated)
        if holds == "elements":
            # An older encoding becomes a newer one, which may be shorter.
            least = measured.content if payload[0] in _NODES else measured.content // 2
            return Cost(self._least_of_list(least), measured.allocated + self._of_list(measured.strings))
        if holds == "stream":
            rest = max(0, len(payload) - measured.content) * _STREAM_REST
            # The ids of entries have much in common, which is stored once.
            return Cost(
                measured.content * 2 // 3, _OF_STREAM + measured.allocated + measured.strings * _STREAM_NODE + rest
            )
        if row.unpack:
            # An older encoding becomes a newer one, which may be shorter.
            least = measured.content if row.unpack not in _OLD_ENCODINGS else measured.content * 3 // 4
            return Cost(least, self._compact(measured, holds, row))
        return self._loose(measured, holds, _FIELD_EXPIRY if row.fields_expire else 0)

    def _compact(self, measured: Measure, holds: Holds, row: Code) -> int:
        limit, expiry = (self._intset, 0) if row.unpack is intset else (self._packed.get(holds, 0), 0)
        if row.fields_expire:
            # Each field has its expiry as one more element.
            limit, expiry = limit + limit // 2, _FIELD_EXPIRY
        if measured.elements <= limit:
            return measured.allocated
        # The target's limits are lower than the source's, so it unpacks them. No element is longer than what can be packed.
        each = allocated(min(_LONGEST_PACKED, measured.content // max(1, measured.elements)))
        unpacked = measured._replace(allocated=measured.content + measured.elements * (each + 16))
        return self._loose(unpacked, holds, expiry).most

    def _loose(self, measured: Measure, holds: Holds, expiry: int) -> Cost:
        """Elements that are each in memory of its own, as far as they are more than what is kept packed."""
        number = measured.strings if measured.strings > 1 else measured.elements // (1 + (holds == "scores"))
        packed = max(self._packed[holds], self._intset if holds == "members" else 0)
        least = measured.content + number * _LEAST_ELEMENT[holds]
        if number <= packed:
            # They may be packed, and numbers into half of their digits.
            least = max(measured.content // 2, measured.content - measured.strings * _LONGEST_NUMBER // 2)
        return Cost(least, _OF_TABLE[holds] + measured.allocated + number * (self._each[holds] + expiry))

    def _least_of_list(self, plain: int) -> int:
        return plain // _COMPRESSED if self._lists_compressed else plain

    def _of_list(self, parts: int) -> int:
        return self._make.short_list if parts == 1 else _OF_LIST + parts * _NODE

    def _value(self, value: Any, holds: Holds) -> Cost:
        if isinstance(value, Opaque):
            return self._payload(value.dump[:-FOOTER_BYTES], holds, version_of(value.dump))
        if isinstance(value, bytes):
            return Cost(_least([value]), allocated(len(value)))
        if isinstance(value, Stream):
            return _stream(value)
        if isinstance(value, VectorSet):
            return _vector_set(value)
        pairs = holds in ("fields", "scores")
        texts = [part for row in value for part in row if isinstance(part, bytes)] if pairs else value or []
        content, number = sum(map(len, texts)), len(texts)
        if number <= self._packed.get(holds, 0) // (1 + (holds == "scores")) and _longest(texts) <= _LONGEST_PACKED:
            scores = 20 * number if holds == "scores" else 0
            return Cost(_least(texts), allocated(content + scores + number * _PACKED_ELEMENT))
        measured = Measure(content, sum([allocated(len(text)) for text in texts]), number, number)
        if holds == "elements":
            return Cost(self._least_of_list(_least(texts)), measured.allocated + self._of_list(number))
        expiry = _FIELD_EXPIRY if holds == "fields" and any(row[2] is not None for row in value) else 0
        cost = self._loose(measured, holds, expiry)
        # All of them may be numbers, of two bytes each.
        return cost._replace(least=2 * number) if holds == "members" and number <= self._intset else cost


def tables(before: int, after: int) -> int:
    """What the tables of a database grow by when its keys become more: at each power of two (Redis), or at each seven times
    that (Valkey), they are made anew in double size, beside the old ones.
    """
    if after <= before or all(_doublings(before, each) == _doublings(after, each) for each in (1, 7)):
        return 0
    # Two tables, one for expiry; eight bytes a place; the old ones are still there for a while.
    return 2 * 8 * ((1 << after.bit_length()) + (1 << after.bit_length() - 1))


def _doublings(keys: int, each: int) -> int:
    return (keys // each).bit_length()


def _least(texts: list[bytes]) -> int:
    """Numbers are packed, into half of their digits at the most."""
    return sum([size if (size := len(text)) > _LONGEST_NUMBER else size // 2 for text in texts])


def _longest(texts: list[bytes]) -> int:
    return max(map(len, texts), default=0)


def _vector_set(value: VectorSet) -> Cost:
    texts = [part for element in value.elements for part in (element.name, element.vector, element.attributes)]
    links = len(value.elements) * (_VECTOR + 2 * value.most_links * _LINK)
    matrix = allocated(len(value.projection[1])) if value.projection else 0
    return Cost(_least(texts) // 2, _OF_VECTORS + matrix + links + sum(allocated(len(text)) for text in texts))


def _stream(value: Stream) -> Cost:
    content = sum(len(field) + len(text) for _, fields in value.entries for field, text in fields)
    parts = sum(len(fields) for _, fields in value.entries)
    consumers = [consumer for group in value.groups for consumer in group.consumers]
    most = content + content // 4 + len(value.entries) * 64 + parts * 2 * _PACKED_ELEMENT + _STREAM_BEGUN + _OF_STREAM
    most += sum(len(consumer.pending) for consumer in consumers) * _PENDING + len(consumers) * _CONSUMER
    return Cost(content // 2, most + len(value.groups) * _GROUP)
