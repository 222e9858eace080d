"""What a source sends to whoever follows its replication stream from a place on. It never leads to a snapshot: any other answer
than that the stream goes on ends the connection at once.

Source of the protocol: replication.c of Redis (PSYNC, `+CONTINUE`).
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from worker.engines.replication import NO_PORT
from worker.errors import StreamBrokenError
from worker.server.replies import reply_error
from worker.server.wire import Wire, pack

_CONTINUE = re.compile(rb"\+CONTINUE(?: ([0-9a-zA-Z]{40}))?")
_LONGEST_LINE = 1024


class Followed:
    """A connection whose next bytes are the stream; what was received and is not given yet waits."""

    def __init__(self, wire: Wire, history: str, first: bytes) -> None:
        self.history = history
        """The replication id by now: another one after a failover."""
        self._wire, self._first = wire, first

    def chunks(self, size: int) -> Iterator[bytes]:
        """Yield the next `size` bytes. Raises redis errors, also where the source hangs up before."""
        while size > 0:
            received = self._first or self._more()
            chunk, self._first = received[:size], received[size:]
            size -= len(chunk)
            yield chunk

    def _more(self) -> bytes:
        self._wire.await_more()
        if chunk := self._wire.receive():
            return chunk
        raise RedisConnectionError("the server closed the connection")

    def within(self, seconds: float) -> bytes | None:
        """What comes within so many seconds; None where nothing does. Raises as `chunks` does."""
        if self._first:
            first, self._first = self._first, b""
            return first
        self._wire.await_more()
        try:
            chunk = self._wire.receive(seconds)
        except RedisTimeoutError:
            return None
        if not chunk:
            raise RedisConnectionError("the server closed the connection")
        return chunk


@contextmanager
def followed(wire: Wire, history: str, offset: int) -> Iterator[Followed]:
    """Follow the stream behind that offset. StreamBrokenError where the source does not go on there; raises redis errors."""
    wire.try_(b"REPLCONF", b"listening-port", NO_PORT)
    wire.try_(b"REPLCONF", b"capa", b"psync2")
    wire.send(pack(b"PSYNC", history.encode(), b"%d" % (offset + 1)))
    answer, rest = _line(wire)
    if answer.startswith(b"-"):
        # No gap: it may be that it loads, or that a right is missing.
        raise reply_error(answer[1:200].decode("utf-8", "backslashreplace"))
    if (goes_on := _CONTINUE.fullmatch(answer)) is None:
        raise StreamBrokenError("the source does not hold any more what has come since the last visit")
    yield Followed(wire, goes_on[1].decode() if goes_on[1] else history, rest)


def _line(wire: Wire) -> tuple[bytes, bytes]:
    """The first line that is not empty, and what was received behind it."""
    received = b""
    while True:
        line, newline, rest = received.lstrip(b"\r\n").partition(b"\r\n")
        if newline:
            return line, rest
        if len(received) > _LONGEST_LINE:
            raise RedisConnectionError("its answer to PSYNC is damaged")
        wire.await_more()
        chunk = wire.receive()
        if not chunk:
            raise RedisConnectionError("the server closed the connection")
        received += chunk
