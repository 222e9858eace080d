"""Where far more was deleted or written than is usual: the minutes of it, and the frame in which it begins."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import NamedTuple

from worker.formats.commands.touching import DELETING
from worker.segments.telling.steps import Steps, begin_of

MINUTE = 60_000
"""Milliseconds; of a long span it is more that counts as one."""
DELETES = "deletes"
"""What a burst of keys that were deleted is called, by whichever command."""
MOST_OF_DELETES, MOST_OF_OTHERS = 5, 3
_TIMES = 5
"""So many times the usual is a burst."""
_FEWEST = 5
"""Of fewer minutes nobody knows what is usual."""
_LEAST = {DELETES: 10}
_LEAST_OF_OTHERS = 1000
"""And so much more than that."""
_NO_BURSTS = frozenset(word.decode() for word in DELETING)


class Line(NamedTuple):
    """What is kept of a frame until it is known which ones are to be looked into."""

    stretch: int
    since: int
    until: int
    start: int
    end: int
    deleted: int
    largest: int
    commands: dict[str, int]

    def count(self, what: str) -> int:
        """How many of that a frame has."""
        return self.deleted if what == DELETES else self.commands.get(what, 0)


@dataclass(frozen=True)
class Burst:
    """Minutes next to each other in which far more was written than is usual."""

    what: str
    """DELETES, or the name of a command."""
    count: int
    usual: float
    width: int
    """So much is usual in so many milliseconds."""
    since: int
    """When its first minute begins; in milliseconds, as all of these."""
    highest: int
    """When the minute of it begins in which there were most."""
    until: int

    @property
    def words(self) -> frozenset[bytes]:
        """The commands that it is made of."""
        return DELETING if self.what == DELETES else frozenset((self.what.encode(),))


def bursts(minutes: Steps, silent: int, width: int = MINUTE) -> list[Burst]:
    """Those of a span, the largest of deletes first; so many of its minutes have no step, for nothing was written in them.

    A minute is `width` milliseconds here.
    """
    names = Counter[str]()
    for step in minutes.values():
        names.update(step.commands)
    deletes = _of(DELETES, {begin: step.deleted for begin, step in minutes.items()}, silent, width)
    others = [
        burst
        for name, total in names.items()
        if total > _LEAST_OF_OTHERS and name not in _NO_BURSTS
        for burst in _of(name, {begin: step.commands[name] for begin, step in minutes.items()}, silent, width)
    ]
    found = sorted(deletes, key=_size)
    return [*found[:MOST_OF_DELETES], *sorted(others, key=_size)[:MOST_OF_OTHERS]]


def _size(burst: Burst) -> tuple[int, int]:
    return -burst.count, burst.since


def _of(what: str, counts: dict[int, int], silent: int, width: int) -> list[Burst]:
    usual = median([*counts.values(), *([0] * silent)]) if len(counts) + silent >= _FEWEST else 0
    least = _TIMES * usual + _LEAST.get(what, _LEAST_OF_OTHERS)
    high = sorted(begin for begin, number in counts.items() if number >= least)
    runs = []
    # Minutes that follow each other have the same distance from their number in the list.
    for _, group in groupby(enumerate(high), lambda pair: pair[1] // width - pair[0]):
        run = [begin for _, begin in group]
        highest = max(run, key=lambda begin: counts[begin])
        runs.append(Burst(what, sum(counts[begin] for begin in run), usual, width, run[0], highest, run[-1] + width))
    return runs


def beginning(burst: Burst, lines: Sequence[Line]) -> Line | None:
    """The frame in which a burst begins: from the one with most of it back as long as there is more than is usual.

    Rather one frame early than late: what is gone back to is to be before all of it.
    """
    within = [
        number
        for number, line in enumerate(lines)
        if burst.since <= begin_of((line.since + line.until) // 2, burst.width) < burst.until and line.count(burst.what)
    ]
    if not within:
        return None
    at = max(within, key=lambda number: lines[number].count(burst.what))
    earlier = within[0]
    while at > 0 and _goes_on(burst, lines[at - 1], lines[at]) and at - 1 >= earlier - 1:
        at -= 1
    return lines[at]


def _goes_on(burst: Burst, before: Line, after: Line) -> bool:
    """Whether more of it was written in the frame before than is usual in so short a time."""
    if before.stretch != after.stretch:
        return False
    usual = burst.usual * max(before.until - before.since, 1) / burst.width
    return before.count(burst.what) > 2 * usual + 2
