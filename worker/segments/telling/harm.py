"""Where in a span the most of some keys were deleted, or written: the place right before that, which is a later version of them than any
backup's.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from worker.formats.commands import filters
from worker.formats.commands.touching import DELETING, EMPTYING, SILENT, WHOLE, keys_of
from worker.segments.chain import Stretch
from worker.segments.commands import Command, commands_in
from worker.segments.frame import Frame
from worker.segments.telling.walking import Raw, Span, walk

MOST_BYTES = 256 << 20
"""Of commands that are read."""
_APART_MS = 60_000
_LEAST_PART = 10
"""What comes within a minute before, and is a tenth of it or more, belongs to it."""
_WHOLE = frozenset(word.decode() for word in WHOLE)


class Harm(NamedTuple):
    """What befell the keys, and from when to when, in milliseconds."""

    before: int
    """The offset right before it, outside a transaction."""
    history: str
    since: int
    until: int
    number: int
    """How many times one of the keys was deleted, or written; 0 where all were emptied."""
    emptied: bool


@dataclass(frozen=True)
class Meant:
    """Which keys are looked for, and what befell them."""

    is_meant: Callable[[int | None, bytes], bool]
    """By database (None where nobody knows it) and name."""
    names: Collection[bytes]
    """All of them, where each is named; else none."""
    deleted: bool
    """Whether they went; else they were written."""
    databases: Collection[int] | None = None
    """Those that they are in; None for any."""

    def are_emptied(self, command: Command) -> bool:
        """Whether that empties a database that they may be in."""
        of_all = command.word != b"FLUSHDB" or self.databases is None or command.db is None
        return command.word in EMPTYING and (of_all or command.db in (self.databases or ()))


class _Seen(NamedTuple):
    first: Command
    frame: Frame
    number: int
    emptied: bool


def worst(stretches: list[Stretch], span: Span, meant: Meant) -> Harm | None:
    """The most of it; None where nothing befell them there, or no moment can be made from right before it. ArtifactError, SealedError."""
    for stretch in reversed(stretches):
        if stretch.bases and (seen := [*_seen(stretch, span, meant)]):
            begun = _beginning(seen)
            if begun.first.before < stretch.first:
                return None
            history = stretch.history_at(begun.first.before) or begun.frame.history
            last = max(seen, key=_size)
            number = sum(one.number for one in seen[seen.index(begun) : seen.index(last) + 1])
            return Harm(begun.first.before, history, begun.frame.since, last.frame.until, number, last.emptied)
    return None


def _seen(stretch: Stretch, span: Span, meant: Meant) -> Iterator[_Seen]:
    read = 0
    for _, frame, raw in walk(stretch, span, backwards=True):
        if not _may_hold(frame, meant):
            continue
        read += frame.size
        if read > MOST_BYTES:
            return
        if (one := _of_frame(frame, raw, meant)) is not None:
            yield one


def _may_hold(frame: Frame, meant: Meant) -> bool:
    if meant.deleted and not frame.deleted and _WHOLE.isdisjoint(frame.commands):
        return False
    named = not meant.names or any(filters.may_hold(frame.keys, name) for name in meant.names)
    return named or not _WHOLE.isdisjoint(frame.commands)


def _of_frame(frame: Frame, raw: Raw, meant: Meant) -> _Seen | None:
    first, number, emptied = None, 0, False
    for command in commands_in(frame, raw()):
        count = _count(command, meant)
        empties = meant.are_emptied(command)
        if count or empties:
            first = first or command
            number, emptied = number + count, emptied or empties
    return None if first is None else _Seen(first, frame, number, emptied)


def _count(command: Command, meant: Meant) -> int:
    if command.word in SILENT or (meant.deleted and command.word not in DELETING):
        return 0
    return sum(meant.is_meant(command.db, key) for key in keys_of(command.word, command.arguments))


def _size(one: _Seen) -> tuple[bool, int, int]:
    """Of alike ones the first counts; where all was emptied, the last time."""
    return one.emptied, one.number, one.frame.start if one.emptied else -one.frame.start


def _beginning(seen: list[_Seen]) -> _Seen:
    """From the frame with most of it back, as long as there is much of it."""
    seen.sort(key=lambda one: one.frame.start)
    at = seen.index(max(seen, key=_size))
    while at > 0:
        later, before = seen[at], seen[at - 1]
        is_apart = later.frame.since - before.frame.until > _APART_MS
        if is_apart or later.emptied or before.number * _LEAST_PART < later.number:
            break
        at -= 1
    return seen[at]
