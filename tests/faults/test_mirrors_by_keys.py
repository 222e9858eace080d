"""A mirror key by key that is broken off: every key is as it was or as in the backup, we say how far it came, and the same
again completes it.

| fault | moment | outcome of the first | outcome of the second |
|---|---|---|---|
| our process is killed | reading, writing, deleting, anywhere | INTERRUPTED, a mixture of old and new | complete |
| the target is killed | writing, deleting | failed, with counts | complete |
| the connection is cut | writing, deleting | failed, with counts | complete |
"""

import os
import random
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.faults.fixtures import WireTo
from tests.faults.line import Line
from tests.faults.moments import After, Asked, Moment, Reply
from tests.faults.scenes import by_way_of
from tests.faults.sweeps import sweep
from tests.support.backups import each_format
from tests.support.processes import PYTHON, Background, environment, eventually
from tests.support.servers import Binary, Server
from tests.support.states import State, assert_same, state
from worker.arguments.backups import BackupArguments
from worker.arguments.restore import RestoreArguments
from worker.backups.backup import backup
from worker.config.settings import Settings
from worker.errors import TargetUnavailableError
from worker.progress import silent
from worker.restore.mirror import recovery
from worker.restore.restore import restore
from worker.runs import reaper
from worker.runs.liveness import lease_key
from worker.runs.reaper import Means
from worker.runs.store import open_runs

KEYS = 3000
SURVIVING = ("--appendonly", "yes", "--appendfsync", "always")
# A replica that takes writes would lose them, so such a target is written key by key.
BY_KEYS = ("--replica-read-only", "no")
MIRROR = RestoreArguments(name="latest", mode="mirror")


@dataclass
class Mirror:
    """A target with data of its own, a backup that it is to become, and the way between us."""

    target: Server
    line: Line
    broker: Server
    storage: Path
    backed_up: State
    old: dict[bytes, bytes] = field(default_factory=dict)
    new: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        told = {"celery_broker_url": self.broker.url, "celery_result_backend": self.broker.url}
        return by_way_of(self.line, self.storage, **told, backup_undo_days=0)

    @property
    def now(self) -> dict[bytes, bytes]:
        client: Any = self.target.client()
        keys = client.keys("*")
        return dict(zip(keys, client.mget(keys), strict=True)) if keys else {}

    def check_mixture(self) -> None:
        """No key is lost that the backup has, or that nobody has deleted yet; and none has a value of neither."""
        now = self.now
        for key, value in now.items():
            assert value in (self.old.get(key), self.new.get(key)), key
        # What the backup does not have goes last, once all of it is written.
        if not self.old.keys() <= now.keys():
            assert self.new.items() <= now.items()

    def fails(self) -> str:
        with pytest.raises(TargetUnavailableError) as caught:
            restore(self.settings, MIRROR, silent)
        assert re.fullmatch(r"[A-Z][^\n]*[.?]", str(caught.value))
        return str(caught.value)

    def completes(self) -> None:
        self.line.heal()
        report = restore(self.settings, MIRROR, silent)
        assert (report["way"], report["failed"]) == ("keys", 0)
        assert_same(self.backed_up, state(self.target))


Make = Callable[[str], Mirror]


@pytest.fixture
def mirror(newest: Binary, start_server: StartServer, wire_to: WireTo, tmp_path: Path) -> Make:
    def make(data_format: str) -> Mirror:
        target, broker = start_server(newest, *SURVIVING, *BY_KEYS), start_server(newest)
        client = target.client()
        client.mset({f"key:{number}": f"value {number}" for number in range(KEYS)})
        made = Mirror(target, wire_to(target), broker, tmp_path / "storage", state(target))
        backup(made.settings, BackupArguments.model_validate({"format": data_format}), silent)
        made.new = made.now
        client.mset({f"key:{number}": "since" for number in range(0, KEYS, 2)})
        client.delete(*(f"key:{number}" for number in range(1, KEYS, 4)))
        client.mset({f"other:{number}": "x" for number in range(1000)})
        made.old = made.now
        return made

    return make


