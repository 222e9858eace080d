"""The frames of a span of time, part by part: each file is opened once, and the commands of one frame at a time are in memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from worker.errors import BackupSystemError, StoppedError
from worker.segments.chain import Part, Stretch
from worker.segments.frame import Frame, commands_of, frames_of, opening_of

FOREVER = 253402300799999
"""The last millisecond of the year 9999."""
Raw = Callable[[], bytes]
"""Decompresses the commands of a frame."""


@dataclass(frozen=True)
class Span:
    """From when to when, in milliseconds since the epoch."""

    since: int = 0
    until: int = FOREVER

    def meets(self, since: int, until: int) -> bool:
        """Whether something that happened in between may lie in the span."""
        return since <= self.until and until >= self.since


@dataclass(frozen=True)
class Unread:
    """From when to when, in milliseconds, it cannot be read, and why: what it holds is as unknown as what lies in a gap."""

    since: int
    until: int
    why: str


@contextmanager
def unread(frame: Frame, faults: Callable[[Unread], None]) -> Iterator[None]:
    """A frame whose commands cannot be read is one of the `faults`."""
    try:
        yield
    except StoppedError:
        raise
    except BackupSystemError as error:
        faults(Unread(frame.since, frame.until, str(error)))


def walk(
    stretch: Stretch,
    span: Span,
    backwards: bool = False,
    faults: Callable[[Unread], None] | None = None,
    wanted: Callable[[Part], bool] | None = None,
) -> Iterator[tuple[Part, Frame, Raw]]:
    """Yield the frames that meet the span, oldest first or newest first. What cannot be read goes to `faults`, or is raised."""
    for part in reversed(stretch.parts) if backwards else stretch.parts:
        if not span.meets(part.segment.since, part.segment.until) or (wanted is not None and not wanted(part)):
            continue
        try:
            yield from _of_part(part, span, backwards)
        except StoppedError:
            raise
        except BackupSystemError as error:
            if faults is None:
                raise
            faults(Unread(part.segment.since, part.segment.until, str(error)))


def _of_part(part: Part, span: Span, backwards: bool) -> Iterator[tuple[Part, Frame, Raw]]:
    with part.opened() as file:
        opening_of(file)
        frames: Iterator[tuple[Frame, int]] = frames_of(file)
        for frame, place in reversed(list(frames)) if backwards else frames:
            if span.meets(frame.since, frame.until):
                yield part, frame, partial(commands_of, file, frame, place)


def window(frame: Frame, start: int, end: int) -> tuple[int, int]:
    """After when and before when what lies between these offsets of a frame was run, as far as its marks tell."""
    since, until = frame.since, frame.until
    for mark in frame.marks:
        if mark.offset <= start:
            since = max(since, mark.ms)
        elif mark.offset >= end:
            until = min(until, mark.ms)
            break
    return since, max(since, until)


def iso(ms: int) -> str:
    """A moment as a result has it."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
