"""Commands and replies in bulk on one connection: packed by hand, parsed by hiredis.

A Pipeline object costs several times as much for each command: it matters when there are millions.
"""

import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import hiredis
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    MasterDownError,
    NoPermissionError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from worker.connection import ANSWER_SECONDS, Endpoint

READ_BYTES = 256 * 1024


def pack(*arguments: bytes) -> bytes:
    """One command as the server reads it (RESP array of bulk strings)."""
    return b"*%d\r\n" % len(arguments) + b"".join(
        b"$%d\r\n%b\r\n" % (len(argument), argument) for argument in arguments
    )


class Wire:
    """A connection for packed commands. Raises redis errors: use within `Endpoint.translated`."""

    def __init__(self, endpoint: Endpoint, db: int = 0) -> None:
        self._connection = endpoint.connect(db)
        # redis-py offers no public way to the socket of a connection that it has logged in.
        self._socket: socket.socket = self._connection._sock
        self._reader = hiredis.Reader(replyError=reply_error)

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

    def send(self, packed: bytes) -> None:
        """Send packed commands. Does not wait for replies."""
        self._socket.sendall(packed)

    def receive(self, seconds: float = ANSWER_SECONDS) -> bytes:
        """The bytes that come next, at most READ_BYTES; none at the end of the connection."""
        try:
            self._socket.settimeout(seconds)
            return bytes(self._socket.recv(READ_BYTES))
        except TimeoutError:
            raise RedisTimeoutError("no answer") from None

    def reply(self) -> Any:
        """The next reply; an error reply is returned and not raised."""
        return next(self.replies(1))

    def replies(self, count: int) -> Iterator[Any]:
        """The next `count` replies, each as it comes; error replies are yielded and not raised."""
        gets = self._reader.gets
        for _ in range(count):
            answer = gets()
            while answer is False:
                received = self.receive()
                if not received:
                    raise RedisConnectionError("the server closed the connection")
                self._reader.feed(received)
                try:
                    answer = gets()
                except hiredis.HiredisError:
                    raise RedisConnectionError("its answer is not the protocol of Redis") from None
            yield answer

    def ask(self, *arguments: bytes) -> Any:
        """Send one command and return its reply; an error reply is raised."""
        return raised(self.try_(*arguments))

    def try_(self, *arguments: bytes) -> Any:
        """Send one command and return its reply, also when it is an error."""
        self.send(pack(*arguments))
        return self.reply()


def raised(reply: Any) -> Any:
    """The reply itself, unless it is an error."""
    if isinstance(reply, Exception):
        raise reply
    return reply


# The replies that redis-py tells apart by class, so that `Endpoint.translated` does too.
_ERRORS: dict[str, type[RedisError]] = {
    "NOPERM": NoPermissionError,
    "LOADING": BusyLoadingError,
    "MASTERDOWN": MasterDownError,
    "NOAUTH": AuthenticationError,
}


def reply_error(words: str) -> RedisError:
    """The error that a reply of these words (`NOPERM ...`) means."""
    return _ERRORS.get(words.partition(" ")[0], ResponseError)(words)
