"""What a visit brings home is what the source ran, whichever server it is; and what it may not do it does not do."""

import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.backups import asking, eventually, fill_all
from tests.support.data import fill
from tests.support.servers import Binary, Server
from tests.support.states import state
from tests.support.streams import BACKLOG, Streamed, assert_played, played
from worker.errors import BusyError, NotFoundError
from worker.segments.chain import stretches
from worker.segments.visits.folder import folder_of
from worker.segments.visits.growing import alone
from worker.segments.visits.standing import Standing, of_folder
from worker.segments.visits.visit import visit


@pytest.fixture
def streamed(binary: Binary, start_server: StartServer, tmp_path: Path) -> Streamed:
    """A source without data, of which there is a backup, and which was visited once."""
    streamed = Streamed(start_server(binary, *BACKLOG), tmp_path)
    streamed.take()
    streamed.visit()
    return streamed


def write_at_random(server: Server, seed: int, number: int = 300) -> None:
    """Commands of many kinds, in transactions and scripts too, over databases, with expiries that come to pass and that do not."""
    chance = random.Random(seed)  # noqa: S311 - the same each time
    clients = [asking(server, db) for db in (0, 3, 9)]
    kinds: list[Callable[[Any, str], Any]] = [
        lambda client, key: client.execute_command("SET", "s" + key, chance.randbytes(chance.randrange(200))),
        lambda client, key: client.execute_command("SET", "e" + key, "x", "PX", chance.choice((1, 3_600_000))),
        lambda client, key: client.execute_command("INCRBYFLOAT", "f" + key, "0.1"),
        lambda client, key: client.execute_command("RPUSH", "l" + key, *chance.choices("abcdef", k=5)),
        lambda client, key: client.execute_command("LPOP", "l" + key),
        lambda client, key: client.execute_command("SADD", "u" + key, *chance.choices("abcdef", k=4)),
        lambda client, key: client.execute_command("SPOP", "u" + key),
        lambda client, key: client.execute_command("HSET", "h" + key, chance.choice("abc"), key),
        lambda client, key: client.execute_command("ZADD", "z" + key, str(chance.random()), chance.choice("abc")),
        lambda client, key: client.execute_command("XADD", "x" + key, "*", "field", key),
        lambda client, key: client.execute_command("EXPIRE", "s" + key, "1000"),
        lambda client, key: client.execute_command("DEL", "h" + key, "z" + key, "s" + key),
        lambda client, key: client.execute_command("EVAL", "redis.call('set', KEYS[1], ARGV[1])", 1, "v" + key, key),
        lambda client, _: client.execute_command("SWAPDB", "3", "9"),
        lambda client, key: client.execute_command("COPY", "s" + key, "c" + key),
    ]
    for turn in range(number):
        chance.choice(kinds)(chance.choice(clients), str(turn % 40))
    pipe = asking(server).pipeline(transaction=True)
    for turn in range(20):
        pipe.execute_command("SET", f"t{turn}", str(seed))
    pipe.execute()
    # What has expired is only gone, and its DEL in the stream, once somebody has looked.
    time.sleep(0.003)
    for client in clients:
        client.execute_command("EXISTS", *(f"e{turn}" for turn in range(40)))


@pytest.mark.every_server
def test_the_stream_makes_of_an_empty_server_what_the_source_is(
    streamed: Streamed, binary: Binary, start_server: StartServer
) -> None:
    fill_all(streamed.source)
    write_at_random(streamed.source, 1)
    outcome = streamed.visit()
    assert outcome["gap"] is None
    assert outcome["commands"] > 300
    assert_played(streamed.source, played(streamed.find(), start_server(binary)))


def test_each_visit_is_a_moment(streamed: Streamed, binary: Binary, start_server: StartServer) -> None:
    moments = []
    for seed in range(4):
        write_at_random(streamed.source, seed)
        moments.append((streamed.visit()["to"], state(streamed.source, times=False)))
    for offset, then in moments[::2]:
        assert_played(then, played(streamed.find(offset=offset), start_server(binary)))


def test_a_transaction_is_in_a_moment_or_not(streamed: Streamed, binary: Binary, start_server: StartServer) -> None:
    start = streamed.visit()["to"]
    pipe = asking(streamed.source).pipeline(transaction=True)
    for number in range(30):
        pipe.execute_command("SET", f"key:{number}", "value")
    pipe.execute()
    end = streamed.visit()["to"]
    found = {streamed.find(offset=offset).offset for offset in range(start, end, 7)}
    assert {start} <= found
    whole = played(streamed.find(offset=end), start_server(binary)).client().dbsize()
    assert whole == 30
    for offset in found - {start}:
        # Only SELECT, which may come before it, is another place between two commands.
        assert played(streamed.find(offset=offset), start_server(binary)).client().dbsize() == 0


