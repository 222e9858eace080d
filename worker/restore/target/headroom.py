"""How much a target can still be given below its maxmemory, before it would evict keys."""

import time
from collections import Counter
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

from worker.errors import FormatError, Risk, TargetError
from worker.formats.entries import Entry
from worker.restore.target.footprint import Footprint, Limits, make_of, tables
from worker.restore.target.needs import RESERVE, Needs
from worker.server.endpoint import Endpoint
from worker.server.info import Facts, facts_of
from worker.server.wire import Wire

LOOK_SECONDS = 0.2
"""How long a look at the target's memory is valid at the most."""
LARGE = 128 << 10
"""A value of so many bytes counts twice, as sent and as stored; for smaller ones RESERVE has room."""
ROUGHLY, ROUGH_KEY = 128, 1024
"""In memory a value takes at the very most so many times what it takes in a file, and its key so many bytes more: texts are
compressed to an eightieth, and an unpacked element takes three bytes of a file.
"""
AMPLE = 8
"""With room for so many batches by that rough measure, the exact cost is not reckoned."""
STEP = 64 << 10
"""Bytes of keys between two looks at a target that may become full, at the most."""
FREEING_SECONDS, POLL_SECONDS = 10, 0.02
"""How long a target is given to free in the background what was replaced."""
STANDSTILL_SECONDS = 0.5
"""A target that frees nothing for so long has nothing more to free."""
_FIRST_VERSION_WITH_PACKED_SETS = (7, 2)
FORCED = "or begin all the same with --force (`force` in a call)"
"""How a person asks for it in any case."""

_DB = attrgetter("db")
_NOBODY_KNOWS = 1 << 62

Verdict = Literal["fits", "unsure", "full"]


def footprint_at(endpoint: Endpoint, facts: Facts) -> Footprint:
    """What keys cost there, by its make and its settings; where it does not show those, by the defaults."""
    config: dict[str, int] = {}
    with endpoint.translated("asking for its limits"), Wire(endpoint) as wire:
        for names in (b"*-max-*-entries", b"list-compress-depth"):
            answer = wire.try_(b"CONFIG", b"GET", names)
            if isinstance(answer, list):
                config |= {name.decode(): int(text) for name, text in zip(answer[::2], answer[1::2], strict=True)}
    usual = Limits()

    def limit(kind: str, packed: int) -> int:
        return max(
            (config[name] for name in (f"{kind}-listpack-entries", f"{kind}-ziplist-entries") if name in config),
            default=packed,
        )

    sets = usual.set if facts.redis_version >= _FIRST_VERSION_WITH_PACKED_SETS else 0
    limits = Limits(
        hash=limit("hash-max", usual.hash),
        zset=limit("zset-max", usual.zset),
        set=limit("set-max", sets),
        intset=config.get("set-max-intset-entries", usual.intset),
        lists_compressed=config.get("list-compress-depth", 0) > 0,
    )
    return Footprint(make_of(facts.server, facts.release), limits)


def settled(endpoint: Endpoint) -> Facts:
    """What a target says of itself, once it has freed in the background what was deleted before. Raises the endpoint's errors."""
    with endpoint.translated("asking for INFO"), Wire(endpoint) as wire:
        facts = facts_of(wire)
        least, until = facts.used_memory, time.monotonic() + STANDSTILL_SECONDS
        while facts.max_memory and facts.frees and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
            facts = facts_of(wire)
            if facts.used_memory < least:
                least, until = facts.used_memory, time.monotonic() + STANDSTILL_SECONDS
        return facts


def verdict(facts: Facts, needs: Needs, used: int | None = None) -> Verdict:
    """Whether there is room for what is needed: surely, surely not, or nobody knows.

    `used` is what is in use then, where that is not what is in use now.
    """
    left = facts.max_memory - (facts.counted_memory if used is None else used)
    if not facts.max_memory or needs.most + (facts.growing_memory if used is None else 0) <= left:
        return "fits"
    return "full" if needs.least > left else "unsure"


def refusal(facts: Facts, needs: Needs, used: int | None = None) -> str | None:
    """Why a restore is not to begin, in sentences: it surely does not fit, or it may not and the target throws keys out."""
    room = verdict(facts, needs, used)
    if room == "fits" or (room == "unsure" and not facts.evicts):
        return None
    has = "has" if room == "full" else "may have"
    stops = ", and stop at the first" if facts.evicts and used is None else ""
    return (
        f"The target {has} too little memory: {_numbers(facts, needs, used)}. Raise maxmemory, restore less, {FORCED}: it "
        f"{_when_full(facts, used)}{stops}."
    )


def risk(facts: Facts) -> Risk:
    """What a restore that is refused for want of memory would risk."""
    return "eviction" if facts.evicts else "full"


def doubt(facts: Facts, needs: Needs, used: int | None = None) -> str | None:
    """Warnings about a restore that may not fit, in sentences."""
    if verdict(facts, needs, used) != "unsure":
        return None
    refused = ", so it is refused unless some of its keys, tried there, show that all fit" if facts.evicts else ""
    return (
        f"The target may have too little memory: {_numbers(facts, needs, used)}. The restore {_when_full(facts, used)}"
        f"{refused}: raise maxmemory, or restore less."
    )


