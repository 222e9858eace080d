"""What happened: how much was written and deleted in each minute, what stands out, and the place right before it.

It is told by what is said of each frame, without its commands; those of a few frames are read to find where a burst begins.
What is held of a frame is its counts. A gap is told as a gap, for what happened in it nobody knows.
"""

import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import structlog

from worker.arguments.stream import HappenedArguments
from worker.config.settings import Settings
from worker.errors import NotFoundError
from worker.progress import Progress
from worker.segments.chain import Part, Stretch, stretches
from worker.segments.frame import Frame
from worker.segments.marks import milliseconds
from worker.segments.moments import NONE_AT_ALL
from worker.segments.telling.bursts import MINUTE, Burst, Line, bursts
from worker.segments.telling.looking import Looked, Spot, wanted
from worker.segments.telling.prefixes import ByPrefix
from worker.segments.telling.steps import Step, Steps, add, begin_of, total, width_for
from worker.segments.telling.walking import FOREVER, Span, Unread, iso, unread, walk

log = structlog.get_logger()

MOST_NAMES, MOST_NAMES_IN_ALL = 6, 20
"""Of commands that are told of a step, and of all of them."""

Data = dict[str, Any]


@dataclass(frozen=True)
class Gap:
    """From when to when nothing is known, in milliseconds, and why."""

    since: int
    until: int
    why: str


def happened(settings: Settings, arguments: HappenedArguments, progress: Progress) -> Data:
    """What happened in a span of the stream. NotFoundError where there is no stream, or none of that time."""
    clock = time.monotonic()
    chains, faults = stretches(settings)
    if not chains:
        raise NotFoundError(" ".join([NONE_AT_ALL, *faults]))
    span = span_of(arguments, chains)
    telling = _Telling(chains, span, arguments.prefixes, progress)
    telling.read()
    answer = telling.told()
    seconds = round(time.monotonic() - clock, 3)
    log.info("stream_told", frames=len(telling.lines), seconds=seconds)
    return answer | {"problems": [*faults, *telling.problems], "seconds": seconds}


def span_of(arguments: HappenedArguments, chains: list[Stretch]) -> Span:
    """What is meant, cut to what there is. NotFoundError where that is nothing."""
    begin, end = chains[0].parts[0].segment.since, max(chain.until for chain in chains)
    since = begin if arguments.since is None else milliseconds(arguments.since)
    until = end if arguments.until is None else milliseconds(arguments.until)
    if since > end or until < begin or since > until:
        raise NotFoundError(f"There is nothing of the stream then: it goes from {iso(begin)} to {iso(end)}.")
    return Span(max(since, begin), min(until, end))


def gaps_between(chains: list[Stretch]) -> list[Gap]:
    """Where one stretch ends and the next one has not begun."""
    return [
        Gap(before.until, after.parts[0].segment.since, after.gap or "it was not visited")
        for before, after in pairwise(chains)
    ]


