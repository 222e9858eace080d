"""Frames become the commands between two places of the stream, each of them whole and outside a transaction."""

from collections.abc import Iterator

from worker.errors import ArtifactError
from worker.formats.commands.absolute import absolute
from worker.formats.commands.reading import Place, parsed
from worker.segments.chain import Part, Stretch
from worker.segments.commands import commands_in
from worker.segments.frame import Frame, commands_of
from worker.server.wire import pack


def commands_between(stretch: Stretch, start: int, end: int) -> Iterator[bytes]:
    """Yield the commands from one offset to another, frame by frame, as they are to be played. ArtifactError where the frames are not
    whole, or the places are not between commands.
    """
    at = start
    for part in stretch.parts:
        if part.segment.end <= start or part.segment.start >= end:
            continue
        with part.opened() as file:
            for frame, place in part.frames():
                if frame.end <= start or frame.start >= end:
                    continue
                if frame.start > at:
                    raise ArtifactError(f"The replication stream lacks what came behind offset {at:,}.")
                yield _played(part, frame, commands_of(file, frame, place)[at - frame.start : end - frame.start])
                at = min(end, frame.end)
    if at != end:
        raise ArtifactError(f"The replication stream lacks what came behind offset {at:,}.")


def _played(part: Part, frame: Frame, commands: bytes) -> bytes:
    """The commands as they are; of 6.2 with the expiries that they meant, in the middle of when they may have been run."""
    if not part.segment.relative:
        return commands
    now = (frame.since + frame.until) // 2
    return b"".join(pack(*absolute(arguments, now)) for arguments, _ in parsed([commands]))


def boundary(stretch: Stretch, offset: int) -> int:
    """The last place at or before that offset that is between two commands, and outside a transaction."""
    for part, frame, place in stretch.frames:
        if frame.start <= offset < frame.end:
            with part.opened() as file:
                commands = commands_in(frame, commands_of(file, frame, place))
            return next(command.before for command in commands if command.end > offset)
    return offset


def database_at(stretch: Stretch, offset: int) -> int | None:
    """The database that is selected behind that offset; None where no command has said it."""
    for part, frame, place in stretch.frames:
        if frame.start <= offset < frame.end:
            with part.opened() as file:
                commands = commands_of(file, frame, place)
            where = Place(frame.db)
            for arguments, _ in parsed([commands[: offset - frame.start]]):
                where.pass_over(arguments)
            return where.db
    return None
