"""A replication stream, cut into commands where they end.

Source of the format: replication.c of Redis (replicationFeedSlaves, feedReplicationBuffer): arrays of bulk strings, and nothing else.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import hiredis

from worker.errors import FormatError

Arguments = list[bytes]

_NOT_YET = object()


@dataclass
class Place:
    """Where a stream stands: the database that is selected, and whether a transaction is open. It is told each command."""

    db: int | None
    """None while no SELECT has come, for whoever has not seen it from its start."""
    within_transaction: bool = False

    def pass_over(self, arguments: Arguments) -> None:
        """Go behind that command."""
        word = arguments[0]
        if len(word) > _LONGEST_OF_THESE:
            return
        word = word.upper()
        if word == b"SELECT" and len(arguments) == 2 and arguments[1].isdigit():
            self.db = int(arguments[1])
        elif word == b"MULTI":
            self.within_transaction = True
        elif word == b"EXEC":
            self.within_transaction = False


_LONGEST_OF_THESE = len(b"SELECT")


@dataclass
class Commands:
    """What comes is fed in pieces of any size; whole commands come out, each with its size in bytes."""

    _reader: "hiredis.Reader" = field(default_factory=lambda: hiredis.Reader(notEnoughData=_NOT_YET))

    def feed(self, chunk: bytes) -> Iterator[tuple[Arguments, int]]:
        """Yield the commands that are whole by now. FormatError where these bytes are no commands."""
        gets = self._reader.gets
        try:
            self._reader.feed(chunk)
            while (command := gets()) is not _NOT_YET:
                yield command, size_of(command)
        except (hiredis.HiredisError, TypeError, IndexError):
            raise FormatError("The replication stream is damaged: these bytes are no commands.") from None


def size_of(arguments: Arguments) -> int:
    """The bytes of a command as a server writes it. Raises TypeError or IndexError where it is none."""
    if not isinstance(arguments, list) or not arguments:
        raise TypeError
    size = 3 + len(str(len(arguments)))
    for argument in arguments:
        length = len(argument)
        # `$`, the length in digits, and two line ends.
        size += length + 6 if length < 10 else length + 5 + len(str(length))
    return size


def parsed(chunks: Iterable[bytes]) -> Iterator[tuple[Arguments, int]]:
    """The commands of bytes that end with a whole one, each with its size. FormatError where they do not."""
    commands, fed, passed = Commands(), 0, 0
    for chunk in chunks:
        fed += len(chunk)
        for arguments, size in commands.feed(chunk):
            passed += size
            yield arguments, size
    if fed != passed:
        raise FormatError("The replication stream is damaged: it does not end with a whole command.")
