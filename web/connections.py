"""Connections as the server has them: what a slow or greedy client may take of them, and what it is told.

A connection that waits for its client (no request of it is whole, and no answer is on its way to it) can be ended at any
time; where there is no room left, the one that has waited longest is.
"""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer
from waitress.task import ErrorTask

from web import errors
from web.networks import network_of

Clock = Callable[[], float]

HEAD_SECONDS, BODY_SECONDS, IDLE_SECONDS = 10, 60, 30
"""From the first byte of a request to the end of its head, and to the end of its body; and how long may nothing happen."""
CONNECTIONS, CONNECTIONS_OF_ONE = 1000, 200
"""In all, and of one network, of which more are no browser's and no script's."""

_NO_ROOM = "There are too many connections already: close some of yours, or try again in a minute."
_REASONS = {408: "Request Timeout", 503: "Service Unavailable"}


class Refusal(ErrorTask):  # type: ignore[misc]
    """The answer to what is no request that the application could be asked."""

    def execute(self) -> None:
        """Say it as the application would."""
        error = self.request.error
        body = _body(errors.sentence_of(error.code))
        self.status = f"{error.code} {error.reason}"
        self.response_headers.extend(_headers().items())
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Connection(HTTPChannel):  # type: ignore[misc]
    """One that ends when its client lets it wait."""

    error_task_class = Refusal
    network: str
    is_served: bool
    """Whether a thread is at a request of it: waitress drops the request before that thread is done."""
    free_since: float
    """When it last had no request to serve."""
    begun: float
    """When the first byte of the request came that is not whole yet."""

    def __init__(self, server: Any, sock: Any, addr: Any, adj: Any, map: Any, clock: Clock) -> None:  # noqa: A002, PLR0913, PLR0917 - waitress' own
        self.clock = clock
        self.is_served, self.free_since = False, self.clock()
        self.begun = self.free_since
        self.network = network_of(str(addr[0]))
        super().__init__(server, sock, addr, adj, map=map)

    @property
    def waits(self) -> bool:
        """Whether it is the client's turn."""
        return not self.requests and not self.is_served and not self.total_outbufs_len

    @property
    def waits_since(self) -> float:
        """Since when."""
        return self.free_since if self.request is None else self.begun

    def received(self, data: bytes) -> bool:
        """Take what has come."""
        before = self.request
        taken: bool = super().received(data)
        if self.request is not before:
            self.begun = self.clock()
        return taken

    def service(self) -> None:
        """Do a request."""
        self.is_served = True
        try:
            super().service()
        finally:
            self.free_since = self.clock()
            self.is_served = False

    def readable(self) -> bool:
        """Whether more may come. It is asked at least once a second, so this is where time is up as well."""
        late = self._late()
        if late == "request":
            self.refuse(408, errors.sentence_of(408))
        elif late:
            self.handle_close()
        return bool(self.connected and super().readable())

    def refuse(self, status: int, sentence: str) -> None:
        """Say why, if that goes without waiting, and end it."""
        body = _body(sentence)
        lines = {**_headers(), "Content-Length": str(len(body)), "Connection": "close"}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        # Closing a connection with unread bytes would destroy the answer on its way.
        with suppress(OSError):
            self.socket.recv(self.adj.max_request_header_size)
        self.send(f"HTTP/1.1 {status} {_REASONS[status]}\r\n{head}\r\n".encode() + body)
        self.handle_close()

    def _late(self) -> str | None:
        if self.requests or self.is_served:
            return None
        if self.total_outbufs_len:
            # Waitress would wait for room to send in before it closes, and such a client makes none.
            return "reader" if time.time() - self.last_activity > IDLE_SECONDS else None
        if self.request is None:
            return "idle" if self.clock() - self.free_since > IDLE_SECONDS else None
        allowed = BODY_SECONDS if self.request.headers_finished else HEAD_SECONDS
        return "request" if self.clock() - self.begun > allowed else None


class Crowd:
    """Makes the connections of a server; `per_network` is None where a proxy is everybody's address."""

    def __init__(self, per_network: int | None, clock: Clock) -> None:
        self._per_network, self._clock = per_network, clock

    def __call__(self, server: Any, sock: Any, addr: Any, adj: Any, map: dict[int, Any]) -> None:  # noqa: A002
        """Take one in, for another where there is no room."""
        new = Connection(server, sock, addr, adj, map, self._clock)
        others = [other for other in map.values() if isinstance(other, Connection) and other is not new]
        of_its_network = [other for other in others if other.network == new.network]
        if self._per_network is not None and len(of_its_network) >= self._per_network:
            _take_a_place(new, of_its_network)
        elif len(others) >= CONNECTIONS:
            _take_a_place(new, others)


def guard(server: Any, per_network: int | None, clock: Clock = time.monotonic) -> None:
    """Have all connections of a server be such, at every address that it listens on; the clock counts seconds."""
    listening = server.map.values() if hasattr(server, "map") else [server]
    for listener in listening:
        if isinstance(listener, BaseWSGIServer):
            listener.channel_class = Crowd(per_network, clock)


def _take_a_place(new: Connection, others: list[Connection]) -> None:
    # A connection that has sent something outranks a silent one, and a slow reader may still get to the end.
    waiting = [other for other in others if other.waits]
    reading = [other for other in others if not other.requests and not other.waits]
    if waiting:
        min(waiting, key=lambda other: other.waits_since).handle_close()
    elif reading:
        min(reading, key=lambda other: other.creation_time).handle_close()
    else:
        new.refuse(503, _NO_ROOM)


def _headers() -> dict[str, str]:
    return {"Content-Type": "application/json", **errors.HEADERS, "Cache-Control": "no-store"}


def _body(sentence: str) -> bytes:
    return json.dumps({"error": sentence}).encode() + b"\n"
