"""Frames become steps of time, by what is said of them alone: how much was written in each, and how exactly that is known."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from worker.segments.frame import Frame

WIDTHS = (15, 60, 300, 900, 3600, 6 * 3600, 24 * 3600, 7 * 24 * 3600)
"""Seconds of a step: the first of these that makes no more than MOST of them."""
MOST = 200


@dataclass
class Step:
    """What was written in a minute, or in whatever a step is."""

    commands: Counter[str] = field(default_factory=Counter)
    deleted: int = 0
    """Keys that were deleted by name, or that expired."""
    bytes: int = 0
    largest: int = 0
    within: int = 0
    """Milliseconds of the longest frame in it: its commands may have been run that much earlier or later."""

    @property
    def writes(self) -> int:
        """How many commands."""
        return self.commands.total()

    def add(self, frame: Frame) -> None:
        """Take a frame in."""
        self.commands.update(frame.commands)
        self.deleted += frame.deleted
        self.bytes += frame.size
        self.largest = max(self.largest, frame.largest)
        self.within = max(self.within, frame.until - frame.since)

    def merge(self, other: "Step") -> None:
        """Take another step in."""
        self.commands.update(other.commands)
        self.deleted += other.deleted
        self.bytes += other.bytes
        self.largest = max(self.largest, other.largest)
        self.within = max(self.within, other.within)


Steps = dict[int, Step]
"""By when they begin, in milliseconds."""


def middle(frame: Frame) -> int:
    """The moment by which a frame counts."""
    return (frame.since + frame.until) // 2


def width_for(milliseconds: int) -> int:
    """How wide the steps of so long a span are, in milliseconds."""
    return 1000 * next((width for width in WIDTHS if milliseconds <= width * 1000 * MOST), WIDTHS[-1])


def begin_of(ms: int, width: int) -> int:
    """When the step begins that a moment lies in."""
    return ms - ms % width


def add(steps: Steps, frame: Frame, width: int) -> None:
    """Take a frame in to the step that it is of, which are so many milliseconds wide."""
    steps.setdefault(begin_of(middle(frame), width), Step()).add(frame)


def total(steps: Iterable[Step]) -> Step:
    """All of them together."""
    whole = Step()
    for step in steps:
        whole.merge(step)
    return whole
