"""One key, second by second: each write to it in the stream, the newest first, and the place right before it to go back to.

Frames that cannot hold the key are passed over by their filters; those that may are read one at a time.
"""

import time
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import structlog

from worker.arguments.stream import WritesArguments
from worker.config.settings import Settings
from worker.errors import NotFoundError
from worker.formats.commands.absolute import absolute
from worker.formats.commands.filters import may_hold
from worker.formats.commands.touching import WHOLE
from worker.formats.compare.rows import text
from worker.formats.key_text import key_bytes, key_text
from worker.progress import Progress
from worker.segments.chain import Part, Stretch, stretches
from worker.segments.commands import Command, commands_in
from worker.segments.frame import Frame
from worker.segments.marks import milliseconds
from worker.segments.moments import NONE_AT_ALL
from worker.segments.telling.effects import Effect, effects
from worker.segments.telling.expiries import Taken, Waiting
from worker.segments.telling.happened import gaps_between
from worker.segments.telling.walking import FOREVER, Raw, Span, Unread, iso, unread, walk, window

log = structlog.get_logger()

ROOM = 65_536
"""Characters of arguments that a page has."""
MOST_ARGUMENTS, LONGEST = 20, 200
"""Of one write: how many of its arguments are shown, and how many characters of each."""
FURTHER = 64
"""Frames that may hold the key and are read beyond the page, to find out whether a key on it had expired."""
_WHOLE = frozenset(word.decode() for word in WHOLE)

Data = dict[str, Any]


def writes(settings: Settings, arguments: WritesArguments, progress: Progress) -> Data:
    """A page of the writes to a key. NotFoundError where there is no stream, or where `after` is of nothing that is there."""
    clock = time.monotonic()
    chains, faults = stretches(settings)
    if not chains:
        raise NotFoundError(" ".join([NONE_AT_ALL, *faults]))
    page = _Page(chains, arguments, progress)
    page.read()
    seconds = round(time.monotonic() - clock, 3)
    log.info("writes_found", frames=page.looked_into, seconds=seconds)
    return page.told() | {"problems": [*faults, *page.problems], "seconds": seconds}


class _Touch(NamedTuple):
    """A command that touches the key, and what it does to it."""

    command: Command
    effect: Effect
    behind: int
    """The next place behind it that is outside a transaction."""


