"""A peer that sends, or takes, a few bytes a second: from any moment on, whatever is asked of it ends, and says why."""

import os
import re
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tests.conftest import StartServer
from tests.faults.fixtures import SOON, WireTo
from tests.faults.line import Line
from tests.faults.moments import NOW, After, Asked, Moment, Reply
from tests.faults.scenes import one_sentence
from tests.faults.sweeps import sweep
from tests.support.backups import files, take
from tests.support.processes import PYTHON, Background, environment
from tests.support.servers import Binary, Server
from worker.arguments.backups import BackupArguments
from worker.arguments.questions import SearchArguments
from worker.arguments.restore import PreviewArguments, RestoreArguments
from worker.backups.backup import backup
from worker.backups.stats import stats
from worker.broker import connection
from worker.config.settings import Settings
from worker.engines.probe import ping
from worker.errors import (
    BackupSystemError,
    BrokerUnavailableError,
    SourceUnavailableError,
    TargetUnavailableError,
    TemporaryError,
)
from worker.progress import silent
from worker.restore.mirror.primary import Primary
from worker.restore.preview.preview import preview
from worker.restore.restore import restore
from worker.search.search import search
from worker.server.endpoint import SOURCE, Endpoint
from worker.server.info import read_facts
from worker.server.wire import Wire, pack

RATE = 5
TOO_SLOW = rf"(sends|takes) less than 1 KB a second for {SOON} seconds while .*: is the network slow"
SLOWER_STILL = rf"did not answer in time while|{TOO_SLOW}"
KEYS = 3000


impatiently = pytest.mark.usefixtures("impatient")


@pytest.fixture
def full(newest: Binary, start_server: StartServer) -> Server:
    server = start_server(newest)
    pipe = server.client().pipeline(transaction=False)
    for number in range(KEYS):
        pipe.set(f"key:{number}", "x" * 50)
        pipe.hset(f"hash:{number}", mapping={"a": "1", "b": "2"})
    pipe.execute()
    return server


def through(line: Line, storage: Path, **more: Any) -> Settings:
    return Settings(**{"redis_url": line.url, "backup_storage": str(storage), "backup_undo_days": 0, **more})


def _take(line: Line, storage: Path, engine: Any) -> None:
    data_format: Any = "json" if engine == "typed" else "rdb"
    backup(through(line, storage), BackupArguments(engine=engine, format=data_format), silent)


READING = [
    ("replication", Asked(b"INFO")),
    ("replication", Asked(b"PSYNC")),
    ("replication", Reply(b"PSYNC", at=5_000)),
    ("scan", Asked(b"INFO")),
    ("scan", Asked(b"SCAN", 2)),
    ("scan", Reply(b"DUMP", 200)),
    ("typed", Asked(b"INFO")),
    ("typed", Asked(b"SCAN", 2)),
    ("typed", Reply(b"HGETALL", 200)),
]


@sweep("engine, moment", READING)
@impatiently
def test_a_backup_from_a_source_that_trickles_ends_and_lists_nothing(
    engine: str, moment: Moment, full: Server, wire_to: WireTo, tmp_path: Path
) -> None:
    line = wire_to(full)
    fault = line.trickle(RATE, moment)
    with pytest.raises(SourceUnavailableError) as caught:
        _take(line, tmp_path / "backups", engine)
    assert fault.happened
    one_sentence(caught.value, f"The source at {re.escape(f'127.0.0.1:{line.port}')} {TOO_SLOW}")
    assert files(tmp_path / "backups") == []


WRITING = [
    ("skip", Asked(b"INFO")),
    ("skip", Asked(b"RESTORE")),
    ("skip", Reply(b"RESTORE", 700)),
    ("overwrite", Reply(b"RESTORE", 700)),
    ("mirror", Reply(b"SCAN", 1)),
    ("mirror", Reply(b"RESTORE", 700)),
]