def test_what_is_too_large_for_a_frame_is_one(streamed: Streamed, binary: Binary, start_server: StartServer) -> None:
    streamed.source.client().set("large", b"x" * (3 << 20))
    streamed.source.client().mset({f"key:{number}": b"y" * 100 for number in range(30_000)})
    for number in range(20):
        streamed.source.client().set(f"later:{number}", b"z" * 300_000)
    streamed.visit()
    assert_played(streamed.source, played(streamed.find(), start_server(binary)))


def test_nothing_new_is_nothing_to_write(streamed: Streamed) -> None:
    streamed.source.client().set("key", "value")
    streamed.visit()
    before = {path.name: path.stat().st_size for path in streamed.stream.glob("*.growing")}
    assert streamed.visit()["bytes"] == 0
    assert {path.name: path.stat().st_size for path in streamed.stream.glob("*.growing")} == before


def test_no_visit_makes_the_source_fork(streamed: Streamed) -> None:
    forks = streamed.source.client().info("persistence")["rdb_saves"] if streamed.source.binary.version >= (7, 0) else 0
    full = streamed.source.client().info("stats")["sync_full"]
    for number in range(5):
        streamed.source.client().set(f"key:{number}", "value")
        streamed.visit()
    # Overrun: what is asked for is not there any more.
    streamed.source.client().config_set("repl-backlog-size", "1mb")
    for number in range(40):
        streamed.source.client().set(f"large:{number}", b"x" * 100_000)
    assert "more than its replication backlog" in streamed.visit()["gap"]
    assert streamed.source.client().info("stats")["sync_full"] == full
    if streamed.source.binary.version >= (7, 0):
        assert streamed.source.client().info("persistence")["rdb_saves"] == forks


