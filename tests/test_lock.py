"""Leases and locks: one at a time, given back, lost by whoever stands still, and no obstacle without a broker."""

import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import StartServer
from tests.processes import CANARY, ROOT, environment, eventually
from tests.servers import Binary, Server
from worker import lock, logs
from worker.backup import BackupArguments, backup
from worker.config import Settings
from worker.errors import BusyError
from worker.lease import Lease
from worker.progress import silent

SECONDS = 1.0

HOLDER = f"""
import sys
from worker import lock, logs
from worker.config import load
from worker.errors import BusyError
with logs.run("the first", "backup"), lock.held(load(), "source", seconds={SECONDS}) as still_ours:
    print("held", flush=True)
    sys.stdin.readline()
    try:
        still_ours()
        print("still ours", flush=True)
    except BusyError as error:
        print(error, flush=True)
"""


@pytest.fixture
def broker(newest: Binary, start_server: StartServer) -> Server:
    return start_server(newest)


@pytest.fixture
def settings(broker: Server) -> Settings:
    return Settings(celery_broker_url=broker.url)


def test_whoever_comes_second_is_told_who_is_at_work(settings: Settings) -> None:
    with logs.run("the first", "backup"), lock.held(settings, "source"):
        with logs.run("the second", "backup"), lock.held(settings, "target"):
            pass
        with (
            pytest.raises(BusyError, match="Run the first is at work on the source"),
            logs.run("the second", "backup"),
            lock.held(settings, "source"),
        ):
            pytest.fail("two at once")
    with lock.held(settings, "source"):
        pass


def test_whoever_comes_second_waits_a_little(settings: Settings) -> None:
    lease = Lease(settings, "redis_backup:lock:source", "the first", seconds=SECONDS)
    assert lease.holder() == "the first"
    since = time.monotonic()
    with lock.held(settings, "source"):
        assert time.monotonic() - since < lock.WAIT_SECONDS


def test_a_lease_is_renewed_for_as_long_as_it_is_held(settings: Settings, broker: Server) -> None:
    with lock.held(settings, "source", seconds=SECONDS) as still_ours:
        time.sleep(2 * SECONDS)
        assert broker.client().exists("redis_backup:lock:source")
        still_ours()
    assert not broker.client().exists("redis_backup:lock:source")


def test_a_broker_that_has_lost_its_memory_takes_nothing_away(settings: Settings, broker: Server) -> None:
    with lock.held(settings, "source", seconds=SECONDS) as still_ours:
        broker.client().flushall()
        eventually(lambda: broker.client().exists("redis_backup:lock:source"), "the lock to be taken again")
        still_ours()


def test_whoever_stood_still_for_longer_than_its_lease_has_lost(settings: Settings, broker: Server) -> None:
    env = environment(CELERY_BROKER_URL=broker.url)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER], env=env, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGSTOP)
        with logs.run("the second", "backup"), lock.held(settings, "source"):
            process.send_signal(signal.SIGCONT)
            process.stdin.write("\n")
            process.stdin.flush()
            assert "Run the second has taken the place of this one" in process.stdout.readline()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_what_a_killed_run_held_can_be_freed_and_nothing_else(settings: Settings, broker: Server) -> None:
    for what, owner in (("source", "killed"), ("target", "alive")):
        Lease(settings, f"redis_backup:lock:{what}", owner).holder()
    lock.give_up(settings, "killed")
    assert list(broker.client().scan_iter("redis_backup:lock:*")) == [b"redis_backup:lock:target"]


def test_a_lock_is_taken_and_given_back_once_the_broker_is_there(settings: Settings, broker: Server) -> None:
    broker.kill()
    with lock.held(settings, "source", seconds=SECONDS) as still_ours:
        broker.start()
        eventually(lambda: broker.client().exists("redis_backup:lock:source"), "the lock")
        still_ours()
    assert not broker.client().exists("redis_backup:lock:source")


def test_without_a_broker_there_is_no_lock_and_no_obstacle() -> None:
    settings = Settings(celery_broker_url=f"redis://:{CANARY}@127.0.0.1:1/0")
    with lock.held(settings, "source") as still_ours, lock.held(settings, "source"):
        still_ours()


def test_a_backup_of_a_source_that_is_being_backed_up_is_refused_and_leaves_nothing(
    broker: Server, settings: Settings, newest: Binary, start_server: StartServer, tmp_path: object
) -> None:
    source = start_server(newest)
    mine = settings.model_copy(update={"redis_url": source.url, "backup_storage": f"{tmp_path}/backups"})
    with (
        logs.run("the first", "backup"),
        lock.held(mine, f"source 127.0.0.1:{source.port}"),
        logs.run("the second", "backup"),
    ):
        with pytest.raises(BusyError, match="the first"):
            backup(mine, BackupArguments(), silent)
        found = backup(mine, BackupArguments(unless_younger_than_hours=1), silent)
        assert found == {"skipped": "another backup is being made"}
    assert backup(mine, BackupArguments(), silent)["keys"] == 0