@sweep("mode, moment", WRITING)
@impatiently
def test_a_restore_into_a_target_that_trickles_ends_and_says_how_far_it_came(
    mode: Any,
    moment: Moment,
    full: Server,
    newest: Binary,
    start_server: StartServer,
    wire_to: WireTo,
    tmp_path: Path,
) -> None:
    take(full, tmp_path / "backups", engine="scan")
    target = start_server(newest)
    target.client().mset({f"other:{number}": "x" for number in range(10)})
    line = wire_to(target)
    fault = line.trickle(RATE, moment)
    # What is narrowed is mirrored key by key.
    arguments = RestoreArguments(name="latest", mode=mode, exclude=("nothing",))
    with pytest.raises(TargetUnavailableError) as caught:
        restore(through(line, tmp_path / "backups"), arguments, silent)
    assert fault.happened
    told = str(caught.value)
    assert re.search(TOO_SLOW, told)
    if confirmed := re.search(r"Until then: ([\d,]+) restored", told):
        assert int(confirmed[1].replace(",", "")) <= target.client().dbsize()
    line.heal()
    report = restore(through(line, tmp_path / "backups"), arguments, silent)
    assert report["restored"] + report["skipped"] == 2 * KEYS
    assert target.client().dbsize() == 2 * KEYS + (10 if mode != "mirror" else 0)


@pytest.mark.parametrize(
    ("count", "value_bytes"),
    [pytest.param(10_000, 1000, marks=pytest.mark.slow), (1, 40 << 20)],
    ids=["many-small", "one-large"],
)
@impatiently
def test_a_target_that_takes_a_few_bytes_a_second_is_not_fed_for_ever(
    count: int,
    value_bytes: int,
    newest: Binary,
    start_server: StartServer,
    wire_to: WireTo,
    tmp_path: Path,
) -> None:
    source, target = start_server(newest), start_server(newest)
    source.client().mset({f"key:{number}": os.urandom(value_bytes) for number in range(count)})
    take(source, tmp_path / "backups", compression="none")
    line = wire_to(target)
    # The first asks whether it would take one.
    fault = line.trickle(RATE, Asked(b"RESTORE", 2), "questions")
    with pytest.raises(TargetUnavailableError) as caught:
        restore(through(line, tmp_path / "backups"), RestoreArguments(name="latest"), silent)
    assert fault.happened
    # A kernel that holds much for us makes it look like a server that does not answer.
    one_sentence(caught.value, SLOWER_STILL)


ASKING: dict[str, Callable[[Settings], object]] = {
    "stats": stats,
    "ping": ping,
    "preview": lambda settings: preview(settings, PreviewArguments(name="latest"), silent),
    "search": lambda settings: search(settings, SearchArguments(key="key:1"), silent),
}


@sweep("verb", ASKING)
@impatiently
def test_whatever_else_is_asked_of_a_server_that_trickles_ends(
    verb: str, full: Server, wire_to: WireTo, tmp_path: Path
) -> None:
    take(full, tmp_path / "backups")
    line = wire_to(full)
    line.trickle(RATE)
    try:
        told = str(ASKING[verb](through(line, tmp_path / "backups")))
    except BackupSystemError as error:
        told = str(error)
    assert re.search(TOO_SLOW, told)


@pytest.mark.parametrize("moment", [NOW, Asked(b"AUTH")], ids=str)
@impatiently
def test_a_handshake_has_one_time_for_all_of_it(
    moment: Moment, newest: Binary, start_server: StartServer, wire_to: WireTo
) -> None:
    server = start_server(newest, password="secret")
    line = wire_to(server)
    # Each of its two replies alone would come within the time of an answer, and fast enough.
    line.trickle(6 / SOON, moment)
    endpoint = Endpoint(line.url, replace(SOURCE, connect_seconds=0.5, answer_seconds=SOON))
    with pytest.raises(TemporaryError, match=SLOWER_STILL):  # noqa: SIM117
        with endpoint.translated("being asked"), Wire(endpoint, 3):
            pass
    assert line.passed["answers"] < len(b"+OK\r\n+OK\r\n")


@impatiently
def test_a_handshake_of_tls_too(encrypted: Server, wire_to: WireTo) -> None:
    line = wire_to(encrypted)
    line.trickle(RATE, After(100))
    with pytest.raises(SourceUnavailableError, match=r"did not answer in time|timed out|no connection"):
        read_facts(Endpoint(line.url, SOURCE))


@impatiently
def test_an_answer_over_tls_too(encrypted: Server, wire_to: WireTo) -> None:
    encrypted.client().set("key", os.urandom(1 << 20))
    line = wire_to(encrypted)
    endpoint = Endpoint(line.url, SOURCE)
    with endpoint.translated("being asked"), Wire(endpoint) as wire:
        assert wire.ask(b"PING") == b"PONG"
        line.trickle(100)
        with pytest.raises(RedisTimeoutError):
            wire.ask(b"GET", b"key")


