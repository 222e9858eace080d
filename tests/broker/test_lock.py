"""Leases and locks: one at a time, given back, lost by whoever stands still, and no obstacle without a broker."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import StartServer
from tests.support.processes import CANARY, ROOT, environment, eventually
from tests.support.servers import Binary, Server
from worker import logs
from worker.arguments.backups import BackupArguments
from worker.backups.backup import backup
from worker.broker import lease as lease_room
from worker.broker import lock
from worker.broker.lease import Lease
from worker.config.settings import Settings
from worker.errors import BrokerUnavailableError, BusyError, LostError
from worker.progress import silent

SECONDS, LONG = 1.0, 60

HOLDER = f"""
import sys
from worker import logs
from worker.broker import lock
from worker.config.settings import load
from worker.errors import BusyError
with logs.run("the first", "backup"), lock.held(load(), "source", seconds={SECONDS}) as lease:
    print("held", flush=True)
    sys.stdin.readline()
    for ask in (lease.check, lease.prove):
        try:
            ask()
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
    assert Lease(settings, "source", "the first", SECONDS).take() is None
    since = time.monotonic()
    with lock.held(settings, "source"):
        assert time.monotonic() - since < lock.WAIT_SECONDS


def test_a_lease_is_renewed_for_as_long_as_it_is_held(settings: Settings, broker: Server) -> None:
    with lock.held(settings, "source", seconds=SECONDS) as lease:
        time.sleep(2 * SECONDS)
        assert broker.client().exists("redis_backup:lock:source")
        lease.prove()
    assert not broker.client().exists("redis_backup:lock:source")


def test_a_broker_that_has_lost_its_memory_takes_nothing_away(settings: Settings, broker: Server) -> None:
    with lock.held(settings, "source", seconds=SECONDS) as lease:
        broker.client().flushall()
        eventually(lambda: broker.client().exists("redis_backup:lock:source"), "the lock to be taken again")
        lease.prove()


@contextmanager
def stopped_holder(broker: Server) -> Iterator[Callable[[], list[str]]]:
    """A process that holds the lock and stands still; calling it lets it go on, and gives what its two questions told."""
    env = environment(CELERY_BROKER_URL=broker.url)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER], env=env, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def go_on() -> list[str]:
        process.send_signal(signal.SIGCONT)
        told, _ = process.communicate("\n", timeout=20)
        assert process.returncode == 0
        return told.splitlines()

    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGSTOP)
        yield go_on
    finally:
        process.kill()
        process.communicate()


def test_whoever_stood_still_for_longer_than_its_lease_has_lost(settings: Settings, broker: Server) -> None:
    with stopped_holder(broker) as go_on:
        with logs.run("the second", "backup"), lock.held(settings, "source") as lease:
            told = go_on()
            lease.prove()
        assert len(told) == 2
        for sentence in told:
            assert re.match("This run stood still for [0-9]+ seconds, longer than it may hold the source", sentence)
            assert "Run the second has taken the place of this one." in sentence


@pytest.mark.slow
def test_a_lease_that_has_lapsed_is_not_taken_back_though_nobody_else_wanted_it(
    settings: Settings, broker: Server
) -> None:
    with stopped_holder(broker) as go_on:
        eventually(lambda: not broker.client().exists("redis_backup:lock:source"), "its lease to run out")
        told = go_on()
        assert [sentence.startswith("This run stood still for") for sentence in told] == [True, True]
    assert not broker.client().exists("redis_backup:lock:source")


def test_each_holder_has_a_larger_number_than_all_before(settings: Settings, broker: Server) -> None:
    numbers = []
    for forgetful in (False, False, True):
        if forgetful:
            broker.client().flushall()
        with lock.held(settings, "source") as lease:
            numbers.append(lease.number)
    assert None not in numbers
    assert sorted(set(numbers)) == numbers  # type: ignore[type-var]


