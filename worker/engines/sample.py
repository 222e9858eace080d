"""A few of the values that came without a checksum, each beside what DUMP answers of its key: compared by what they mean.

That finds what is damaged again and again, as by a proxy or a server that is broken; a single flipped bit it finds only by
chance.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from redis.exceptions import ResponseError

from worker.errors import FormatError, SourceUnavailableError
from worker.formats.compare.values import Sides, both
from worker.formats.entries import Entry, Opaque, Stream, VectorSet
from worker.formats.rdb.payload import FOOTER_BYTES, version_of
from worker.formats.rdb.values import decode, kind_of
from worker.formats.types import FIELDS_EXPIRE
from worker.server.endpoint import Endpoint
from worker.server.pipeline import Abilities, milliseconds
from worker.server.reading.damage import ask_again, is_whole, shown
from worker.server.wire import Wire

SAMPLE = 200
"""How many keys of a run are chosen by chance."""
_STEP = 500
"""Every 500th key is chosen where the server does not say how many keys it has."""
_SMALL_BYTES, _SMALL_ELEMENTS = 1 << 20, 1000
"""A larger value is not asked for twice."""
_ROUNDS = 2
_MARGIN_MS = 1000
"""A field that expires within that time may be in the one and not in the other."""

Read = Callable[[list[bytes]], Iterator[list[Entry]]]


class Sample:
    """Chooses keys out of those that pass, and compares them. `keys` is how many there will be, 0 where nobody knows."""

    def __init__(self, endpoint: Endpoint, keys: int) -> None:
        self.compared = 0
        """How many values were the same as DUMP's."""
        self._endpoint = endpoint
        self._passed = 0
        chosen = sorted(random.sample(range(keys), min(SAMPLE, keys))) if keys else range(0, SAMPLE * _STEP, _STEP)
        self._chosen = iter(chosen)
        self._next = next(self._chosen, None)

    def checked(self, wire: Wire, able: Abilities, batch: list[Entry], read: Read) -> list[Entry]:
        """The batch, in which chosen entries may have been read again. No reply may be on its way.

        SourceUnavailableError where a value differs from what DUMP gives of it and nobody has changed it meanwhile.
        """
        start, self._passed = self._passed, self._passed + len(batch)
        while self._next is not None and self._next < self._passed:
            place = self._next - start
            batch[place] = _Compared(self._endpoint, wire, able, self).entry(batch[place], read)
            self._next = next(self._chosen, None)
        return batch


class _Dumped(NamedTuple):
    """What DUMP gave of a key, and the RDB version of that."""

    entry: Entry
    version: int


class _Compared:
    """One key."""

    def __init__(self, endpoint: Endpoint, wire: Wire, able: Abilities, sample: Sample) -> None:
        self._endpoint, self._wire, self._able, self._sample = endpoint, wire, able, sample

    def entry(self, entry: Entry, read: Read) -> Entry:
        """The entry itself, or as it was read again."""
        if not _is_small(entry) or (dumped := self._dumped(entry)) is None or self._is_same(entry, dumped):
            return entry
        # The key may have changed since it was read. If DUMP gives the same before and after, it has not.
        for _ in range(_ROUNDS):
            before = self._dumped(entry)
            again = next((fresh for batch in read([entry.key]) for fresh in batch), None)
            after = self._dumped(entry)
            if again is None or before is None or after is None or not self._alike(before, after):
                return again or entry
            if self._is_same(again, before):
                return again
        raise SourceUnavailableError(
            f"The {entry.type} {shown(entry.key)} of database {entry.db} is read as something else than what DUMP gives of it, "
            f"each time: what the source at {self._endpoint.address} answers is damaged on the way. Look at the network in "
            "between, and use TLS (rediss://), which notices it."
        )

    def _is_same(self, entry: Entry, dumped: _Dumped) -> bool:
        same = entry.type == dumped.entry.type and _are_same(entry, dumped.entry, self._sides(None, dumped))
        self._sample.compared += same
        return same

    def _alike(self, before: _Dumped, after: _Dumped) -> bool:
        return before.entry.type == after.entry.type and _are_same(
            before.entry, after.entry, self._sides(before.version, after)
        )

    def _dumped(self, entry: Entry) -> _Dumped | None:
        """What DUMP gives of the key; None where it is gone, or is nothing that can be decoded."""
        dump = self._wire.try_(b"DUMP", entry.key)
        if not is_whole(dump, []):
            dump = ask_again(self._endpoint, entry.db, entry.key, self._able)[0]
        if not isinstance(dump, bytes):
            return None
        payload, version = dump[:-FOOTER_BYTES], version_of(dump)
        with suppress(FormatError):
            decode(payload, version)
            return _Dumped(Entry(entry.db, entry.key, None, kind_of(payload), payload), version)
        return None

    def _sides(self, version: int | None, dumped: _Dumped) -> Sides:
        # In values of other types nothing expires.
        by_field = dumped.entry.type in FIELDS_EXPIRE
        now = milliseconds(self._wire.ask(b"TIME")) + _MARGIN_MS if by_field else 0
        return Sides(version, dumped.version, now)


def _are_same(left: Entry, right: Entry, sides: Sides) -> bool:
    """Whether they hold the same, but for pending entries, whose times the ordinary commands give only to a millisecond."""
    first, second = (
        {part: content for part, content in side.items() if part[0] != "pending"} for side in both(left, right, sides)
    )
    return first == second


def can_dump(wire: Wire) -> bool:
    """Whether the server answers DUMP, to this user."""
    return not isinstance(wire.try_(b"DUMP", b"redis_backup"), ResponseError)


def _is_small(entry: Entry) -> bool:
    value = entry.value
    if isinstance(value, bytes):
        return len(value) <= _SMALL_BYTES
    if isinstance(value, Stream):
        return len(value.entries) <= _SMALL_ELEMENTS
    return value is not None and not isinstance(value, VectorSet | Opaque) and len(value) <= _SMALL_ELEMENTS
