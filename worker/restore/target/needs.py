"""What a restore brings in the target's memory, at the least and at the most, with some of its keys as a sample."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from zlib import crc32

from worker.errors import FormatError
from worker.formats.entries import Entry
from worker.restore.target.footprint import Cost, Footprint, tables

SAMPLED, SAMPLE_BYTES = 16, 64 << 10
"""How many keys of each type are in a sample, and the most bytes that each may cost."""
ENOUGH = 8
"""So many keys of a type are enough to judge the others by."""
MARGIN, LEAST_SHARE = 1.1, 0.5
NOTHING = Cost(0, 0)
RESERVE = 512 << 10
"""Bytes that connections need meanwhile, ours and others'."""


@dataclass
class Sample:
    """Some keys of one type, from the whole backup: the more have passed, the rarer one is taken, in place of another."""

    entries: list[Entry] = field(default_factory=list)
    seen: int = 0
    due: int = 0
    """How many must have passed before the next is taken."""

    def take(self, entry: Entry) -> None:
        """Keep this one."""
        place = len(self.entries) if len(self.entries) < SAMPLED else crc32(entry.key) % SAMPLED
        self.entries[place : place + 1] = [entry]
        self.due = self.seen + self.seen // SAMPLED + 1


@dataclass
class Needs:
    """The sum of what keys cost that are written, growing while they go by."""

    footprint: Footprint
    live: dict[int, int]
    """Keys that the target holds, by database."""
    least: int = 0
    new: Counter[int] = field(default_factory=Counter)
    """Keys that are not there yet, by database."""
    most_by_type: Counter[str] = field(default_factory=Counter)
    samples: defaultdict[str, Sample] = field(default_factory=lambda: defaultdict(Sample))
    """By type."""
    rdb_version: int | None = None
    """The version of the payloads."""

    @property
    def most(self) -> int:
        """All of it, with the tables of the databases and what connections need."""
        grown = sum(tables(self.live.get(db, 0), self.live.get(db, 0) + number) for db, number in self.new.items())
        return self.most_by_type.total() + grown + RESERVE

    def add(self, entry: Entry, rdb_version: int | None, live: Cost = NOTHING) -> None:
        """Count a key that is written; `live` is the cost of the key that it replaces."""
        try:
            cost = self.footprint.of(entry, rdb_version)
        except FormatError:
            # What is damaged is not written.
            return
        self.rdb_version = rdb_version
        if live is NOTHING:
            self.new[entry.db] += 1
            self.least += cost.least
            self.most_by_type[entry.type] += cost.most
        else:
            self.least += max(0, cost.least - live.most)
            self.most_by_type[entry.type] += max(0, cost.most - live.least)
        sample = self.samples[entry.type]
        sample.seen += 1
        if sample.seen >= sample.due and cost.most <= SAMPLE_BYTES:
            sample.take(entry)

    def refined(self, measured: dict[str, list[float]]) -> "Needs":
        """The same, refined by the share of the highest cost that keys of some types really took at a server."""
        refined = Needs(self.footprint, self.live, self.least, self.new, Counter(self.most_by_type))
        for kind, shares in measured.items():
            if len(shares) >= ENOUGH:
                refined.most_by_type[kind] = round(self.most_by_type[kind] * max(LEAST_SHARE, max(shares) * MARGIN))
        return refined