@dataclass
class _Page:
    """One page, filled from the newest write on."""

    chains: list[Stretch]
    arguments: WritesArguments
    progress: Progress
    rows: list[Data] = field(default_factory=list)
    more: bool = False
    problems: list[str] = field(default_factory=list)
    looked_into: int = 0
    passed_over: int = 0
    _waiting: Waiting = field(default_factory=Waiting)
    _room: int = ROOM
    _further: int = 0
    _last: str = ""
    """Where the last write of the page stands, as `after` names it."""

    def __post_init__(self) -> None:
        since, until = self.arguments.since, self.arguments.until
        self._key = key_bytes(self.arguments.key)
        self._needle = b"$%d\r\n%s\r\n" % (len(self._key), self._key)
        self._since = 0 if since is None else milliseconds(since)
        self._until = FOREVER if until is None else milliseconds(until)
        at, _, offset = (self.arguments.after or "").partition(":")
        self._after = (int(at), int(offset)) if at else None
        """The frame and the offset up to which all is left out; None once that is reached."""

    def read(self) -> None:
        """Fill it."""
        gaps = gaps_between(self.chains)
        for number in reversed(range(len(self.chains))):
            stretch = self.chains[number]
            for part, frame, raw in walk(stretch, Span(0, self._until), backwards=True, faults=self._unread):
                if self._is_over(frame):
                    break
                with unread(frame, self._unread):
                    self._look(stretch, part, frame, raw)
            self._waiting.give_up()
            if self.more or (number and gaps[number - 1].until < self._since):
                break
            if number and self._after is None and gaps[number - 1].since <= self._until:
                gap = gaps[number - 1]
                self.rows.append({"gap": gap.why, "at": iso(gap.since), "until": iso(gap.until)})
        if self._after is not None:
            raise NotFoundError("What this page was to go on from is not there any more: look anew.")

    def _unread(self, fault: Unread) -> None:
        self.problems.append(fault.why)
        if self._after is None and not self.more:
            self.rows.append({"gap": fault.why, "at": iso(fault.since), "until": iso(fault.until)})
        self._waiting.give_up()

    def _is_over(self, frame: Frame) -> bool:
        """Whether nothing further is to be read: the page is full, or the span ends; but who waits is looked for a while."""
        if self._after is not None:
            return False
        return (self.more or frame.until < self._since) and (not self._waiting or self._further >= FURTHER)

    def _look(self, stretch: Stretch, part: Part, frame: Frame, raw: Raw) -> None:
        whole = not _WHOLE.isdisjoint(frame.commands)
        if self._after is not None and not self._reached(frame):
            return
        if not whole and frame.keys and not may_hold(frame.keys, self._key):
            self.passed_over += 1
            return
        self.looked_into += 1
        self._further += self.more or frame.until < self._since
        commands = raw()
        self.progress("reading", self.looked_into, None, "frames")
        if whole or self._needle in commands:
            for touch in reversed(self._found(part, frame, commands)):
                self._take(stretch, part, frame, touch)

    def _reached(self, frame: Frame) -> bool:
        """Whether the page begins in this frame, or has begun."""
        at, offset = self._after or (0, 0)
        return frame.since == at and frame.start < offset <= frame.end

    def _found(self, part: Part, frame: Frame, commands: bytes) -> list[_Touch]:
        """What touches the key, in order."""
        middle, places = (frame.since + frame.until) // 2, [frame.end]
        touching: list[tuple[Command, Effect]] = []
        for command in commands_in(frame, commands):
            if self._after is not None and command.end >= self._after[1]:
                places.append(command.end)
                break
            places.append(command.before)
            if command.word in WHOLE or self._key in command.arguments:
                touching += [(command, each) for each in effects(_made_absolute(part, command, middle), self._key)]
        self._after = None
        places.sort()
        return [_Touch(command, effect, places[bisect_left(places, command.end)]) for command, effect in touching]

    def _take(self, stretch: Stretch, part: Part, frame: Frame, touch: _Touch) -> None:
        command, effect = touch.command, touch.effect
        since, until = window(frame, command.start, command.end)
        blur = (frame.until - frame.since) // 2 if part.segment.relative else 0
        self._waiting.meet(effect, until, blur)
        if self.more or not self._is_meant(effect, since, until):
            return
        place = f"{frame.since}:{command.end}"
        if sum("gap" not in row for row in self.rows) >= self.arguments.limit and self._last != place:
            self.more = True
            return
        self._last = place
        self.rows.append(row := self._row(stretch, touch, since, until))
        if effect.did == "taken":
            self._waiting.add(effect, Taken(row, since, until))

    def _is_meant(self, effect: Effect, since: int, until: int) -> bool:
        wanted = self.arguments.db
        # Of all databases, or of one that nobody knows: right behind a gap, until the next SELECT.
        here = wanted is None or effect.db is None or wanted in (effect.db, _swapped(effect))
        return here and until >= self._since and since <= self._until

    def _row(self, stretch: Stretch, touch: _Touch, since: int, until: int) -> Data:
        command, effect = touch.command, touch.effect
        row: Data = {
            "at": iso(since),
            "until": iso(until),
            "db": effect.db,
            "command": command.word.decode("ascii", "replace"),
            "did": effect.did,
            "bytes": command.end - command.start,
            "other": None if effect.other is None else key_text(effect.other),
            "other_db": effect.other_db,
            "expires_at": effect.expiry if isinstance(effect.expiry, int) else None,
            "before": command.before if command.before >= stretch.first else None,
            "after": touch.behind if touch.behind >= stretch.first else None,
        }
        if self.arguments.show:
            row["rows"] = [*self._shown(command, effect)]
        return row

    def _shown(self, command: Command, effect: Effect) -> Iterator[Data]:
        """The arguments as text, and the value afterwards where the command says it: `{part, value}`.

        Its own name right behind the command is none.
        """
        for number, argument in enumerate(command.arguments[1 : MOST_ARGUMENTS + 1], 1):
            if number == 1 and argument == self._key:
                continue
            yield {"part": str(number), "value": self._cut(argument)}
        if (more := len(command.arguments) - 1 - MOST_ARGUMENTS) > 0:
            yield {"part": "more", "value": str(more)}
        if effect.value is not None:
            yield {"part": "after", "value": self._cut(effect.value)}

    def _cut(self, value: bytes) -> str:
        shown = text(value, longest=LONGEST if self._room > 0 else 8)
        self._room -= len(shown)
        return shown

    def told(self) -> Data:
        """The answer."""
        return {
            "key": self.arguments.key,
            "db": self.arguments.db,
            "writes": self.rows,
            "next": self._last if self.more else None,
            "since": iso(self.chains[0].parts[0].segment.since),
            "until": iso(max(chain.until for chain in self.chains)),
            "looked_into": self.looked_into,
            "passed_over": self.passed_over,
        }


def _swapped(effect: Effect) -> int | None:
    return effect.other_db if effect.did == "swapped" else effect.db


def _made_absolute(part: Part, command: Command, now: int) -> Command:
    """Of 6.2 with the expiry that it meant, had it been run in the middle of its frame."""
    if not part.segment.relative or command.word in WHOLE:
        return command
    meant = absolute(command.arguments, now)
    return Command(meant[0].upper(), meant, command.db, command.start, command.end, command.before)
