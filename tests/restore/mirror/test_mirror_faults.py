"""A mirror that is cut, at each step: the target is a primary again, whole, with the old data or the new, and we say which."""

import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.backups import asking, eventually, kill_myself, killed, settings_for, take
from tests.support.processes import CELERY, PYTHON, Background, Sent, environment, sender
from tests.support.servers import Binary, Server, running
from tests.support.states import State, state
from worker.arguments.restore import RestoreArguments
from worker.broker import connection
from worker.config.settings import Settings
from worker.errors import BackupSystemError, BusyError, TargetError, TargetUnavailableError
from worker.progress import silent
from worker.restore.mirror import handover, recovery, replicate
from worker.restore.mirror.password import digest
from worker.restore.mirror.primary import Primary
from worker.restore.mirror.promotion import Demotion, end
from worker.restore.mirror.recovery import remembered
from worker.restore.mirror.watchdog import Watchdog
from worker.restore.restore import restore
from worker.runs import reaper
from worker.runs.liveness import lease_key
from worker.runs.reaper import Means
from worker.runs.run import new
from worker.runs.store import open_runs
from worker.server.endpoint import TARGET, Endpoint

# So slow that loading is a step of its own, in which the server still answers.
SLOWLY = ("--key-load-delay", "3000", "--loading-process-events-interval-bytes", "1024", "--hz", "100")
STEPS = ["reading", "sending", "sent", "loading"]
OLD_UNTIL = {"reading", "sending"}
each_step = pytest.mark.parametrize("step", STEPS)


@dataclass
class Mirror:
    """A target with data of its own, and a backup of another server that it is to become."""

    target: Server
    settings: Settings
    old: State
    new: State

    @property
    def role(self) -> str:
        return str(self.target.client().info("replication")["role"])

    def run(self, step: str, then: Callable[[], object]) -> dict[str, Any]:
        """Restore, and do something once when it comes to that step."""
        left = [then]

        def progress(phase: str, current: int, total: int | None, unit: str) -> None:
            if left and step in (phase, "sent" if phase == "sending" and current == total else phase):
                left.pop()()

        return restore(self.settings, RestoreArguments(name="latest", mode="mirror"), progress)

    def fails(self, step: str, then: Callable[[], object]) -> BackupSystemError:
        with pytest.raises(BackupSystemError) as caught:
            self.run(step, then)
        return caught.value

    def check(self, told: str = "", *, still_old: bool = False) -> None:
        """It is a primary, and holds the one or the other; what is told of it, if anything is, is true."""
        assert eventually(lambda: not self.target.client().info("persistence")["loading"])
        assert eventually(lambda: self.role == "master")
        assert eventually(lambda: self.target.client().config_get("masterauth") == {"masterauth": ""})
        now = state(self.target)
        assert now in ((self.old,) if still_old else (self.old, self.new))
        if "is a primary again" in told:
            assert re.findall("holds (the backup|what it held before|what it had saved before)", told) in (
                [["the backup"]] if now == self.new else [["what it held before"], ["what it had saved before"]]
            )
        self.target.client().set("it takes writes", "x")

    def completes(self) -> None:
        """The same once more, undisturbed."""
        self.settings = self.settings.model_copy(update={"redis_url": self.target.url})
        report = self.run("", lambda: None)
        assert (report["way"], state(self.target), self.role) == ("replication", self.new, "master")


@dataclass
class Taken:
    """A backup, and what it holds."""

    storage: Path
    holds: State


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Binary], Taken]:
    """One backup for all mirrors into servers of a kind: they only read it."""

    @cache
    def made_by(binary: Binary) -> Taken:
        folder = tmp_path_factory.mktemp("taken")
        with running(binary, folder / "redis") as source:
            source.client().mset({f"key:{number}": "x" for number in range(120)})
            # Before 7.0 a server that loads answers every two megabytes.
            source.client().mset({f"big:{number}": os.urandom(1 << 19) for number in range(16)})
            take(source, folder / "backups", compression="none")
            return Taken(folder / "backups", state(source))

    return made_by