def test_who_has_its_proof_asks_nobody(settings: Settings, broker: Server) -> None:
    with lock.held(settings, "source") as lease:
        broker.kill()
        since = time.monotonic()
        for _ in range(10_000):
            lease.prove()
            lease.check()
        assert time.monotonic() - since < 10


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets time pass as on a machine that is suspended: for the clock of a lease, and for nothing else."""
    gone, real = [0.0], lease_room.now

    def suspend(seconds: float) -> None:
        gone[0] += seconds

    monkeypatch.setattr(lease_room, "now", lambda: real() + gone[0])
    return suspend


def test_a_suspended_machine_has_stood_still(
    settings: Settings, broker: Server, clock: Callable[[float], None]
) -> None:
    lease = Lease(settings, "source", "the first", LONG)
    assert lease.take() is None
    clock(LONG + 1)
    broker.client().delete("redis_backup:lock:source")
    for _ in range(2):
        with pytest.raises(LostError, match="stood still for 61 seconds"):
            lease.prove()
    with pytest.raises(LostError, match="stood still for 61 seconds"):
        lease.check()


def test_who_was_as_long_without_a_broker_goes_on_where_nobody_else_was_there(
    settings: Settings, broker: Server, clock: Callable[[float], None]
) -> None:
    lease = _away_for_long(settings, broker, clock)
    lease.check()
    broker.start()
    lease.prove()
    assert broker.client().get("redis_backup:lock:source") == f"{lease.number} the first".encode()


def test_who_was_as_long_without_a_broker_writes_nothing_until_it_answers(
    settings: Settings, broker: Server, clock: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = _away_for_long(settings, broker, clock)
    monkeypatch.setattr(lease_room, "PATIENCE_SECONDS", 1.5)
    with pytest.raises(LostError, match=r"The broker has not answered for 0\.025 minutes"):
        lease.prove()
    broker.start()
    with pytest.raises(LostError, match="The broker has not answered"):
        lease.prove()


def _away_for_long(settings: Settings, broker: Server, clock: Callable[[float], None]) -> Lease:
    """A lease that ran out while its holder asked for it again and again; the broker is down, and has kept its memory."""
    lease = Lease(settings, "source", "the first", LONG)
    assert lease.take() is None
    broker.client().delete("redis_backup:lock:source")
    broker.client().save()
    broker.kill()
    for _ in range(7):
        clock(LONG / 6)
        with pytest.raises(BrokerUnavailableError):
            lease.renew()
    return lease


@pytest.mark.parametrize("meanwhile", ["taken and given back", "given up", "forgotten"])
def test_who_was_as_long_without_a_broker_has_lost_where_it_may_have_changed_hands(
    meanwhile: str, settings: Settings, broker: Server, clock: Callable[[float], None]
) -> None:
    lease = _away_for_long(settings, broker, clock)
    broker.start()
    if meanwhile == "taken and given back":
        with logs.run("the second", "backup"), lock.held(settings, "source"):
            pass
    elif meanwhile == "given up":
        lock.give_up(settings, "the first", dead=False)
    else:
        broker.client().flushall()
    words = {
        "taken and given back": "Run the second has taken the place",
        "given up": "was taken for dead",
        "forgotten": "lost its memory",
    }
    with pytest.raises(LostError, match=words[meanwhile]):
        lease.prove()
    assert not broker.client().exists("redis_backup:lock:source")


def test_what_is_given_up_of_one_who_may_be_alive_is_free_when_its_time_is_over(
    settings: Settings, broker: Server
) -> None:
    lease = Lease(settings, "source", "the first", SECONDS)
    assert lease.take() is None
    lock.give_up(settings, "the first", dead=False)
    assert broker.client().exists("redis_backup:lock:source"), "until then it may be at work"
    assert not lease.renew()
    with logs.run("the second", "backup"), lock.held(settings, "source") as mine:
        assert (mine.number or 0) > (lease.number or 0)


def test_a_broker_that_was_taken_back_to_an_earlier_state_takes_nothing_away(
    settings: Settings, broker: Server
) -> None:
    with logs.run("the first", "backup"), lock.held(settings, "source"):
        earlier = {key: broker.client().get(key) for key in broker.client().scan_iter("redis_backup:*")}
    assert len(earlier) == 2
    with logs.run("the second", "backup"), lock.held(settings, "source") as lease:
        broker.client().mset(earlier)  # type: ignore[arg-type]
        assert lease.renew()
        assert broker.client().get("redis_backup:lock:source") == f"{lease.number} the second".encode()
        assert broker.client().get("redis_backup:fence:source") == f"{lease.number} the second".encode()


def test_a_broker_that_is_full_takes_no_lock_away(settings: Settings, broker: Server) -> None:
    lease = Lease(settings, "source", "the first", SECONDS)
    assert lease.take() is None
    broker.client().config_set("maxmemory", 1)
    for _ in range(5):
        assert lease.renew()
        time.sleep(SECONDS / 3)
    lease.prove()


def test_what_a_killed_run_held_can_be_freed_and_nothing_else(settings: Settings, broker: Server) -> None:
    for what, owner in (("source", "killed"), ("target", "alive")):
        assert Lease(settings, what, owner, SECONDS * 60).take() is None
    lock.give_up(settings, "killed", dead=True)
    assert list(broker.client().scan_iter("redis_backup:lock:*")) == [b"redis_backup:lock:target"]


def test_a_lock_is_taken_and_given_back_once_the_broker_is_there(settings: Settings, broker: Server) -> None:
    broker.kill()
    with lock.held(settings, "source", seconds=SECONDS) as lease:
        broker.start()
        eventually(lambda: broker.client().exists("redis_backup:lock:source"), "the lock")
        lease.prove()
    assert not broker.client().exists("redis_backup:lock:source")


def test_without_a_broker_there_is_no_lock_and_no_obstacle() -> None:
    settings = Settings(celery_broker_url=f"redis://:{CANARY}@127.0.0.1:1/0")
    with lock.held(settings, "source") as lease, lock.held(settings, "source"):
        lease.prove()


@pytest.mark.slow
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
