"""What happened to a target while it was written, by its own counters: keys before and after, evictions, wipes, a restart."""

import time
from dataclasses import dataclass
from math import inf

from worker.engines.completeness import Counts, between, counted
from worker.restore.target.needs import RESERVE
from worker.server.endpoint import Endpoint
from worker.server.info import read_facts
from worker.server.wire import Wire

PATIENCE_SECONDS = 5
"""How long a target may take to answer once something has gone wrong with it."""
SETTLING_SECONDS, STANDSTILL_SECONDS, POLL_SECONDS = 60, 1.0, 0.05
"""A target above its maxmemory evicts keys bit by bit, in the background."""


@dataclass(frozen=True)
class Aftermath:
    """The difference between two looks at a target, in numbers of keys."""

    before: int
    after: int
    evicted: int
    """Keys that were evicted."""
    gone: int
    """At least so many of the written keys are gone, though they have not expired."""
    wiped: str | None
    """What emptied it or exchanged what is in it, as a clause."""
    excess: int = 0
    """Bytes that it holds beyond its maxmemory."""


class Watch:
    """Watches what happens to a target from now on. Raises the endpoint's errors."""

    def __init__(self, endpoint: Endpoint, databases: list[int]) -> None:
        """`databases` are those that are written."""
        self._endpoint, self._databases = endpoint, databases
        self._before = counted(endpoint)

    @property
    def evicted(self) -> int:
        """How many keys it had evicted before."""
        return self._before.evicted

    def look(self, written: int, *, hasty: bool = False) -> Aftermath:
        """What has happened since, to as many keys as were written; `hasty` where the target may not answer."""
        endpoint = self._endpoint.within(PATIENCE_SECONDS) if hasty else self._endpoint
        excess = 0 if hasty else _settled(endpoint)
        after = counted(endpoint)
        before, passed = self._before, between(self._before, after)
        return Aftermath(
            before=sum(before.keys.values()),
            after=sum(after.keys.values()),
            evicted=_grown(before.evicted, after.evicted),
            gone=int(max(0, written - self._there(endpoint, after) - _grown(before.lost, after.lost))),
            wiped=passed.wiped(),
            excess=excess,
        )

    def _there(self, endpoint: Endpoint, after: Counts) -> float:
        """Keys in the databases that are written; any number where the server does not tell."""
        if after.keys or self._before.keys:
            return sum(after.keys.get(db, 0) for db in self._databases)
        total = 0
        for db in self._databases:
            with endpoint.translated("counting keys"), Wire(endpoint, db) as wire:
                number = wire.try_(b"DBSIZE")
            if not isinstance(number, int):
                return inf
            total += number
        return total


def _grown(before: int, after: int) -> int:
    """By how much a counter grew; one that has become smaller was reset in between."""
    return after - before if after >= before else after


def _settled(endpoint: Endpoint) -> int:
    """How many bytes it holds beyond its maxmemory, once it has evicted what it had to."""
    deadline = time.monotonic() + SETTLING_SECONDS
    evicted, since = -1, time.monotonic()
    while (facts := read_facts(endpoint)).evicts and facts.counted_memory > facts.max_memory:
        if facts.evicted != evicted:
            evicted, since = facts.evicted, time.monotonic()
        if time.monotonic() > min(deadline, since + STANDSTILL_SECONDS):
            break
        time.sleep(POLL_SECONDS)
    excess = facts.counted_memory - facts.max_memory
    # A server that evicts stays close to its maxmemory, above it or below.
    return excess if facts.max_memory and excess > (RESERVE if facts.evicts else 0) else 0