def test_after_a_gap_a_new_stretch_begins_and_no_moment_lies_in_between(streamed: Streamed) -> None:
    streamed.source.client().set("key", "value")
    last = streamed.visit()["to"]
    streamed.source.client().config_set("repl-backlog-size", "1mb")
    for number in range(40):
        streamed.source.client().set(f"large:{number}", b"x" * 100_000)
    outcome = streamed.visit()
    assert outcome["gap"]
    assert outcome["base"] is None
    assert outcome["follows"]
    streamed.source.client().set("key", "later")
    streamed.visit()
    assert streamed.find().offset == last, "without a backup behind the gap there is no later moment"
    made = streamed.take()
    streamed.source.client().set("key", "latest")
    after = streamed.visit()
    found = streamed.find()
    assert (found.base.name, found.offset) == (made["name"], after["to"])
    assert streamed.find(offset=last).offset == last
    with pytest.raises(NotFoundError, match="There is no moment at offset"):
        streamed.find(offset=(last + (made["source"]["replication_offset"])) // 2)


def test_an_overrun_tells_which_backlog_would_have_held(streamed: Streamed) -> None:
    streamed.source.client().config_set("repl-backlog-size", "1mb")
    for number in range(40):
        streamed.source.client().set(f"large:{number}", b"x" * 100_000)
    streamed.visit()
    standing = of_folder(streamed.stream)
    assert standing
    assert standing.gap
    assert standing.wanted_backlog >= 2 * 40 * 100_000


def test_a_source_that_nobody_followed_yet_is_followed_from_its_first_backup_on(
    binary: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    streamed = Streamed(start_server(binary, *BACKLOG), tmp_path)
    streamed.source.client().set("before", "1")
    first = streamed.visit()
    assert (first["follows"], first["base"]) == (False, None)
    made = streamed.take()
    streamed.source.client().set("behind", "2")
    second = streamed.visit()
    assert (second["base"], second["commands"]) == (made["name"], 1)


def test_one_who_visits_excludes_others(streamed: Streamed) -> None:
    with alone(folder_of(streamed.settings)), pytest.raises(BusyError, match="Another visit"):
        streamed.visit()


def test_a_replica_that_was_promoted_goes_on(binary: Binary, start_server: StartServer, tmp_path: Path) -> None:
    primary = start_server(binary, *BACKLOG)
    replica = start_server(binary, *BACKLOG, "--replicaof", "127.0.0.1", str(primary.port))
    assert eventually(lambda: replica.client().info("replication")["master_link_status"] == "up")
    at_primary = Streamed(primary, tmp_path)
    at_primary.take()
    fill(primary.client(), binary)
    at_primary.visit()
    replicated = primary.client().info("replication")["master_repl_offset"]
    assert eventually(lambda: replica.client().info("replication")["slave_repl_offset"] >= replicated)
    primary.stop()
    replica.client().replicaof("no", "one")
    replica.client().set("after", "the failover")
    # As behind a proxy or a name: the same address leads to the other one.
    folder = folder_of(at_primary.settings)
    moved = Streamed(replica, tmp_path)
    folder.rename(folder_of(moved.settings))
    outcome = moved.visit()
    assert outcome["gap"] is None
    assert outcome["commands"] >= 1


def test_a_restart_without_its_history_is_a_gap(binary: Binary, start_server: StartServer, tmp_path: Path) -> None:
    streamed = Streamed(start_server(binary, *BACKLOG), tmp_path)
    streamed.take()
    streamed.visit()
    streamed.source.stop()
    streamed.source.start()
    assert "another history" in streamed.visit()["gap"]


def test_a_moment_is_found_by_its_time(streamed: Streamed) -> None:
    seen: list[tuple[float, int]] = []
    for number in range(5):
        streamed.source.client().set("key", str(number))
        to = streamed.visit()["to"]
        seen.append((time.time(), to))
        time.sleep(0.02)
    streamed.visit()
    for at, offset in seen:
        found = streamed.find(at=datetime.fromtimestamp(at, UTC))
        assert found.offset == offset
        assert found.accuracy_seconds < 1


def test_a_visit_that_is_killed_before_it_has_noted_anything_is_believed_by_its_file(streamed: Streamed) -> None:
    streamed.source.client().config_set("repl-backlog-size", "1mb")
    for number in range(40):
        streamed.source.client().set(f"large:{number}", b"x" * 100_000)
    before = (streamed.stream / "standing.json").read_bytes()
    assert streamed.visit()["gap"]
    streamed.take()
    streamed.source.client().set("key", "value")
    streamed.visit()
    # As if neither of these visits had come so far.
    (streamed.stream / "standing.json").write_bytes(before)
    outcome = streamed.visit()
    standing = of_folder(streamed.stream)
    assert standing is not None
    assert (outcome["follows"], standing.follows, standing.is_chain) == (True, True, True)
    assert "more than its replication backlog" in standing.gap
    assert standing.offset == streamed.find().offset


@pytest.mark.slow
@pytest.mark.parametrize("clock", ["info", "publish"])
def test_a_clock_between_visits_makes_moments_more_exact(clock: str, streamed: Streamed) -> None:
    streamed.more = {"backup_stream_clock": clock}
    streamed.visit()
    ended = threading.Event()

    def write() -> None:
        number = 0
        while not ended.wait(0.05):
            streamed.source.client().set("key", str(number))
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        visit(streamed.settings, 5.5)
        visit(streamed.settings)
    finally:
        ended.set()
        writer.join()
    (there,), _ = stretches(streamed.settings)
    marks = [mark for _, frame, _ in there.frames for mark in frame.marks]
    assert len(marks) >= 3
    for mark in marks[:-1]:
        found = streamed.find(at=datetime.fromtimestamp(mark.ms / 1000 + 0.4, UTC))
        assert found.accuracy_seconds <= 0.41
        assert abs(found.offset - mark.offset) < 2000


@pytest.mark.every_server
def test_expiries_that_may_be_wrong_are_named(streamed: Streamed, binary: Binary) -> None:
    streamed.source.client().set("key", "value", ex=1000)
    streamed.visit()
    error = streamed.find().expiry_error_seconds
    assert (error > 0) is (binary.version < (7, 0))


def test_a_base_is_asked_for_again_once_a_gap_has_come_since(
    streamed: Streamed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overrun() -> dict[str, Any]:
        streamed.source.client().config_set("repl-backlog-size", "1mb")
        for number in range(40):
            streamed.source.client().set(f"large:{number}", b"x" * 100_000)
        return streamed.visit()

    assert overrun()["wants_base"]
    assert not streamed.visit()["wants_base"], "it may be on its way"
    assert not overrun()["wants_base"], "it was asked for a moment ago"
    monkeypatch.setattr("worker.segments.visits.visit.ASK_AGAIN_MS", 0)
    assert overrun()["wants_base"]
    assert not streamed.visit()["wants_base"]


def test_moments_begin_with_the_oldest_backup_of_the_stretch(streamed: Streamed) -> None:
    first = streamed.take()
    streamed.source.client().set("key", "value")
    streamed.visit()
    begins = of_folder(streamed.stream)
    second = streamed.take()
    path = streamed.stream / "standing.json"
    noted = Standing.model_validate_json(path.read_bytes()).model_copy(update={"looked_ms": 0})
    path.write_text(noted.model_dump_json())
    streamed.visit()
    after = of_folder(streamed.stream)
    assert begins
    assert after
    assert (after.base, after.base_ms) == (second["name"], begins.base_ms)
    assert first["name"] != second["name"]