def writing(data_format: str) -> bytes:
    return b"RESTORE" if data_format == "rdb" else b"SET"


def moments(data_format: str) -> dict[str, Moment]:
    command = writing(data_format)
    return {
        "at the first key": Asked(command, 3),
        "in the middle": Reply(command, 1200),
        "looking for others": Asked(b"SCAN", 2),
        # The first only asks whether it may.
        "deleting": Reply(b"UNLINK", 2),
    }


@pytest.mark.sweep
@pytest.mark.slow
@each_format
@pytest.mark.parametrize("moment", moments("rdb"))
def test_our_process_is_killed(moment: str, data_format: str, mirror: Make, tmp_path: Path) -> None:
    made = mirror(data_format)
    killed_at(made, moments(data_format)[moment], tmp_path)
    ended(made)
    made.check_mixture()
    made.completes()


@pytest.mark.slow
@each_format
@pytest.mark.parametrize("seed", range(10))
def test_our_process_is_killed_at_any_moment(seed: int, data_format: str, mirror: Make, tmp_path: Path) -> None:
    made = mirror(data_format)
    count = random.Random(seed).randrange(5, 15_000)  # noqa: S311
    killed_at(made, After(count), tmp_path)
    made.check_mixture()
    made.completes()


def killed_at(made: Mirror, moment: Moment, folder: Path) -> None:
    """A restore of the shell, with all of its group, ends at that moment."""
    settings = made.settings
    env = environment(
        REDIS_URL=settings.redis_url,
        CELERY_BROKER_URL=settings.celery_broker_url,
        CELERY_RESULT_BACKEND=settings.celery_result_backend,
        BACKUP_STORAGE=settings.backup_storage,
        BACKUP_UNDO_DAYS="0",
        BACKUP_PACE="full",
    )
    pids: list[int] = []
    fault = made.line.call(moment, lambda: os.killpg(pids[0], signal.SIGKILL))
    process = Background(*PYTHON, "restore", "latest", "--mode", "mirror", "--yes", env=env, cwd=folder)
    pids.append(process.process.pid)
    try:
        fault.wait()
        assert process.process.wait(30) == -signal.SIGKILL
    finally:
        process.stop()
    eventually(lambda: made.line.connections == 0, "its connections to be over")
    # A minute later: whatever the killed one held has run out.
    client: Any = made.broker.client()
    for name in (*client.keys("redis_backup:lock:*"), *client.keys("redis_backup:fence:*")):
        client.delete(name)


def ended(made: Mirror) -> None:
    """The run that was killed is known as such, and what to do is said."""
    with open_runs(made.settings) as runs:
        (run,) = runs.unfinished()
        made.broker.client().delete(lease_key(run.id))
    (over,) = reaper.reap(made.settings, [], Means(lambda _: None, recovery.end_left))
    assert (over.operation, over.state) == ("restore", "INTERRUPTED")
    assert "Its process was killed" in (over.error or "")
    assert "again" in (over.error or "")


@sweep("data_format", ["rdb", "json"])
@sweep("moment", ["deleting", "in the middle", "looking for others"])
@sweep("fault", ["cut", "killed"])
def test_the_target_goes_away(fault: str, moment: str, data_format: str, mirror: Make) -> None:
    made = mirror(data_format)
    when = moments(data_format)[moment]
    happened = made.line.call(when, made.target.kill) if fault == "killed" else made.line.cut(when)
    told = made.fails()
    assert happened.happened
    assert re.search(r"Until then: .*[Rr]un (the same|the restore) again to complete it", told)
    if fault == "killed":
        made.target.start()
        eventually(lambda: not made.target.client().info("persistence")["loading"], "the target to have loaded")
    made.check_mixture()
    made.completes()
