"""Replies in bulk: each run of them is what has come by then, and nothing is lost between two runs."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from tests.support.backups import endpoint
from tests.support.servers import Server
from worker.server.endpoint import SOURCE, Endpoint
from worker.server.wire import LARGE, Wire, pack


@contextmanager
def answering(*pieces: bytes) -> Iterator[Endpoint]:
    """A server that says just that, a piece for each message that it gets, and goes away."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                for piece in pieces:
                    connection.recv(1000)
                    connection.sendall(piece)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Endpoint(f"redis://127.0.0.1:{listener.getsockname()[1]}/0", SOURCE)
        thread.join()


def test_runs_hold_every_reply_once_and_in_order_zeros_nils_and_errors_too(source: Server) -> None:
    client = source.client()
    client.set("large", b"x" * (LARGE + 20))
    one = pack(b"EXISTS", b"none") + pack(b"GET", b"none") + pack(b"ECHO", b"said") + pack(b"NONSENSE")
    with Wire(endpoint(source)) as wire:
        wire.send((one * 100 + pack(b"GET", b"large")) * 3 + pack(b"PING"))
        runs = list(wire.runs(3 * 401, cut=10))
        assert wire.reply() == b"PONG"
    replies = [reply for run in runs for reply in run]
    assert len(replies) == 3 * 401
    for start in range(0, len(replies), 401):
        assert replies[start : start + 400 : 4] == [0] * 100
        assert replies[start + 1 : start + 400 : 4] == [None] * 100
        assert replies[start + 2 : start + 400 : 4] == [b"said"] * 100
        assert all(isinstance(reply, ResponseError) for reply in replies[start + 3 : start + 400 : 4])
        assert replies[start + 400] == (b"x" * (LARGE + 10), b"x" * 10)


def test_a_reply_that_comes_in_two_is_in_the_run_that_ends_it() -> None:
    with answering(b":1\r\n:2\r\n$4\r\nab", b"cd\r\n:3\r\n") as server, Wire(server) as wire:
        wire.send(pack(b"PING"))
        runs = wire.runs(4)
        assert next(runs) == [1, 2]
        wire.send(pack(b"PING"))
        assert list(runs) == [[b"abcd", 3]]


@pytest.mark.parametrize("said", [b":1\r\nnonsense\r\n", b"nonsense\r\n", b":1\r\n$5\r\nab"])
@pytest.mark.parametrize(
    "read", [lambda wire: list(wire.runs(3)), lambda wire: list(wire.replies(3)), lambda wire: wire.gather(3, [])]
)
def test_what_is_no_protocol_or_ends_early_is_the_error_of_a_connection(
    read: Callable[[Wire], object], said: bytes
) -> None:
    with answering(said) as server, Wire(server) as wire:
        wire.send(pack(b"PING"))
        with pytest.raises(RedisConnectionError):
            read(wire)


def test_what_a_server_repeats_of_a_command_is_no_part_of_the_error(source: Server) -> None:
    with Wire(endpoint(source)) as wire:
        refused = wire.try_(b"NONSENSE", b"key", b"the-value")
    assert "unknown command" in str(refused)
    assert "the-value" not in str(refused)
