"""What only the commands themselves tell: where a burst begins, where a FLUSHALL stands, which command was the largest.

Few frames are looked into, chosen by what is said of them; names and sizes come out, and never a value.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import nlargest
from typing import NamedTuple

from worker.formats.commands.touching import SILENT, WHOLE
from worker.segments.commands import Command, commands_in
from worker.segments.frame import Frame
from worker.segments.telling.bursts import Burst, Line, beginning
from worker.segments.telling.walking import Raw, window

MOST_LARGE, MOST_NAMED = 10, 50
_NAMED = frozenset(word.decode() for word in WHOLE)


class Spot(NamedTuple):
    """A command, and when it was run: after `since` and before `until`, in milliseconds."""

    command: str
    bytes: int
    db: int | None
    since: int
    until: int
    before: int
    """The offset right before it, and before the transaction that it is in."""
    stretch: int
    arguments: tuple[str, ...] = ()
    """Of SWAPDB: the two databases."""


@dataclass
class Wanted:
    """The frames that are to be looked into, each by its stretch and its start, and why."""

    bursts: dict[tuple[int, int], list[Burst]] = field(default_factory=dict)
    large: set[tuple[int, int]] = field(default_factory=set)
    named: set[tuple[int, int]] = field(default_factory=set)

    def all(self) -> set[tuple[int, int]]:
        """All of them."""
        return {*self.bursts, *self.large, *self.named}


def wanted(lines: list[Line], found: Iterable[Burst]) -> Wanted:
    """Where each burst begins, the frames with the largest commands, and the last ones that empty or swap databases."""
    into = Wanted()
    for burst in found:
        if (line := beginning(burst, lines)) is not None:
            into.bursts.setdefault((line.stretch, line.start), []).append(burst)
    into.large = {(line.stretch, line.start) for line in nlargest(MOST_LARGE, lines, key=lambda line: line.largest)}
    naming = [line for line in lines if not _NAMED.isdisjoint(line.commands)]
    into.named = {(line.stretch, line.start) for line in naming[-MOST_NAMED:]}
    return into


@dataclass
class Looked:
    """What was found in them."""

    bursts: dict[Burst, Spot] = field(default_factory=dict)
    """The first command of each."""
    large: list[Spot] = field(default_factory=list)
    named: list[Spot] = field(default_factory=list)

    def into(self, stretch: int, frame: Frame, raw: Raw, why: Wanted) -> None:
        """Look into one frame."""
        place = (stretch, frame.start)
        bursts = list(why.bursts.get(place, ()))
        for command in commands_in(frame, raw()):
            for burst in [burst for burst in bursts if command.word in burst.words]:
                bursts.remove(burst)
                self.bursts[burst] = _spot(stretch, frame, command)
            if place in why.named and command.word in WHOLE:
                self.named.append(_spot(stretch, frame, command))
            if place in why.large and command.word not in SILENT:
                self._weigh(stretch, frame, command)

    def _weigh(self, stretch: int, frame: Frame, command: Command) -> None:
        size = command.end - command.start
        if len(self.large) < MOST_LARGE or size > self.large[-1].bytes:
            self.large.append(_spot(stretch, frame, command))
            self.large.sort(key=lambda spot: -spot.bytes)
            del self.large[MOST_LARGE:]

    def newest_named(self) -> Iterator[Spot]:
        """What emptied or swapped databases, the newest first."""
        yield from self.named[: -MOST_NAMED - 1 : -1]


def _spot(stretch: int, frame: Frame, command: Command) -> Spot:
    word, size = command.word, command.end - command.start
    swapped = tuple(number.decode("ascii", "replace") for number in command.arguments[1:3]) if word == b"SWAPDB" else ()
    db = command.db if word != b"FLUSHALL" else None
    times = window(frame, command.start, command.end)
    return Spot(word.decode("ascii", "replace"), size, db, *times, command.before, stretch, swapped)