def made(binary: Binary, start_server: StartServer, taken: Taken) -> Mirror:
    target = start_server(binary, *(SLOWLY if binary.version >= (7, 0) else SLOWLY[:2]))
    target.client().mset({f"old:{number}": "x" for number in range(300)})
    target.client(5).set("text", "mine")
    target.client().save()
    settings = settings_for(target, taken.storage, backup_undo_days=0)
    return Mirror(target, settings, state(target), taken.holds)


@pytest.fixture
def mirror(newest: Binary, start_server: StartServer, taken: Callable[[Binary], Taken]) -> Mirror:
    return made(newest, start_server, taken(newest))


def demotion(**told: Any) -> Demotion:
    """Of a target that is no replica of ours any more."""
    usual: dict[str, Any] = {"run": None, "target": None, "address": "there", "host": "127.0.0.1", "port": 1}
    return Demotion(**{**usual, "replication_id": "a" * 40, "keys": 0, "expiring": 0, **told})


@pytest.mark.sweep
@each_step
def test_our_process_is_killed(step: str, mirror: Mirror) -> None:
    assert killed(lambda: mirror.run(step, kill_myself))
    mirror.check(still_old=step in OLD_UNTIL)
    if step == "sending":
        mirror.completes()


def test_our_process_is_killed_when_all_is_loaded(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "_prove", lambda *_: kill_myself())
    assert killed(lambda: mirror.run("", lambda: None))
    mirror.check()
    assert mirror.target.client().exists("key:1") == 1


