"""Some keys of a backup are written to the target for a moment, to measure what they really cost there.

They stand there for a moment, under names that nobody else has, and go by themselves within a minute should we be killed.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from worker.formats.entries import EntriesAlone, Entry
from worker.restore.target.needs import RESERVE, Needs
from worker.restore.target.report import Report
from worker.restore.target.values import temporary_key
from worker.restore.target.writer import Writing
from worker.server.fence import Fence
from worker.server.info import Facts
from worker.server.pipeline import milliseconds
from worker.server.throttle import Pace
from worker.server.wire import Wire

LASTS_MS = 60_000
TIMES = 4
"""Memory that must be free beyond what these keys cost, for what others write meanwhile."""


@dataclass(frozen=True)
class _Trial(EntriesAlone):
    """An EntryStream of these."""

    entries: list[Entry]
    rdb_version: int | None
    libraries: list[bytes] = field(default_factory=list)

    def batches(self) -> Iterator[list[Entry]]:
        """All at once."""
        yield self.entries


def measured(fence: Fence, facts: Facts, needs: Needs) -> dict[str, list[float]]:
    """By type: of the most that each of these keys can cost, what share it does. Nothing where that is not allowed or not
    safe. Raises LostError, and the endpoint's errors.
    """
    kept = [entry for sample in needs.samples.values() for entry in sample.entries]
    costs = sum(needs.footprint.of(entry, needs.rdb_version).most for entry in kept)
    if costs * TIMES + RESERVE + facts.growing_memory > facts.max_memory - facts.counted_memory:
        return {}
    with fence.endpoint.translated("trying some keys of the backup"), fence.wire() as wire:
        if isinstance(wire.try_(b"MEMORY", b"USAGE", temporary_key()), Exception):
            return {}
        until = milliseconds(wire.ask(b"TIME")) + LASTS_MS
        tried = [entry._replace(key=temporary_key(), expires_at=until) for entry in kept]
        stream = _Trial(list(tried), needs.rdb_version)
        for _ in Writing(wire, "skip", Report(), facts.redis_version, Pace(fence.endpoint)).run(stream):
            pass
        return _shares(wire, facts, needs, tried)


def _shares(wire: Wire, facts: Facts, needs: Needs, tried: list[Entry]) -> dict[str, list[float]]:
    """Measure each with MEMORY USAGE, which does not count its expiry, then delete them."""
    shares: defaultdict[str, list[float]] = defaultdict(list)
    for entry in tried:
        wire.ask(b"SELECT", b"%d" % entry.db)
        usage = wire.try_(b"MEMORY", b"USAGE", entry.key, b"SAMPLES", b"0")
        if isinstance(usage, int):
            most = needs.footprint.of(entry._replace(expires_at=None), needs.rdb_version).most
            shares[entry.type].append(usage / most)
        wire.ask(facts.delete, entry.key)
    return dict(shares)