@impatiently
def test_a_large_answer_may_take_as_long_as_it_flows(full: Server, wire_to: WireTo) -> None:
    value = os.urandom(40_000)
    full.client().set("large", value)
    line = wire_to(full)
    endpoint = Endpoint(line.url, SOURCE)
    with endpoint.translated("being asked"), Wire(endpoint) as wire:
        # Three times what a small answer may take.
        line.trickle(len(value) / (3 * SOON))
        assert wire.ask(b"GET", b"large") == value


@pytest.mark.slow
@impatiently
def test_a_large_value_may_be_sent_as_long_as_it_flows(full: Server, wire_to: WireTo) -> None:
    value = os.urandom(12 << 20)
    line = wire_to(full)
    endpoint = Endpoint(line.url, SOURCE)
    with endpoint.translated("being asked"), Wire(endpoint) as wire:
        line.trickle(len(value) / (3 * SOON), way="questions")
        wire.send(pack(b"SET", b"large", value))
        line.heal()
        assert wire.reply() == b"OK"
    assert full.client().get("large") == value


@impatiently
def test_what_comes_after_all_is_not_taken_for_the_next_answer(full: Server, wire_to: WireTo) -> None:
    line = wire_to(full)
    with Wire(Endpoint(line.url, SOURCE)) as wire:
        line.pause(Asked(b"ECHO"))
        with pytest.raises(RedisTimeoutError):
            wire.ask(b"ECHO", b"late")
        line.resume()
        with pytest.raises(RedisError):
            wire.ask(b"PING")


def test_a_replica_of_ours_that_takes_little_is_not_fed_for_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, Primary("127.0.0.1", 0) as primary:
        # Somebody who has come, and reads nothing.
        near = socket.create_connection(listener.getsockname()[:2])
        far, _ = listener.accept()
        primary._replica = near
        with far, pytest.MonkeyPatch.context() as patch:
            patch.setattr("worker.restore.mirror.primary.SILENCE_SECONDS", SOON)
            with pytest.raises(RedisTimeoutError):
                list(primary.send(1 << 40, iter([bytes(64 << 20)] * 2)))


BROKER_QUESTIONS: dict[str, Callable[[Any], object]] = {
    "one-question": lambda client: client.get("key"),
    "a-pipeline": lambda client: client.pipeline(transaction=False).get("key").get("key").execute(),
}


@pytest.mark.parametrize("ask", BROKER_QUESTIONS)
@pytest.mark.parametrize(("seconds", "in_all"), [(0.5, 1e9), (60, 0.5)], ids=["each", "in-all"])
def test_a_broker_that_trickles_is_not_waited_for(
    ask: str, seconds: float, in_all: float, full: Server, wire_to: WireTo
) -> None:
    full.client().set("key", "x" * 100)
    line = wire_to(full)
    settings = Settings(redis_url=full.url, celery_broker_url=line.url)
    with connection.client(settings, seconds, in_all) as client:
        line.trickle(20)
        with pytest.raises(BrokerUnavailableError, match=r"The broker (sends less than|does not answer)"):  # noqa: SIM117
            with connection.translated():
                BROKER_QUESTIONS[ask](client)
    assert line.passed["answers"] < 100


def test_a_large_answer_of_the_broker_may_take_as_long_as_it_flows(full: Server, wire_to: WireTo) -> None:
    full.client().set("key", "x" * 20_000)
    line = wire_to(full)
    settings = Settings(redis_url=full.url, celery_broker_url=line.url)
    with connection.client(settings, 1) as client:
        line.trickle(10_000)
        assert len(client.get("key") or b"") == 20_000


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("engine", ["replication", "scan", "typed"])
def test_a_minute_is_a_minute_and_the_shell_says_why(
    engine: str, full: Server, wire_to: WireTo, tmp_path: Path
) -> None:
    line = wire_to(full)
    line.trickle(1, Reply({"replication": b"PSYNC", "scan": b"DUMP", "typed": b"HGETALL"}[engine], nth=1))
    form = ("--format", "json") if engine == "typed" else ()
    env = environment(REDIS_URL=line.url, BACKUP_STORAGE=str(tmp_path / "backups"))
    process = Background(*PYTHON, "backup", "--engine", engine, *form, env=env, cwd=tmp_path)
    try:
        assert process.process.wait(200) == 1
    finally:
        process.stop()
    assert "sends less than 1 KB a second for 60 seconds" in process.said
    assert not list((tmp_path / "backups").glob("redis_backup*"))
