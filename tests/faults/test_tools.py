"""The tools themselves: each fault comes about where it is told to, once, and nowhere else."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.faults.freezer import Freezer, states
from tests.faults.line import Line
from tests.faults.moments import NOW, After, Asked, Reply
from tests.support.processes import eventually
from tests.support.servers import Server
from worker.server.wire import pack

VALUE = b"0123456789" * 10
KEYS = [b"key:%d" % number for number in range(10)]


@pytest.fixture
def server(newest: Any, start_server: Callable[..., Server]) -> Server:
    found = start_server(newest)
    found.client().mset(dict.fromkeys(KEYS, VALUE))
    return found


def client(line: Line) -> Any:
    return redis.Redis.from_url(line.url, protocol=2, socket_timeout=5, retry=Retry(NoBackoff(), 0))


def incremented(connection: Any) -> Any:
    return connection.execute_command("INCR", "n")


def gets(line: Line) -> list[bytes]:
    """The ten values, asked for in one go."""
    with client(line) as connection, connection.pipeline(transaction=False) as pipe:
        for key in KEYS:
            pipe.get(key)
        found: list[bytes] = pipe.execute()
        return found


def test_a_line_on_which_nothing_is_set_passes_all(line: Line, server: Server) -> None:
    large = os.urandom(5 << 20)
    with client(line) as connection:
        assert connection.set("large", large)
        assert connection.get("large") == large
        assert gets(line) == [VALUE] * 10
    assert server.client().get("large") == large
    assert line.passed["questions"] > len(large) < line.passed["answers"]
    eventually(lambda: line.connections == 0, "the connections to be over")


@pytest.mark.parametrize(("at", "place"), [(0, 0), (7, 7), (-1, 99)])
def test_a_bit_of_the_third_reply_is_flipped_and_no_other(line: Line, at: int, place: int) -> None:
    fault = line.flip(Reply(b"GET", nth=3, at=at), bit=1)
    wrong = VALUE[:place] + bytes([VALUE[place] ^ 2]) + VALUE[place + 1 :]
    assert gets(line) == [VALUE, VALUE, wrong, *[VALUE] * 7]
    assert fault.happened
    assert gets(line) == [VALUE] * 10


def test_a_reply_is_known_by_what_was_asked_and_may_be_damaged_each_time(line: Line) -> None:
    line.flip(Reply(b"GET", of=b"key:4", always=True))
    for _ in range(2):
        assert [number for number, value in enumerate(gets(line)) if value != VALUE] == [4]


def test_bytes_are_dropped_and_doubled(line: Line) -> None:
    line.drop(Reply(b"GET", nth=1, at=1), 3)
    line.double(Reply(b"GET", nth=1, at=10), 3)
    assert gets(line) == [b"0456789" + b"012012" + VALUE[13:], *[VALUE] * 9]


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_it_is_cut_before_the_reply_and_the_command_has_arrived(line: Line, server: Server, reset: bool) -> None:
    fault = line.cut(Reply(b"INCR", nth=3), reset=reset)
    with client(line) as connection:
        assert [incremented(connection), incremented(connection)] == [1, 2]
        with pytest.raises(redis.ConnectionError):
            incremented(connection)
    assert fault.happened
    assert server.client().get("n") == b"3"
    assert incremented(client(line)) == 4


def test_it_is_cut_before_the_command_and_the_server_has_all_before_it(line: Line, server: Server) -> None:
    line.cut(Asked(b"INCR", nth=3), for_good=True)
    with client(line) as connection:
        assert [incremented(connection), incremented(connection)] == [1, 2]
        with pytest.raises(redis.ConnectionError):
            incremented(connection)
    assert server.client().get("n") == b"2"
    with pytest.raises(redis.ConnectionError):
        client(line).ping()
    line.heal()
    assert client(line).ping()


def test_it_is_cut_after_so_many_bytes(line: Line) -> None:
    line.cut(After(1000))
    with socket.create_connection(("127.0.0.1", line.port)) as connection:
        connection.sendall(pack(b"GET", KEYS[0]) * 20)
        received = b""
        while chunk := connection.recv(4096):
            received += chunk
    assert len(received) == 1000


def test_all_connections_are_cut_at_once(line: Line) -> None:
    with (
        socket.create_connection(("127.0.0.1", line.port)) as first,
        socket.create_connection(("127.0.0.1", line.port)) as second,
    ):
        for connection in (first, second):
            connection.sendall(pack(b"PING"))
            assert connection.recv(100) == b"+PONG\r\n"
        line.cut()
        assert first.recv(100) == second.recv(100) == b""
    eventually(lambda: line.connections == 0, "no connection")


@pytest.mark.parametrize("way", ["answers", "questions"])
def test_one_direction_trickles(line: Line, way: Any) -> None:
    with client(line) as connection:
        connection.ping()
        fault = line.trickle(5, Asked(b"GET"), way)
        before = line.passed[way]
        found: list[bytes] = []
        thread = threading.Thread(target=lambda: found.append(connection.get(KEYS[0])))
        thread.start()
        fault.wait()
        eventually(lambda: line.passed[way] >= before + 2, "two bytes")
        assert thread.is_alive()
        line.heal()
        thread.join()
        assert found == [VALUE]


def test_what_is_swallowed_arrives_nowhere(line: Line, server: Server) -> None:
    with client(line) as connection:
        connection.set("n", 1)
        line.half_open()
        connection.connection_pool.get_connection()._sock.settimeout(0.2)
        with pytest.raises(redis.TimeoutError):
            connection.set("n", 2)
    assert server.client().get("n") == b"1"


def test_what_is_held_up_goes_on(line: Line) -> None:
    fault = line.pause(Asked(b"GET"))
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.extend(gets(line)))
    thread.start()
    fault.wait()
    assert thread.is_alive()
    assert found == []
    line.resume()
    thread.join()
    assert found == [VALUE] * 10


def test_something_else_goes_wrong_at_a_moment(line: Line, server: Server) -> None:
    line.call(Reply(b"GET", nth=10), server.kill)
    assert gets(line) == [VALUE] * 10
    assert server.process.poll() is not None


def test_a_snapshot_is_one_reply(line: Line) -> None:
    fault = line.cut(Reply(b"PSYNC", at=60))
    with socket.create_connection(("127.0.0.1", line.port)) as connection:
        connection.sendall(pack(b"PSYNC", b"?", b"-1"))
        received = b""
        while chunk := connection.recv(4096):
            received += chunk
    assert received.startswith(b"+FULLRESYNC")
    assert len(received) == 60
    assert fault.happened


def test_now_has_happened_at_once(line: Line) -> None:
    assert line.trickle(1, NOW).happened


def test_a_process_and_its_children_stand_still_and_go_on(freezer: Freezer) -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    with subprocess.Popen([sys.executable, "-c", script]) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        child = int(eventually(children.read_text, "a child"))
        with freezer.frozen(process.pid, whole=True):
            assert states(process.pid) == states(child) == {"T"}
        assert "T" not in states(process.pid) | states(child)
        os.kill(child, 9)
        process.kill()


SYNCING = "import os; f = open('f', 'w'); os.fsync(f.fileno()); print('one', flush=True); os.fsync(f.fileno())"


@pytest.mark.parametrize(("injected", "code"), [("fsync:error=EIO:when=2", 1), ("fsync:signal=SIGKILL:when=2", -9)])
def test_the_second_system_call_fails_or_kills(
    strace: Callable[..., tuple[str, ...]], injected: str, code: int, tmp_path: Path
) -> None:
    command = (*strace(injected), sys.executable, "-c", SYNCING)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, "one\n")


TELLING = (
    "import time; print(time.strftime('%Y-%m-%d %H:%M %Z')); a = time.time(); time.sleep(3600); print(time.time() - a)"
)


def test_a_process_believes_in_another_time_that_goes_faster(faketime: Callable[..., dict[str, str]]) -> None:
    env = faketime(dict(os.environ) | {"TZ": "Europe/Berlin"}, "2026-03-29 01:59:59", 10_000)
    told = subprocess.run([sys.executable, "-c", TELLING], env=env, capture_output=True, text=True, check=True).stdout
    moment, passed = told.splitlines()
    assert moment.startswith("2026-03-29 ")
    assert moment.endswith(" CEST"), "the hour from two to three does not exist on that day"
    assert float(passed) >= 3600
