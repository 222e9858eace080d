"""A library that reads one file and writes another, as a generator: chunks go in as they come, and come out as they are made.

The library has a thread of its own, and only ever works at what it was given: the chunks themselves are made by whoever
iterates, where locks, time limits and connections are at home. The two take turns by two queues, so that no more is held than a
piece and what is made of it.
"""

from collections.abc import Callable, Generator, Iterator
from queue import SimpleQueue
from threading import Thread
from typing import Any

PIECE_BYTES = 256 * 1024
"""What is given at once, however large a chunk is."""

Work = Callable[[Any, Any], None]
"""Reads its first argument to the end, and writes into the second."""


class _StoppedError(Exception):
    """Nobody wants the rest."""


class _Ends:
    """The two files that the library sees, and the two queues that are behind them."""

    def __init__(self) -> None:
        self._input: SimpleQueue[bytes | None] = SimpleQueue()
        self._made: SimpleQueue[bytes | BaseException | None] = SimpleQueue()
        self._piece, self._at, self._written = b"", 0, list[bytes]()
        self._ended = self._over = False

    def read(self, size: int = -1) -> bytes:
        """For the library: the next bytes, none at the end."""
        if self._at >= len(self._piece) and not self._ended:
            self._hand_over()
            piece = self._input.get()
            if piece is None:
                raise _StoppedError
            self._piece, self._at, self._ended = piece, 0, not piece
        start = self._at
        self._at = len(self._piece) if size < 0 else start + size
        return self._piece[start : self._at]

    def write(self, data: bytes) -> int:
        """For the library."""
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """For the library: what is written goes on when it reads."""

    def _hand_over(self) -> None:
        self._made.put(b"".join(self._written))
        self._written.clear()

    def run(self, work: Work) -> None:
        """The thread."""
        try:
            work(self, self)
            self._hand_over()
            self._made.put(None)
        except BaseException as error:
            self._made.put(error)

    def take(self) -> bytes:
        """Wait until all that was given is worked at: what has come of it. Raises what the library raised."""
        made = b"" if self._over else self._made.get()
        if isinstance(made, BaseException):
            self._over = True
            raise made
        self._over = self._over or made is None
        return made or b""

    def give(self, piece: bytes | None) -> None:
        """The next piece; an empty one is the end, None that nobody wants the rest."""
        self._input.put(piece)


def pumped(work: Work, chunks: Iterator[bytes]) -> Generator[bytes]:
    """Yield what `work` makes of the chunks. Whatever ends this, the thread is gone then."""
    ends = _Ends()
    thread = Thread(target=ends.run, args=(work,), name="encryption", daemon=True)
    thread.start()
    try:
        for piece in _pieces(chunks):
            # The next chunk was made while the thread was at the last one.
            yield ends.take()
            ends.give(piece)
        yield ends.take()
        ends.give(b"")
        yield ends.take()
        yield ends.take()
    finally:
        ends.give(None)
        thread.join()


def _pieces(chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if len(chunk) <= PIECE_BYTES:
            yield from (chunk,) if chunk else ()
        else:
            yield from (chunk[at : at + PIECE_BYTES] for at in range(0, len(chunk), PIECE_BYTES))
