"""The commands of a frame, each with where it stands and the last place before it to go back to."""

from collections.abc import Iterator
from dataclasses import dataclass

from worker.formats.commands.reading import Arguments, Place, parsed
from worker.segments.frame import Frame


@dataclass(frozen=True, slots=True)
class Command:
    """One of them."""

    word: bytes
    """Its name, in capitals."""
    arguments: Arguments
    """Its name among them."""
    db: int | None
    """The database that is selected; None where nobody knows it."""
    start: int
    end: int
    """Offsets in the source's replication stream."""
    before: int
    """The last place before it that is outside a transaction."""


def commands_in(frame: Frame, raw: bytes) -> Iterator[Command]:
    """Yield the commands of a frame in their order. FormatError where these bytes are none."""
    where, at, before = Place(frame.db), frame.start, frame.start
    for arguments, size in parsed([raw]):
        yield Command(arguments[0].upper(), arguments, where.db, at, at + size, before)
        at += size
        where.pass_over(arguments)
        if not where.within_transaction:
            before = at
