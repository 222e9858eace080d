"""Clients that send or read slowly, or come in crowds: others are served meanwhile, and they are let go."""

import contextlib
import json
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import waitress
from waitress.channel import HTTPChannel

from tests.support.processes import eventually
from tests.support.served import Serve, ask
from web import connections, errors
from web.connections import BODY_SECONDS, CONNECTIONS_OF_ONE, HEAD_SECONDS, IDLE_SECONDS

BEGUN = b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"


def crowd(clients: contextlib.ExitStack, url: str, number: int, addresses: int) -> list[socket.socket]:
    """So many connections that have begun a request, in turn from so many addresses of this machine."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(2 * number + 500, hard)), hard))
    clients.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
    there, came = ("127.0.0.1", int(url.rpartition(":")[2])), []
    for one in range(number):
        came.append(clients.enter_context(socket.create_connection(there, 20, (f"127.0.1.{one % addresses}", 0))))
        came[-1].sendall(BEGUN)
    return came


def drip(clients: list[socket.socket]) -> int:
    """A byte from each: how many still can."""
    left = 0
    for client in clients:
        with contextlib.suppress(OSError):
            client.sendall(b"X")
            left += 1
    return left


@pytest.mark.parametrize(
    ("number", "addresses", "stay"),
    [
        (300, 1, CONNECTIONS_OF_ONE),
        pytest.param(1200, 1, CONNECTIONS_OF_ONE, marks=pytest.mark.slow),
        pytest.param(1200, 6, 1000, marks=pytest.mark.slow),
    ],
)
def test_a_crowd_that_drips_keeps_nobody_waiting_and_is_no_larger_than_allowed(
    served: Serve, number: int, addresses: int, stay: int
) -> None:
    process, url = served("sh", "-c", f"ulimit -Sn 100; exec {sys.executable} -m web")
    process.wait_until_it_says(url)
    with contextlib.ExitStack() as clients:
        came = crowd(clients, url, number, addresses)
        for _ in range(3):
            assert ask(url, "/healthz")[0] == 200
            drip(came)
        assert 0 < drip(came) <= stay
        assert ask(url, "/healthz")[0] == 200


Start = Callable[..., "Small"]


@dataclass
class Clock:
    """Seconds, as a test has them pass."""

    now: float = 0.0

    def __call__(self) -> float:
        """What it shows."""
        return self.now


@dataclass
class Small:
    """A small server in this process, whose time is ours."""

    server: Any
    clock: Clock
    gate: threading.Event
    asked: list[str] = field(default_factory=list)

    def connect(self) -> socket.socket:
        """A new client."""
        return socket.create_connection(("127.0.0.1", self.server.effective_port), 20)

    @property
    def seen(self) -> list[Any]:
        """The connections that it has."""
        return list(self.server.active_channels.values())


@pytest.fixture
def small() -> Iterator[Start]:
    """Starts one that takes so many connections of one address; `/wait` is answered when the gate is open."""
    over = threading.Event()
    with contextlib.ExitStack() as ends:

        def start(per_network: int | None = None) -> Small:
            def application(environ: Any, start_response: Any) -> list[bytes]:
                one.asked.append(environ["PATH_INFO"])
                if environ["PATH_INFO"] == "/wait":
                    one.gate.wait(20)
                start_response("200 OK", [("Content-Length", "2")])
                return [b"ok"]

            server = waitress.create_server(
                application, host="127.0.0.1", port=0, threads=4, clear_untrusted_proxy_headers=True
            )
            one = Small(server, Clock(), threading.Event())
            connections.guard(server, per_network, one.clock)
            thread = threading.Thread(target=_run, args=(server, over))
            thread.start()
            ends.callback(thread.join, 20)
            ends.callback(one.gate.set)
            ends.callback(over.set)
            return one

        yield start


def until(found: Callable[[], Any]) -> None:
    eventually(found, "the server")


def _run(server: Any, over: threading.Event) -> None:
    while not over.is_set():
        server.asyncore.loop(timeout=0.05, map=server._map, use_poll=True, count=1)
    server.task_dispatcher.shutdown()
    server.asyncore.close_all(server._map)


def everything(client: socket.socket) -> bytes:
    """What comes until the server has closed."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(65536):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize(
    ("sent", "allowed"),
    [
        (b"G", HEAD_SECONDS),
        (BEGUN, HEAD_SECONDS),
        (BEGUN + b"\r\n" + b"x" * 999, BODY_SECONDS),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", BODY_SECONDS),
    ],
)
def test_a_request_that_never_gets_whole_is_told_so_and_let_go(small: Start, sent: bytes, allowed: int) -> None:
    one = small()
    with one.connect() as client, one.connect() as other:
        client.sendall(sent)
        until(lambda: any(seen.request is not None for seen in one.seen))
        one.clock.now += allowed - 1
        other.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        assert other.recv(100).startswith(b"HTTP/1.1 200")
        assert len(one.seen) == 2
        one.clock.now += 2
        head, _, body = everything(client).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert json.loads(body) == {"error": errors.sentence_of(408)}
        assert all(f"{name}: {value}".encode() in head for name, value in errors.HEADERS.items())
    assert one.asked == ["/healthz"]