def _numbers(facts: Facts, needs: Needs, used: int | None) -> str:
    most = needs.most + (facts.growing_memory if used is None else 0)
    if used is None:
        held = f"{facts.counted_memory:,} are in use, and the restore needs at least {needs.least:,} more"
    else:
        held = f"{used:,} are for itself, and the backup needs at least {needs.least:,}"
    return f"maxmemory is {facts.max_memory:,} bytes, {held}, at most {most:,}"


def _when_full(facts: Facts, used: int | None) -> str:
    """What a target does with a restore when its memory is full."""
    if facts.evicts:
        return f"would make it throw keys out ({facts.eviction})" + (", its own too" if used is None else "")
    return "would stop when it is full" if used is None else "would fill it, and it would take no more writes"


def _left(facts: Facts) -> int:
    """How many bytes may still be sent."""
    used = facts.counted_memory + facts.growing_memory + RESERVE
    return facts.max_memory - used if facts.max_memory else 1 << 62


@dataclass
class Guard:
    """Lets pass what surely fits, and stops a restore before the target throws the first key out.

    A server says in INFO how much it uses, and that is good until so much was sent as it had left. Raises redis errors, and
    TargetError where there is no room.
    """

    wire: Wire
    """The connection that is written on."""
    address: str
    footprint: Footprint
    evicted: int
    """How many keys it had evicted when the restore began."""
    force: bool | None = None
    """Whether it goes on until the target evicts the first key; None where nobody can allow that."""

    def __post_init__(self) -> None:
        self._budget, self._until = -1, 0.0
        self._roughly = False
        self._keys: Counter[int] = Counter()

    def admitted(self, entries: list[Entry], rdb_version: int | None) -> int:
        """How many of these, from the first on, may be sent beside all that was; with 0 all must be answered before `look`
        is asked.
        """
        return self._take(entries, rdb_version) if time.monotonic() < self._until else 0

    def look(self, entries: list[Entry], rdb_version: int | None) -> int:
        """Ask the target again, while nothing is on its way. Gives how many of these may be sent, one at least."""
        deadline = time.monotonic() + FREEING_SECONDS
        while True:
            facts = self._look()
            self._keys = Counter(facts.keys)
            first, left = self._cost(entries[0], rdb_version) + self._tables(entries[:1]), _left(facts)
            if first <= left or not facts.frees or time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
        if first > left and facts.evicts and not self.force:
            raise self._stopped(
                f"has {max(0, left):,} bytes left below its maxmemory of {facts.max_memory:,}, and would throw keys out next",
                facts,
            )
        self._until = time.monotonic() + LOOK_SECONDS
        # Others write there too, so we take half. A full target refuses by itself, so it is not asked for each key.
        self._budget = max(left // 2, first, 0 if facts.evicts and not self.force else STEP)
        self._roughly = AMPLE * self._rough(entries) <= self._budget
        return self._take(entries, rdb_version) or self._take(entries[:1], rdb_version)

    def _look(self) -> Facts:
        facts = facts_of(self.wire)
        if facts.evicts and (evicted := facts.evicted - self.evicted) > 0:
            raise self._stopped(f"has begun to throw keys out for want of memory: {evicted:,} so far", facts)
        return facts

    def _stopped(self, why: str, facts: Facts) -> TargetError:
        may_go_on = self.force is False
        ways_out = f"raise maxmemory, {FORCED}" if may_go_on else "raise maxmemory"
        return TargetError(
            f"The target at {self.address} {why} ({facts.eviction}), so this was stopped: {ways_out}.",
            risk=risk(facts) if may_go_on else None,
        )

    def _take(self, entries: list[Entry], rdb_version: int | None) -> int:
        """Take as many out of the budget as there is room for."""
        if self._roughly:
            # Looking again costs less than reckoning.
            rough = self._rough(entries)
            taken = len(entries) if rough <= self._budget else 0
            budget = self._budget - rough
        else:
            budget, taken = self._budget - self._tables(entries), 0
            for entry in entries:
                if (cost := self._cost(entry, rdb_version)) > budget:
                    break
                budget -= cost
                taken += 1
        if taken:
            self._budget = budget
            self._keys.update(map(_DB, entries[:taken]))
        return taken

    def _rough(self, entries: list[Entry]) -> int:
        """What these cost at the very most, without decoding any; for values no such bound is known."""
        sizes = [
            _NOBODY_KNOWS if payload is None else len(payload) + len(key) for _, key, _, _, payload, _, _ in entries
        ]
        return self._tables(entries) + ROUGHLY * sum(sizes) + ROUGH_KEY * len(entries)

    def _tables(self, entries: list[Entry]) -> int:
        """What the tables grow by when these come."""
        return sum(tables(self._keys[db], self._keys[db] + number) for db, number in Counter(map(_DB, entries)).items())

    def _cost(self, entry: Entry, rdb_version: int | None) -> int:
        """What an entry costs at the most: as stored, and as sent where it is large."""
        try:
            most = self.footprint.of(entry, rdb_version).most
        except FormatError:
            # The server refuses it as well.
            most = len(entry.payload or b"")
        return most if most <= LARGE else 2 * most
