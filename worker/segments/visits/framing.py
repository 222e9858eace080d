"""A stream on its way is cut into frames: each begins between commands and outside a transaction."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from worker.formats.commands import filters
from worker.formats.commands.reading import Arguments, Commands, Place
from worker.formats.commands.touching import DELETING, SILENT, keys_of
from worker.segments.frame import Frame, packed
from worker.segments.marks import Mark

FRAME_BYTES = 1 << 20
"""Of commands in a frame. Only a single command, or a transaction, makes a larger one: that must be whole in memory."""
MOST_NAMES = 64
"""Of commands that a frame counts by name."""
TIME_CHANNEL = b"backup:time"
"""A PUBLISH there is a mark of ours: what it says is the time in milliseconds."""
MOST_MARKS = 3600
"""Of a frame: so that its line stays short."""
_MILLISECONDS = re.compile(rb"\d{1,14}")


@dataclass
class Clock:
    """What is known of the time of the frames that are made."""

    since: int
    until: int
    marks: list[Mark] = field(default_factory=list)
    """By their offsets."""


@dataclass
class _Seen:
    """What the commands of the next frame are about."""

    commands: Counter[bytes] = field(default_factory=Counter)
    keys: set[bytes] = field(default_factory=set)
    marks: list[Mark] = field(default_factory=list)
    deleted: int = 0
    largest: int = 0


class Framing:
    """Fed with the stream from one offset on; frames come out as soon as they are full."""

    def __init__(self, start: int, db: int | None, after: str, history: str, clock: Clock) -> None:
        self.start, self.after, self.history = start, after, history
        self._clock = clock
        self._commands, self._place = Commands(), Place(db)
        self._held = bytearray()
        """What is not in a frame yet."""
        self._at = self._boundary = start
        """The offset behind the last command, and behind the last one that is outside a transaction."""
        self._db = self._db_then = db
        """What is selected at the start of the next frame, and at the boundary."""
        self._seen, self._beyond = _Seen(), _Seen()
        """Up to the boundary, and behind it."""

    @property
    def db(self) -> int | None:
        """The database that is selected where the next frame begins."""
        return self._db

    def feed(self, chunk: bytes) -> Iterator[tuple[Frame, bytes]]:
        """Yield each frame that is full by now, with its commands compressed. FormatError where the bytes are no commands."""
        self._held += chunk
        for arguments, size in self._commands.feed(chunk):
            self._pass_over(arguments, size)
            if self._boundary - self.start >= FRAME_BYTES:
                yield self._cut()

    def rest(self) -> Iterator[tuple[Frame, bytes]]:
        """Yield what is whole and in no frame yet, as a last one. What follows it stays."""
        if self._boundary > self.start:
            yield self._cut()

    def _pass_over(self, arguments: Arguments, size: int) -> None:
        self._at += size
        self._place.pass_over(arguments)
        _note(self._beyond, arguments, size, self._at)
        if not self._place.within_transaction:
            self._boundary, self._db_then = self._at, self._place.db
            self._beyond.marks = [mark for mark in self._beyond.marks if self._is_mark(mark)]
            _add(self._seen, self._beyond)
            self._beyond = _Seen()

    def _is_mark(self, mark: Mark) -> bool:
        """Whether it is one of ours, and of use: anybody may publish there, any number and as often as they like."""
        is_place = mark.offset == self._boundary and self._clock.since <= mark.ms <= self._clock.until
        return is_place and len(self._seen.marks) < MOST_MARKS

    def _cut(self) -> tuple[Frame, bytes]:
        size, seen = self._boundary - self.start, self._seen
        content, sha256 = packed([bytes(memoryview(self._held)[:size])])
        del self._held[:size]
        marks = [mark for mark in self._clock.marks if self.start < mark.offset <= self._boundary] + seen.marks
        frame = Frame(
            after=self.after,
            history=self.history,
            start=self.start,
            end=self._boundary,
            db=self._db,
            db_after=self._db_then,
            since=self._clock.since,
            until=self._clock.until,
            stored=len(content),
            sha256=sha256,
            commands=_by_name(seen.commands),
            deleted=seen.deleted,
            largest=seen.largest,
            keys=filters.made(seen.keys),
            marks=tuple(sorted(marks, key=lambda mark: mark.offset)),
        )
        self.start, self.after, self._db, self._seen = self._boundary, sha256, self._db_then, _Seen()
        return frame, content


def _note(seen: _Seen, arguments: Arguments, size: int, end: int) -> None:
    word = arguments[0].upper()
    seen.largest = max(seen.largest, size)
    if word in SILENT:
        if (
            word == b"PUBLISH"
            and len(arguments) == 3
            and arguments[1] == TIME_CHANNEL
            and _MILLISECONDS.fullmatch(arguments[2])
        ):
            seen.marks.append(Mark(offset=end, ms=int(arguments[2])))
        return
    seen.commands[word] += 1
    seen.keys.update(keys_of(word, arguments))
    if word in DELETING:
        seen.deleted += len(arguments) - 1


def _add(seen: _Seen, more: _Seen) -> None:
    seen.commands.update(more.commands)
    seen.keys |= more.keys
    seen.marks += more.marks
    seen.deleted += more.deleted
    seen.largest = max(seen.largest, more.largest)


def _by_name(counted: Counter[bytes]) -> dict[str, int]:
    return {name.decode("ascii", "replace"): number for name, number in counted.most_common(MOST_NAMES)}
