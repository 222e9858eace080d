"""A listener brings home what comes as it comes, and hands over without a gap, also where the backlog holds next to nothing."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.segments.test_visits import write_at_random
from tests.support.backups import eventually
from tests.support.servers import Binary, Server
from tests.support.streams import Streamed, assert_played, played
from worker.segments.visits.listen import listen
from worker.segments.visits.standing import of_folder


@pytest.fixture
def streamed(binary: Binary, start_server: StartServer, tmp_path: Path) -> Streamed:
    """A source with a backlog of the smallest size."""
    streamed = Streamed(
        start_server(binary, "--repl-backlog-size", "16kb", "--repl-ping-replica-period", "1"), tmp_path
    )
    streamed.take()
    streamed.visit()
    return streamed


@contextmanager
def writing(server: Server) -> Iterator[list[int]]:
    """Somebody writes all the time: how many commands."""
    done, ended = [0], threading.Event()

    def work() -> None:
        client = server.client()
        while not ended.is_set():
            pipe = client.pipeline(transaction=False)
            for _ in range(20):
                pipe.set(f"key:{done[0] % 500}", "x" * 300)
                done[0] += 1
            pipe.execute()
            time.sleep(0.01)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield done
    finally:
        ended.set()
        thread.join()


def test_what_comes_is_at_home_within_a_second(streamed: Streamed, binary: Binary, start_server: StartServer) -> None:
    thread = threading.Thread(target=listen, args=(streamed.settings, 3.0))
    thread.start()
    try:
        write_at_random(streamed.source, 5)
        offset = streamed.source.client().info("replication")["master_repl_offset"]

        def is_home() -> bool:
            known = of_folder(streamed.stream)
            return known is not None and known.offset >= offset

        assert eventually(is_home)
    finally:
        thread.join()
    assert streamed.visit()["gap"] is None
    assert_played(streamed.source, played(streamed.find(), start_server(binary)))


@pytest.mark.slow
def test_listeners_hand_over_without_a_gap(streamed: Streamed, binary: Binary, start_server: StartServer) -> None:
    outcomes = []
    threads = [threading.Thread(target=lambda: outcomes.append(listen(streamed.settings, 2.0))) for _ in range(3)]
    threads[0].start()
    assert eventually(lambda: streamed.source.client().info("replication")["connected_slaves"] == 1)
    with writing(streamed.source) as done:
        for thread in threads[1:]:
            time.sleep(1.2)
            thread.start()
        for thread in threads[:2]:
            thread.join()
    threads[2].join()
    assert streamed.visit()["gap"] is None
    assert done[0] * 300 > 10 * 16_000, "more than the backlog ever held"
    assert [outcome["gap"] for outcome in outcomes] == [None] * 3
    assert_played(streamed.source, played(streamed.find(), start_server(binary)))


@pytest.mark.slow
def test_nobody_takes_a_listener_for_a_replica_that_has_what_it_was_sent(streamed: Streamed) -> None:
    thread = threading.Thread(target=listen, args=(streamed.settings, 3.0))
    thread.start()
    try:
        client = streamed.source.client()
        assert eventually(lambda: client.info("replication")["connected_slaves"] == 1)
        client.set("key", "value")
        assert client.wait(1, 300) == 0
        # The base was the last snapshot that anybody was sent.
        assert client.info("stats")["sync_full"] == 1
    finally:
        thread.join()


def test_what_has_not_come_yet_is_not_taken_for_nothing(
    newest: Binary, start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that brings nothing: the source has written on, and the moments end where it was last seen to stand."""
    streamed = Streamed(start_server(newest, "--repl-backlog-size", "1mb"), tmp_path)
    streamed.take()
    streamed.visit()
    before = streamed.visit()["to"]
    began = int(time.time() * 1000)
    monkeypatch.setattr("worker.segments.visits.following.Followed.within", lambda *_: time.sleep(0.05))

    def written() -> None:
        time.sleep(0.3)
        streamed.source.client().set("key", "value")

    thread = threading.Thread(target=written)
    thread.start()
    listen(streamed.settings, 2.5)
    thread.join()
    known = of_folder(streamed.stream)
    assert known
    assert known.offset == before
    assert known.ms < began + 2000
    assert known.here_ms < began + 2000
