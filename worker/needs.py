"""What a restore brings in the target's memory, at the least and at the most, with some of its keys as a sample."""

from collections import Counter
from dataclasses import dataclass, field

from worker.entries import Entry
from worker.errors import FormatError
from worker.footprint import Cost, Footprint, tables

SAMPLED, SAMPLE_BYTES = 16, 64 << 10
"""Keys of each type in a sample, and what each may cost at the most."""
ENOUGH = 8
"""Keys of a type that say something of the others."""
MARGIN, LEAST_SHARE = 1.1, 0.5
NOTHING = Cost(0, 0)
RESERVE = 512 << 10
"""Bytes that connections need meanwhile, ours and others'."""


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
    samples: dict[str, list[Entry]] = field(default_factory=dict)
    rdb_version: int | None = None
    """Of the payloads."""
    _seen: Counter[str] = field(default_factory=Counter)

    @property
    def most(self) -> int:
        """All of it, with the tables of the databases and what connections need."""
        grown = sum(tables(self.live.get(db, 0), self.live.get(db, 0) + number) for db, number in self.new.items())
        return self.most_by_type.total() + grown + RESERVE

    def add(self, entry: Entry, rdb_version: int | None, live: Cost = NOTHING) -> None:
        """A key that is written, with the version of its payload, and what the one costs whose place it takes."""
        try:
            cost = self.footprint.of(entry, rdb_version)
        except FormatError:
            # What is damaged is not written.
            return
        self.rdb_version = rdb_version
        self.new[entry.db] += live == NOTHING
        self.least += max(0, cost.least - live.most)
        self.most_by_type[entry.type] += max(0, cost.most - live.least)
        self._sample(entry, cost)

    def refined(self, measured: dict[str, list[float]]) -> "Needs":
        """The same, where of some types is known what share of the most that their keys cost they took at a real server."""
        found = Needs(self.footprint, self.live, self.least, self.new, Counter(self.most_by_type))
        for kind, shares in measured.items():
            if len(shares) >= ENOUGH:
                found.most_by_type[kind] = round(self.most_by_type[kind] * max(LEAST_SHARE, max(shares) * MARGIN))
        return found

    def _sample(self, entry: Entry, cost: Cost) -> None:
        """Keep some of each type, from all over: the more have passed, the fewer are taken, each in another's place."""
        if cost.most > SAMPLE_BYTES:
            return
        kept, seen = self.samples.setdefault(entry.type, []), self._seen[entry.type]
        self._seen[entry.type] += 1
        if len(kept) < SAMPLED:
            kept.append(entry)
        elif seen & seen - 1 == 0 or seen % (1 << seen.bit_length() - 3) == 0:
            kept[seen.bit_length() * 5 % SAMPLED] = entry
