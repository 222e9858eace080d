"""Beat as a process: what it sends and when, and how anybody knows that it lives."""

import json
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.backups import take
from tests.support.processes import CANARY, CELERY, Background, Ended, environment, eventually, run, with_password
from tests.support.servers import Server, binaries, free_port, running

HOUR = 1.0
SECONDS = 0.001
"""In hours: a promise so short that beat keeps it over and over while a test looks on."""


@dataclass
class Clockwork:
    """A broker, a source, and a worker; each test brings its own beat."""

    folder: Path
    broker: Server
    source: Server
    env: dict[str, str]

    @property
    def storage(self) -> Path:
        return self.folder / "backups"

    @property
    def backups(self) -> set[str]:
        return {path.name for path in self.storage.glob("*.manifest.json")}

    def results(self) -> list[Any]:
        """What tasks have returned since the test began."""
        client = self.broker.client(1)
        stored = [json.loads(client.get(key) or b"{}") for key in client.scan_iter("celery-task-meta-*")]
        return [meta["result"] for meta in stored if meta.get("status") == "SUCCESS"]

    @contextmanager
    def beat(self, every_hours: float, *, forked: bool = True, **settings: str) -> Iterator[Background]:
        """A beat that remembers nothing: its file lies in a folder of its own."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        env = self.env | {"BACKUP_EVERY_HOURS": str(every_hours)} | settings
        process = Background(*CELERY, "beat", env=env, cwd=folder, name="beat", forked=forked)
        try:
            yield process
        finally:
            process.stop()

    def heartbeat(self, role: str, **settings: str) -> Ended:
        return run(sys.executable, "-m", "worker.broker.heartbeat", role, env=self.env | settings, cwd=self.folder)


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clockwork]:
    folder, binary = tmp_path_factory.mktemp("clockwork"), binaries()[-1]
    with (
        running(binary, folder / "broker", password=CANARY) as broker,
        running(binary, folder / "source", password=CANARY) as source,
    ):
        source.client().set("key", "value")
        env = environment(
            REDIS_URL=source.url,
            CELERY_BROKER_URL=with_password(broker),
            CELERY_RESULT_BACKEND=with_password(broker)[:-1] + "1",
            BACKUP_STORAGE=str(folder / "backups"),
        )
        worker = Background(
            *CELERY, "worker", "--hostname", "jobs@%h", "--concurrency", "1", env=env, cwd=folder, name="worker"
        )
        try:
            worker.wait_until_it_says("ready.")
            yield Clockwork(folder, broker, source, env)
        finally:
            worker.stop()


@pytest.fixture
def clockwork(works: Clockwork) -> Clockwork:
    """The same, with no backup, no result and no sign of a beat."""
    for path in works.storage.glob("*"):
        path.unlink()
    works.broker.client(1).flushdb()
    works.broker.client().delete(f"redis_backup:alive:beat:{socket.gethostname()}")
    return works


def test_a_slot_that_was_missed_is_made_up_for_when_beat_starts(clockwork: Clockwork) -> None:
    with clockwork.beat(HOUR):
        eventually(lambda: clockwork.backups, "a backup")
        eventually(lambda: clockwork.heartbeat("beat").code == 0, "beat's sign of life")


def test_while_a_younger_backup_exists_nothing_is_done(clockwork: Clockwork) -> None:
    name = take(clockwork.source, clockwork.storage)["name"]
    with clockwork.beat(HOUR):
        skipped = eventually(lambda: [one for one in clockwork.results() if "skipped" in one], "an answer")[0]
    assert re.fullmatch(rf"{name} is younger than 1(\.\d+)? hours", skipped["skipped"])
    assert clockwork.backups == {f"{name}.manifest.json"}


def test_the_interval_fires_again_and_again(clockwork: Clockwork) -> None:
    with clockwork.beat(SECONDS, forked=False) as beat:
        eventually(lambda: len(clockwork.backups) >= 2, "a second backup")
        assert beat.process.poll() is None
        assert CANARY not in beat.said + beat.command_lines()
    assert {result["keys"] for result in clockwork.results() if "data_format" in result} == {1}


def test_a_beat_without_a_broker_says_so_and_lives_on(clockwork: Clockwork) -> None:
    nowhere = f"redis://:{CANARY}@127.0.0.1:{free_port()}/0"
    with clockwork.beat(HOUR, CELERY_BROKER_URL=nowhere, CELERY_RESULT_BACKEND=nowhere) as beat:
        beat.event("not_queued", task="worker.tasks.backup")
        assert beat.process.poll() is None
        assert CANARY not in beat.said


def test_each_role_is_heard_of_and_whoever_is_not_is_missed(clockwork: Clockwork) -> None:
    assert clockwork.heartbeat("jobs").code == 0
    nobody = clockwork.heartbeat("beat")
    assert (nobody.code, nobody.out) == (1, "")
    assert nobody.err == "beat has not been heard of for 45 seconds.\n"
    key = f"redis_backup:alive:jobs:{socket.gethostname()}"
    assert 0 < int(clockwork.broker.client().ttl(key)) <= 45


def test_without_a_broker_nobody_is_heard_of(clockwork: Clockwork) -> None:
    away = clockwork.heartbeat("beat", CELERY_BROKER_URL=f"redis://:{CANARY}@127.0.0.1:{free_port()}/0")
    assert (away.code, away.out, away.err) == (1, "", "The broker does not answer.\n")


def test_a_health_check_of_nobody_is_misused(clockwork: Clockwork) -> None:
    asked = run(sys.executable, "-m", "worker.broker.heartbeat", env=clockwork.env, cwd=clockwork.folder)
    assert asked.code == 2
    assert asked.err.startswith("usage: python -m worker.broker.heartbeat")


SCHEDULE = """
import json, celeryconfig
entries = celeryconfig.beat_schedule
daily, interval = entries["daily"], entries["interval"]
print(json.dumps({
    "names": sorted(entries), "tasks": sorted({entry["task"] for entry in entries.values()}),
    "hour": sorted(daily["schedule"].hour), "minute": sorted(daily["schedule"].minute), "zone": celeryconfig.timezone,
    "daily": daily.get("kwargs", {}),
    "seconds": interval["schedule"].total_seconds(), "interval": interval["kwargs"],
}))
"""


def test_daily_is_at_its_time_in_its_zone_and_the_interval_is_a_promise_of_freshness(tmp_path: Path) -> None:
    env = environment(BACKUP_DAILY_AT="04:30", TZ="Europe/Berlin", BACKUP_EVERY_HOURS="6")
    read = json.loads(subprocess.check_output([sys.executable, "-c", SCHEDULE], env=env, cwd=tmp_path))
    assert read["names"] == ["daily", "drills", "interval", "reap", "stats", "watch"]
    assert read["tasks"] == [f"worker.tasks.{name}" for name in ("backup", "drills", "reap", "stats", "watch")]
    assert (read["hour"], read["minute"], read["zone"]) == ([4], [30], "Europe/Berlin")
    assert 0 < read["seconds"] <= 3600, "it looks often"
    assert 6 <= read["interval"]["unless_younger_than_hours"] < 6.5
    assert read["daily"] == {}


def test_unless_told_otherwise_it_is_three_in_the_morning_and_once_a_day(tmp_path: Path) -> None:
    read = json.loads(subprocess.check_output([sys.executable, "-c", SCHEDULE], env=environment(), cwd=tmp_path))
    assert (read["hour"], read["minute"], read["zone"]) == ([3], [0], "UTC")
    assert 24 <= read["interval"]["unless_younger_than_hours"] < 26