def test_empty_lines_are_no_request_and_keep_no_connection_open(small: Start) -> None:
    one = small()
    with one.connect() as client:
        client.sendall(b"\r\n\r\n")
        until(lambda: one.seen)
        one.clock.now += IDLE_SECONDS - 1
        client.sendall(b"\r\n\r\n")
        one.clock.now += 2
        assert everything(client) == b""


def test_a_client_that_reads_nothing_is_let_go_though_it_makes_no_room_to_send_in(small: Start) -> None:
    one = small()
    with one.connect():
        until(lambda: one.seen)
        (seen,) = one.seen
        seen.write_soon(b"x" * 15_000_000)
        until(lambda: seen.total_outbufs_len)
        seen.last_activity -= IDLE_SECONDS + 1
        one.server.pull_trigger()
        until(lambda: not one.seen)


def test_one_that_waits_for_us_is_never_let_go_for_it(small: Start) -> None:
    one = small()
    with one.connect() as client:
        client.sendall(b"GET /wait HTTP/1.1\r\n\r\n")
        until(lambda: one.asked)
        one.clock.now += 1000
        with one.connect() as other:
            other.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert other.recv(100).startswith(b"HTTP/1.1 200")
        one.gate.set()
        assert client.recv(100).startswith(b"HTTP/1.1 200")


def test_who_comes_takes_the_place_of_who_waited_longest_and_of_nobody_that_is_served(small: Start) -> None:
    one = small(3)
    with contextlib.ExitStack() as clients:

        def served_by_now(number: int) -> bool:
            return len(one.asked) == number

        served, first, second = (clients.enter_context(one.connect()) for _ in range(3))
        served.sendall(b"GET /wait HTTP/1.1\r\n\r\n")
        until(lambda: one.asked)
        for client in (first, second):
            one.clock.now += 1
            client.sendall(b"G")
            until(lambda: sum(seen.begun == one.clock.now for seen in one.seen) == 1)
        for number, evicted in enumerate((first, second), 2):
            client = clients.enter_context(one.connect())
            client.sendall(b"GET /wait HTTP/1.1\r\n\r\n")
            assert everything(evicted) == b""
            until(partial(served_by_now, number))
        refused = everything(clients.enter_context(one.connect()))
        assert refused.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"too many connections already" in refused
        one.gate.set()
        assert served.recv(100).startswith(b"HTTP/1.1 200")


def test_one_that_was_served_for_long_is_not_taken_for_idle_before_its_thread_is_done(
    small: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is on its way, waitress has dropped the request, and the thread has not said yet that it is free since now."""
    one = small()
    dropped, go_on = threading.Event(), threading.Event()
    service = HTTPChannel.service

    def slow(channel: Any) -> None:
        service(channel)
        dropped.set()
        go_on.wait(20)

    monkeypatch.setattr(HTTPChannel, "service", slow)
    with one.connect() as client:
        until(lambda: one.seen)
        one.clock.now += IDLE_SECONDS - 1
        client.sendall(b"GET /wait HTTP/1.1\r\n\r\n")
        until(lambda: one.asked)
        one.clock.now += IDLE_SECONDS
        one.gate.set()
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        assert dropped.wait(20)
        # The server looks at it twenty times a second.
        time.sleep(0.3)
        assert len(one.seen) == 1
        go_on.set()
        client.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
