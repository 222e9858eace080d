"""When the stream stood where, between two visits: asked of INFO each second, or marked in the stream itself."""

import time
from collections.abc import Iterator

from worker.config.settings import ClockName
from worker.segments.marks import Mark
from worker.segments.visits.continuing import backlog_of
from worker.segments.visits.framing import MOST_MARKS, TIME_CHANNEL
from worker.segments.visits.source import clock_of
from worker.server.info import info
from worker.server.replies import raised
from worker.server.wire import Wire

EVERY_SECONDS = 1.0


def marks(wire: Wire, clock: ClockName, seconds: float) -> Iterator[Mark | None]:
    """Yield a mark each second, until so many are over; None for each that stands in the stream itself. Raises redis errors."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > EVERY_SECONDS:
        time.sleep(min(EVERY_SECONDS, left))
        fields = info(wire)
        if clock == "publish":
            raised(wire.try_(b"PUBLISH", TIME_CHANNEL, b"%d" % clock_of(fields)))
            yield None
        else:
            yield Mark(offset=backlog_of(fields).offset, ms=clock_of(fields))


def with_mark(known: tuple[Mark, ...], mark: Mark) -> tuple[Mark, ...]:
    """The marks with one more; of several at the same place the first and the last say all."""
    if len(known) > 1 and known[-1].offset == known[-2].offset == mark.offset:
        known = known[:-1]
    return (*known, mark)[-MOST_MARKS:]