@pytest.mark.sweep
@pytest.mark.parametrize("step", ["sending", "loading"])
def test_with_each_server(
    step: str,
    binary: Binary,
    start_server: StartServer,
    taken: Callable[[Binary], Taken],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mirror = made(binary, start_server, taken(binary))
    assert killed(lambda: mirror.run(step, kill_myself))
    mirror.check(still_old=step in OLD_UNTIL)
    monkeypatch.setattr(handover, "AWAY_SECONDS", 0.3)
    mirror.fails(step, mirror.target.kill)
    mirror.target.start()
    assert eventually(lambda: not mirror.target.client().info("persistence")["loading"])
    mirror.completes()


@each_step
def test_our_connection_to_the_target_is_cut(step: str, mirror: Mirror) -> None:
    def cut() -> None:
        asking(mirror.target).execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    error = mirror.fails(step, cut)
    assert isinstance(error, TargetUnavailableError)
    assert ("is a primary again" in str(error)) == (step != "reading")
    # The file goes its own way, and may have arrived before this was noticed.
    mirror.check(str(error), still_old=step == "reading")


@pytest.mark.parametrize("step", ["sending", "sent", "loading"])
def test_the_connection_of_the_target_to_us_is_cut(step: str, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    primaries: list[Primary] = []

    class Watched(Primary):
        def __init__(self, bind: str, port: int) -> None:
            super().__init__(bind, port)
            primaries.append(self)

    monkeypatch.setattr(replicate, "Primary", Watched)
    told = ""
    try:
        mirror.run(step, lambda: primaries[0].__exit__(None, None, None))
    except TargetError as error:
        told = str(error)
    # A target that has the file may have loaded it before anybody noticed.
    assert "is a primary again" in told or (step in ("sent", "loading") and state(mirror.target) == mirror.new)
    mirror.check(told, still_old=step in OLD_UNTIL)


@each_step
def test_the_target_is_killed(step: str, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "AWAY_SECONDS", 0.3)
    error = mirror.fails(step, mirror.target.kill)
    assert isinstance(error, TargetUnavailableError)
    assert ("It does not answer" in str(error)) == (step != "reading")
    mirror.target.start()
    mirror.check(still_old=step in OLD_UNTIL)
    if step == "loading":
        mirror.completes()


@pytest.mark.parametrize("step", ["sending", "loading"])
def test_a_target_that_is_killed_and_started_at_once_is_told_by_what_it_holds(step: str, mirror: Mirror) -> None:
    def restart() -> None:
        mirror.target.kill()
        mirror.target.start()

    error = mirror.fails(step, restart)
    assert "is a primary again. It was started anew meanwhile" in str(error)
    mirror.check(str(error), still_old=step in OLD_UNTIL)


def test_a_target_that_was_started_anew_with_as_many_keys_as_both_is_not_guessed(
    newest: Binary, start_server: StartServer
) -> None:
    server = start_server(newest)
    server.client().mset({"a": "x", "b": "x"})
    said = demotion(keys=2, server="another", backup_keys=2)
    told = end(Endpoint(server.url, TARGET), said, 0)
    assert (told or "").endswith("holds the backup, or what it had saved before: run the restore again.")


@each_step
def test_somebody_else_has_taken_our_place(step: str, mirror: Mirror) -> None:
    def lost() -> None:
        raise BusyError("Another run is at work there.")

    error = mirror.fails(step, lost)
    assert isinstance(error, BusyError)
    assert str(error).startswith("Another run is at work there.")
    mirror.check(str(error), still_old=step in OLD_UNTIL)


def test_stopped_by_hand_is_no_way_to_leave_a_replica(mirror: Mirror) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mirror.run("sending", interrupted)
    mirror.check(still_old=True)


def test_a_target_that_loads_from_the_wire_is_not_kept_waiting_when_it_is_stopped(mirror: Mirror) -> None:
    asking(mirror.target).execute_command("CONFIG", "SET", "repl-diskless-load", "swapdb")
    asking(mirror.target).execute_command("CONFIG", "SET", "repl-timeout", "3600")

    def stopped() -> None:
        raise BusyError("Stopped.")

    # It reads from us and from nobody else meanwhile.
    error = mirror.fails("sending", stopped)
    assert "is a primary again, and holds what it held before." in str(error)
    mirror.check(str(error), still_old=True)


class Nobody(Watchdog):
    """One that is killed together with what it watches over."""

    def watch(self, url: str, demotion: Demotion) -> None:
        super().watch(url, demotion)
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()


def test_a_password_that_a_killed_one_has_left_is_taken_back_and_nobody_elses(mirror: Mirror) -> None:
    client, endpoint = mirror.target.client(), Endpoint(mirror.target.url, TARGET)
    said = demotion(password=digest(b"of one use"))
    for left, kept in (("of one use", ""), ("her own", "her own")):
        client.config_set("masterauth", left)
        assert end(endpoint, said, 0) is not None
        assert client.config_get("masterauth") == {"masterauth": kept}


def test_our_process_is_killed_while_the_target_has_a_password_of_ours(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Primary, "let_in", lambda *_: kill_myself())
    assert killed(lambda: mirror.run("", lambda: None))
    mirror.check(still_old=True)


@pytest.fixture
def abandoned(mirror: Mirror, start_server: StartServer, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    """A target that was left a replica: all that knows of it is the broker."""
    memory = start_server(mirror.target.binary)
    mirror.settings = mirror.settings.model_copy(update={"celery_broker_url": memory.url})
    monkeypatch.setattr(replicate, "Watchdog", Nobody)
    assert killed(lambda: mirror.run("sending", kill_myself))
    assert mirror.role == "slave"
    (demotion,) = remembered(mirror.settings)
    assert demotion.address == f"127.0.0.1:{mirror.target.port}"
    return mirror


def test_the_reaper_ends_what_was_left(abandoned: Mirror) -> None:
    assert reaper.reap(abandoned.settings, [], Means(lambda _: None, recovery.end_left)) == []
    abandoned.check()
    assert remembered(abandoned.settings) == []


def _a_minute_later(settings: Settings) -> None:
    """Whatever the killed one held has run out."""
    with connection.client(settings) as client:
        client.delete(*client.keys(f"{connection.PREFIX}lock:*"))


def test_the_next_restore_ends_what_was_left_and_says_so(abandoned: Mirror) -> None:
    _a_minute_later(abandoned.settings)
    report = restore(abandoned.settings, RestoreArguments(name="latest"), silent)
    assert re.match("A mirror that was killed is ended. .* holds what it held before.", report["warnings"][0])
    assert (abandoned.role, remembered(abandoned.settings)) == ("master", [])
    assert report["restored"] > 0


def test_a_target_that_is_away_is_ended_when_it_is_back(abandoned: Mirror) -> None:
    target = abandoned.target
    target.kill()
    assert reaper.reap(abandoned.settings, [], Means(lambda _: None, recovery.end_left)) == []
    assert len(remembered(abandoned.settings)) == 1
    target.start()
    # It came back as a primary; had it not, it would be one now.
    target.client().replicaof("127.0.0.1", str(remembered(abandoned.settings)[0].port))
    with open_runs(abandoned.settings) as runs:
        (demotion,) = remembered(abandoned.settings)
        run = new("a-run", "restore", {}, "a test").model_copy(update={"state": "INTERRUPTED", "error": "Killed."})
        runs.put(run)
        recovery.remember(abandoned.settings, replace(demotion, run=run.id))
        reaper.reap(abandoned.settings, [], Means(lambda _: None, recovery.end_left))
        ended = runs.get(run.id)
    assert ended is not None
    assert re.fullmatch(r"Killed\. The target at .* is a primary again\. .* holds .*", ended.error or "")
    abandoned.check(ended.error or "")
    assert remembered(abandoned.settings) == []


def test_a_target_that_has_another_primary_by_now_is_not_ours_to_touch(
    abandoned: Mirror, start_server: StartServer
) -> None:
    primary = start_server(abandoned.target.binary)
    abandoned.target.client().replicaof("127.0.0.1", str(primary.port))
    reaper.reap(abandoned.settings, [], Means(lambda _: None, recovery.end_left))
    assert (abandoned.role, remembered(abandoned.settings)) == ("slave", [])


def test_a_mirror_that_is_alive_is_left_alone(abandoned: Mirror) -> None:
    (demotion,) = remembered(abandoned.settings)
    recovery.remember(abandoned.settings, replace(demotion, run="alive"))
    with open_runs(abandoned.settings) as runs:
        assert runs.liveness.stay_alive("alive")
    reaper.reap(abandoned.settings, [], Means(lambda _: None, recovery.end_left))
    assert abandoned.role == "slave"
    with connection.client(abandoned.settings) as client:
        client.delete(lease_key("alive"))
    reaper.reap(abandoned.settings, [], Means(lambda _: None, recovery.end_left))
    abandoned.check()


def test_a_run_of_a_shell_that_was_killed_says_what_became_of_the_target(
    mirror: Mirror, start_server: StartServer, tmp_path: Path
) -> None:
    broker_of_it = start_server(mirror.target.binary)
    settings = mirror.settings.model_copy(update={"celery_broker_url": broker_of_it.url})
    env = environment(
        REDIS_URL=mirror.target.url,
        BACKUP_STORAGE=settings.backup_storage,
        CELERY_BROKER_URL=broker_of_it.url,
        BACKUP_UNDO_DAYS="0",
    )
    process = Background(*PYTHON, "restore", "latest", "--mode", "mirror", "--yes", env=env, cwd=tmp_path)
    try:
        assert eventually(lambda: bool(mirror.target.client().info("persistence")["loading"]))
        # With all of its group; who watches over the mirror has one of its own.
        os.killpg(process.process.pid, signal.SIGKILL)
        mirror.check()
    finally:
        process.stop()
    with open_runs(settings) as known:
        (run,) = known.unfinished()
        broker_of_it.client().delete(lease_key(run.id))
        (ended,) = reaper.reap(settings, [], Means(lambda _: None, recovery.end_left))
    assert ended.state == "INTERRUPTED"
    assert "Its process was killed" in (ended.error or "")
    assert (ended.error or "").endswith("is a primary again, and holds the backup.")


def test_a_worker_makes_a_mirror_and_may_be_killed_in_the_next(
    mirror: Mirror, start_server: StartServer, tmp_path: Path
) -> None:
    memory = start_server(mirror.target.binary)
    env = environment(
        REDIS_URL=mirror.target.url,
        BACKUP_STORAGE=mirror.settings.backup_storage,
        CELERY_BROKER_URL=memory.url,
        CELERY_RESULT_BACKEND=memory.url,
        BACKUP_UNDO_DAYS="0",
    )
    worker, app = Background(*CELERY, "worker", env=env, cwd=tmp_path), sender(env)
    try:
        worker.wait_until_it_says("ready.")
        asked = {"name": "latest", "mode": "mirror"}
        report = Sent(app.send_task("worker.tasks.restore", kwargs=asked).id, memory).result()
        assert (report["way"], state(mirror.target)) == ("replication", mirror.new)
        app.send_task("worker.tasks.restore", kwargs=asked)
        assert eventually(lambda: bool(mirror.target.client().info("persistence")["loading"]))
    finally:
        worker.stop()
    mirror.check()
