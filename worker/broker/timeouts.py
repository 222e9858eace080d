"""How long the other end of a connection may take: to its first byte, then by its rate, and in all where that is said.

The timeout of a socket is that of one call, so that who sends a byte now and then would be waited for for ever.
"""

import math
import socket
import ssl
import time
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from redis.connection import Connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from worker.broker import tls
from worker.progress import Proof, undisputed

# A peer that is slower than this counts as gone; the slowest useful link does more.
LEAST_BYTES_A_SECOND = 1024
TLS_BYTES = 32 * 1024
HANDSHAKE_SECONDS = 3
"""After so long it is doubtful that a port speaks TLS at all."""

_T = TypeVar("_T")


class TooSlowError(RedisTimeoutError):
    """Too few bytes came or were taken for it ever to end; its text is a clause behind the peer's name."""


class PlainError(RedisConnectionError):
    """TLS was begun with a port that speaks none."""


class Rate:
    """The bytes that go one way, and how long it took: none for `silence` seconds is an end, and so is, from the first
    byte of something on, less than the least rate for `window` seconds.

    Only what is waited for counts, and no time in which we did something else.
    """

    def __init__(self, verb: str, silence: float, window: float) -> None:
        self._verb, self.silence, self._window = verb, silence, window
        self._moved, self._waited = 0, 0.0

    def begin(self) -> None:
        """Begin anew: what came before does not count."""
        self._moved, self._waited = 0, 0.0

    @property
    def patience(self) -> float:
        """Seconds that the next bytes may take."""
        if 0 < self._moved < LEAST_BYTES_A_SECOND * self._window:
            return min(self.silence, self._window - self._waited)
        return self.silence

    def count(self, moved: int, waited: float) -> None:
        """So many bytes took so many seconds. Raises TooSlowError."""
        if self._moved:
            self._waited += waited
        self._moved += moved
        if self._waited >= self._window:
            if self._moved < LEAST_BYTES_A_SECOND * self._waited:
                raise self._too_slow
            self.begin()

    def over(self) -> RedisTimeoutError:
        """The error where the next bytes have not come within `patience`."""
        return self._too_slow if self.patience < self.silence else RedisTimeoutError("no answer")

    @property
    def _too_slow(self) -> TooSlowError:
        return TooSlowError(f"{self._verb} less than 1 KB a second for {self._window:g} seconds")


class BoundedSocket:
    """A socket whose every wait is bounded: `silence` and `window` as of a Rate, and never longer than `until`.

    Raises redis' TimeoutError, TooSlowError, or OSError. To redis-py it is a socket.
    """

    def __init__(self, held: socket.socket, silence: float, window: float, until: float = math.inf) -> None:
        self.until = until
        """On the monotonic clock."""
        self._held = held
        self._answers, self._questions = Rate("sends", silence, window), Rate("takes", silence, window)
        self._timeout: float | None = None
        # TLS takes the timeout for all bytes of one call together.
        self._at_once = TLS_BYTES if isinstance(held, ssl.SSLSocket) else None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._held, name)

    def begin(self) -> None:
        """Another answer is awaited."""
        self._answers.begin()

    def recv(self, size: int, seconds: float | None = None) -> bytes:
        """The bytes that come next, none at the end of the connection; within so many seconds, if they are given."""
        return self._waited(self._answers, self._held.recv, size, len, seconds)

    def recv_into(self, buffer: bytearray) -> int:
        """The same into a buffer: how many they are."""
        return self._waited(self._answers, self._held.recv_into, buffer, int)

    def sendall(self, data: bytes, prove: Proof = undisputed) -> None:
        """Send all of it, and await another answer; what the peer has no room for yet is proven again when it has."""
        self._answers.begin()
        self._questions.begin()
        rest = memoryview(data)
        while rest:
            prove()
            rest = rest[self._waited(self._questions, self._held.send, rest[: self._at_once], int) :]

    def end_sending(self) -> None:
        """Send nothing more; what the peer has got is still answered."""
        # Not the method of a TLS socket, which then could not be read from.
        socket.socket.shutdown(self._held, socket.SHUT_WR)

    def _waited(
        self,
        rate: Rate,
        call: Callable[[Any], _T],
        argument: Any,
        size: Callable[[_T], int],
        seconds: float | None = None,
    ) -> _T:
        began = time.monotonic()
        self._limit(min(rate.patience if seconds is None else seconds, self.until - began))
        try:
            done = call(argument)
        except TimeoutError:
            if seconds is None:
                # What comes later belongs to a question that was given up, and would be taken for the next one's answer.
                self.until = -math.inf
            raise rate.over() from None
        rate.count(size(done), time.monotonic() - began)
        return done

    def _limit(self, seconds: float) -> None:
        # It costs a system call, so that only a change of it is told.
        if seconds != self._timeout:
            if seconds <= 0:
                raise RedisTimeoutError("no answer")
            self._held.settimeout(seconds)
            self._timeout = seconds


class _Bounded:
    """A connection of redis-py, of whatever kind, whose handshake takes `handshake` seconds at most, and all later waits
    what a BoundedSocket allows, until `until` on the monotonic clock."""

    def __init__(self, *, window: float, handshake: float, until: float = math.inf, **options: Any) -> None:
        self._window, self._handshake, self._until = window, handshake, until
        self._deadline = math.inf
        super().__init__(**options)

    def _connect(self) -> BoundedSocket:
        self._deadline = min(self._until, time.monotonic() + self._handshake)
        if self._left < self.socket_connect_timeout:
            self.socket_connect_timeout: float = self._left
        held = super()._connect()  # type: ignore[misc]
        return BoundedSocket(held, self.socket_timeout, self._window, self._deadline)  # type: ignore[attr-defined]

    def _wrap_socket_with_ssl(self, held: socket.socket) -> Any:
        # The handshake of TLS takes a socket's timeout as the time for all of it.
        held.settimeout(min(self._left, HANDSHAKE_SECONDS))
        try:
            return super()._wrap_socket_with_ssl(held)  # type: ignore[misc]
        except TimeoutError:
            held.close()
        if tls.is_plain(self.host, self.port):  # type: ignore[attr-defined]
            raise PlainError("no TLS")
        # It is only busy: what was begun cannot be gone on with.
        held = Connection._connect(self)  # type: ignore[arg-type, no-untyped-call]
        held.settimeout(self._left)
        return super()._wrap_socket_with_ssl(held)  # type: ignore[misc]

    @property
    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise RedisTimeoutError("no answer")
        return left

    def on_connect_check_health(self, check_health: bool = True) -> None:
        """Log in and choose the database: the end of the handshake."""
        super().on_connect_check_health(check_health)  # type: ignore[misc]
        self._sock.until = self._until  # type: ignore[attr-defined]


@cache
def bounded(kind: type) -> Any:
    """The same kind of connection (TCP, TLS, or a Unix socket) with bounded waits."""
    return type(f"Bounded{kind.__name__}", (_Bounded, kind), {})