@dataclass
class _Telling:
    """One look at a span."""

    chains: list[Stretch]
    span: Span
    with_prefixes: bool
    progress: Progress
    lines: list[Line] = field(default_factory=list)
    steps: Steps = field(default_factory=dict)
    minutes: Steps = field(default_factory=dict)
    """What bursts are found in."""
    unread: list[Unread] = field(default_factory=list)
    """Parts of which not even the lines can be read."""
    looked: Looked = field(default_factory=Looked)
    found: list[Burst] = field(default_factory=list)
    by_prefix: ByPrefix = field(default_factory=ByPrefix)
    _said: list[str] = field(default_factory=list)

    def _say(self, fault: Unread) -> None:
        """Of a frame whose commands are damaged its line tells all the same how many there were."""
        self._said.append(fault.why)

    @property
    def width(self) -> int:
        """Milliseconds of a step."""
        return width_for(self.span.until - self.span.since)

    @property
    def problems(self) -> list[str]:
        """What cannot be read."""
        return [*dict.fromkeys([*(part.why for part in self.unread), *self._said])]

    def read(self) -> None:
        """All lines once, and then the commands of what stands out."""
        width = max(MINUTE, self.width // 15)
        for number, stretch in enumerate(self.chains):
            for _, frame, raw in walk(stretch, self.span, faults=self.unread.append):
                self._add(number, frame, width)
                if self.with_prefixes:
                    with unread(frame, self._say):
                        self.by_prefix.add(frame, raw)
        silent = self._covered() // width - len(self.minutes)
        self.found = bursts(self.minutes, max(0, silent), width)
        why = wanted(self.lines, self.found)
        all_of_them = why.all()

        def is_wanted(part: Part, number: int) -> bool:
            segment = part.segment
            return any(at == number and segment.start <= start < segment.end for at, start in all_of_them)

        for number, stretch in enumerate(self.chains):
            parts = walk(stretch, self.span, faults=lambda _: None, wanted=lambda part, n=number: is_wanted(part, n))  # type: ignore[misc]
            for _, frame, raw in parts:
                if (number, frame.start) in all_of_them:
                    with unread(frame, self._say):
                        self.looked.into(number, frame, raw, why)

    def _add(self, number: int, frame: Frame, width: int) -> None:
        add(self.steps, frame, self.width)
        add(self.minutes, frame, width)
        counts = (frame.start, frame.end, frame.deleted, frame.largest, frame.commands)
        self.lines.append(Line(number, frame.since, frame.until, *counts))
        if len(self.lines) % 1000 == 0:
            self.progress("reading", len(self.lines), None, "frames")

    def _covered(self) -> int:
        """Milliseconds of the span of which there is a stream."""
        spans = [(chain.parts[0].segment.since, chain.until) for chain in self.chains]
        return sum(max(0, min(end, self.span.until) - max(begin, self.span.since)) for begin, end in spans)

    def gaps(self) -> list[Gap]:
        """Of the span, in order: between stretches, and what cannot be read."""
        parts = [Gap(part.since, part.until, part.why) for part in self.unread]
        known = [gap for gap in (*gaps_between(self.chains), *parts) if self.span.meets(gap.since, gap.until)]
        return sorted(known, key=lambda gap: gap.since)

    def told(self) -> Data:
        """The answer, in plain words and numbers."""
        width, steps, gaps = self.width, self.steps, self.gaps()
        begins = range(begin_of(self.span.since, width), self.span.until + 1, width)
        whole = total(steps.values())
        return {
            "since": iso(self.span.since),
            "until": iso(self.span.until),
            "step_seconds": width // 1000,
            "steps": [_row(begin, width, steps.get(begin, Step()), gaps) for begin in begins],
            "totals": _counts(whole, MOST_NAMES_IN_ALL),
            "gaps": [{"since": iso(gap.since), "until": iso(gap.until), "why": gap.why} for gap in gaps],
            "peaks": [self._peak(burst) for burst in self.found],
            "named": [self._spot(spot) for spot in self.looked.newest_named()],
            "named_total": sum(whole.commands[name] for name in ("FLUSHALL", "FLUSHDB", "SWAPDB")),
            "largest": [self._spot(spot) for spot in self.looked.large],
            "prefixes": self.by_prefix.told(iso) if self.with_prefixes else None,
        }

    def _peak(self, burst: Burst) -> Data:
        """With its first command; None where that cannot be read."""
        spot = self.looked.bursts.get(burst)
        return {
            "what": burst.what,
            "count": burst.count,
            "at": iso(burst.highest),
            "since": iso(burst.since),
            "until": iso(burst.until),
            "first": None if spot is None else self._spot(spot),
        }

    def _spot(self, spot: Spot) -> Data:
        """With the offset to go back to, where a backup lies before it."""
        back = spot.before >= self.chains[spot.stretch].first
        return {
            "command": spot.command,
            "bytes": spot.bytes,
            "db": spot.db,
            "databases": [*spot.arguments],
            "at": iso(spot.since),
            "until": iso(min(spot.until, FOREVER)),
            "offset": spot.before if back else None,
        }


def _row(begin: int, width: int, step: Step, gaps: list[Gap]) -> Data:
    gap = next((gap for gap in gaps if gap.since < begin + width and gap.until > begin), None)
    return {
        "at": iso(begin),
        **_counts(step, MOST_NAMES),
        "largest": step.largest,
        "within_seconds": round(step.within / 1000, 1) if step.within > width else None,
        "gap": gap.why if gap else None,
    }


def _counts(step: Step, most: int) -> Data:
    first = dict(step.commands.most_common(most))
    others = step.writes - sum(first.values())
    return {"writes": step.writes, "deleted": step.deleted, "bytes": step.bytes, "commands": first, "others": others}
