"""Commands and replies in bulk on one connection: packed by hand, parsed by hiredis.

A Pipeline object costs several times as much for each command: it matters when there are millions.
"""

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import islice
from types import TracebackType
from typing import Any, Self

import hiredis
from redis.exceptions import ConnectionError as RedisConnectionError

from worker.broker.timeouts import BoundedSocket
from worker.server.endpoint import Endpoint
from worker.server.replies import END, goes_on, raised, reply_error

READ_BYTES = 256 * 1024
LARGE = 1 << 20
"""An argument or reply of so many bytes is not copied where that can be avoided."""
ASKED: Counter[str] = Counter()
"""The number of commands whose replies this process has awaited, by the server's address."""
_GARBAGE = "its answer is not the protocol of Redis"
# Marks that no reply is whole yet. hiredis' own mark is False, which equals the reply 0.
_NOT_YET = object()


def pack(*arguments: bytes) -> bytes:
    """One command as the server reads it (RESP array of bulk strings)."""
    return b"*%d\r\n" % len(arguments) + b"".join(
        b"$%d\r\n%b\r\n" % (len(argument), argument) for argument in arguments
    )


def pieces(*arguments: bytes) -> list[bytes]:
    """The same as `pack` in pieces: each large argument is a piece, and is not copied."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        parts[-1] += b"$%d\r\n" % len(argument)
        if len(argument) > LARGE:
            parts += (argument, b"\r\n")
        else:
            parts[-1] += argument + b"\r\n"
    return parts


class Wire:
    """A connection for packed commands. Raises redis errors: use within `Endpoint.translated`."""

    def __init__(self, endpoint: Endpoint, db: int = 0) -> None:
        self._endpoint, self._address = endpoint, endpoint.address
        self._connection = endpoint.connect(db)
        # redis-py offers no public way to the socket of a connection that it has logged in.
        self._socket: BoundedSocket = self._connection._sock
        self._reader = _parser()
        self._fed = b""
        """What the parser was fed last, with at least all that it has not yet given back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.disconnect()

    @property
    def local_address(self) -> str:
        """Where we are on the network that leads to the server; of a Unix socket, this machine."""
        return str(self._socket.getsockname()[0]) if self._socket.family != socket.AF_UNIX else "127.0.0.1"

    @property
    def peer_address(self) -> str:
        """Where the server is, seen from here; of a Unix socket, this machine."""
        return str(self._socket.getpeername()[0]) if self._socket.family != socket.AF_UNIX else "127.0.0.1"

    def send(self, *packed: bytes) -> None:
        """Send packed commands, in one piece or several. Does not wait for replies."""
        for piece in packed:
            self._socket.sendall(piece)

    def end_sending(self) -> None:
        """Send nothing more: the server answers what it has got whole, and hangs up."""
        self._socket.end_sending()

    def await_more(self) -> None:
        """Give the next reply a time of its own: what came until now does not count against it."""
        self._socket.begin()

    def receive(self, seconds: float | None = None) -> bytes:
        """The bytes that come next, at most READ_BYTES; none at the end of the connection.

        Within so many seconds, if they are given.
        """
        return self._socket.recv(READ_BYTES, seconds)

    def reply(self) -> Any:
        """The next reply; an error reply is returned and not raised."""
        return next(self.replies(1))

    def replies(self, count: int, cut: int = 0) -> Iterator[Any]:
        """The next `count` replies, each as it comes; error replies are yielded and not raised.

        With `cut`, a bulk string of more than LARGE bytes comes as two: all but its last `cut` bytes, and those. None
        may be within an array then.
        """
        self._await(count)
        gets = self._reader.gets
        with _legible():
            for _ in range(count):
                answer = gets()
                if answer is _NOT_YET:
                    answer = self._awaited(cut)
                    # It may be another parser by then.
                    gets = self._reader.gets
                yield answer

    def runs(self, count: int, cut: int = 0) -> Iterator[list[Any]]:
        """The same in lists, each of what is there at a time: at a third of the cost, as no Python runs for a reply.

        What a list holds is what was received at once, but for a large one: READ_BYTES and LARGE at most.
        """
        self._await(count)
        while count > 0:
            run = self._there(count) or [self._awaited(cut), *self._there(count - 1)]
            count -= len(run)
            yield run
            # A large reply must not be held while the next is on its way.
            del run

    def _await(self, count: int) -> None:
        ASKED[self._address] += count
        self._socket.begin()

    def _there(self, most: int) -> list[Any]:
        """The replies that are whole."""
        with _legible():
            return list(islice(iter(self._reader.gets, _NOT_YET), most))

    def _awaited(self, cut: int) -> Any:
        answer: Any = _NOT_YET
        while answer is _NOT_YET:
            answer = self._next()
            if answer is _NOT_YET and cut:
                answer = self._large(cut)
        return answer

    def gather(self, count: int, replies: list[Any]) -> None:
        """The same into a list, at half of the cost; where it breaks off, the list has what came until then."""
        self._await(count)
        gets, add = self._reader.gets, replies.append
        with _legible():
            for _ in range(count):
                answer = gets()
                while answer is _NOT_YET:
                    answer = self._next()
                add(answer)

    def _next(self) -> Any:
        """The next reply once more bytes have come, _NOT_YET while it is not whole."""
        self._feed(self._more())
        with _legible():
            return self._reader.gets()

    def _more(self) -> bytes:
        received = self.receive()
        if not received:
            raise RedisConnectionError("the server closed the connection")
        self._endpoint.has_answered = True
        return received

    def _feed(self, received: bytes) -> None:
        held = self._reader.len()
        self._fed = (self._fed[-held:] if held else b"") + received
        self._reader.feed(received)

    def _large(self, cut: int) -> Any:
        """What `replies` gives for a large bulk string; _NOT_YET where it is not one that comes now."""
        # The parser holds the end of what it was fed: the last replies that were whole, and one that goes on.
        held = self._fed[-self._reader.len() :]
        start, size = goes_on(held)
        return self._past_the_parser(held[start:], size, cut) if size > LARGE else _NOT_YET

    def _past_the_parser(self, begun: bytes, size: int, cut: int) -> tuple[bytes, bytes]:
        """A bulk string of `size` bytes that goes on behind `begun`: the parser would hold it twice over.

        A BytesIO grows without being copied, and what it has become is not copied either.
        """
        body, rest, end = BytesIO(), begun, cut + len(END)
        while True:
            taken = body.write(memoryview(rest)[: size - cut - body.tell()])
            rest = rest[taken:]
            if len(rest) >= end:
                break
            rest += self._more()
        if rest[cut:end] != END:
            raise RedisConnectionError(_GARBAGE)
        self._reader = _parser()
        self._feed(rest[end:])
        return body.getvalue(), rest[:cut]

    def ask(self, *arguments: bytes) -> Any:
        """Send one command and return its reply; an error reply is raised."""
        return raised(self.try_(*arguments))

    def try_(self, *arguments: bytes) -> Any:
        """Send one command and return its reply, also when it is an error."""
        self.send(pack(*arguments))
        return self.reply()


@contextmanager
def _legible() -> Iterator[None]:
    try:
        yield
    except hiredis.HiredisError:
        raise RedisConnectionError(_GARBAGE) from None


def _parser() -> Any:
    return hiredis.Reader(replyError=reply_error, notEnoughData=_NOT_YET)
