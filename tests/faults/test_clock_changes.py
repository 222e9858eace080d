"""A beat through both changes of the clock: one daily backup for each day, none doubled, none lost.

| fault | moment | outcome |
|---|---|---|
| an hour is skipped | the planned time lies in it, or at its edge | one backup for each day |
| an hour is repeated | the same | one backup for each day |

Beat is a real one whose clock is set, an hour at a time and by ten minutes at night, and waits for it to have looked at
the clock each time. The worker lives in our own time.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.conftest import StartServer
from tests.faults.programs import Clock, needs_faketime
from tests.faults.sweeps import sweep
from tests.support.processes import CELERY, Background, environment, eventually
from tests.support.servers import Binary, Server
from worker.backups.schedule import next_daily
from worker.config.settings import Settings

ZONE = ZoneInfo("Europe/Berlin")
NIGHT = range(5)


def change(name: str) -> datetime:
    """The next one that is surely still to come: the last Sunday of March or October, at 1:00 UTC."""
    month, year = (3 if name == "spring" else 10), datetime.now(UTC).year + 1
    last = datetime(year, month, 31, 1, tzinfo=UTC)
    return last - timedelta(days=(last.weekday() + 1) % 7)


def steps(middle: datetime) -> Iterator[datetime]:
    """From the evening two days before to the noon of the day after."""
    moment, end = middle - timedelta(hours=30), middle + timedelta(hours=35)
    while moment < end:
        yield moment
        moment += timedelta(minutes=10) if moment.hour in NIGHT else timedelta(hours=1)


def _planned(settings: Settings, moments: list[datetime]) -> set[str]:
    found, due = set[str](), next_daily(settings, moments[0])
    while due <= moments[-1]:
        found.add(due.isoformat())
        due = next_daily(settings, due)
    return found


def _jump(clock: Clock, moment: datetime, server: Server, beat: Background) -> None:
    """Set the clock, and wait for beat to look at it: `reap` is due by then, and nobody takes it off its queue here."""
    client: Any = server.client()
    seen = client.llen("quick")
    clock.set(moment)
    eventually(lambda: client.llen("quick") > seen, lambda: f"beat to look:\n{beat.said}")


def _slots(server: Server) -> set[str]:
    """Those that a run of the worker has taken."""
    client: Any = server.client()
    keys: list[bytes] = client.keys("redis_backup:slot:daily *")
    return {key.decode().removeprefix("redis_backup:slot:daily ") for key in keys}


@pytest.mark.slow
@sweep("daily_at", ["02:30", "02:00", "03:00"])
@pytest.mark.parametrize("season", ["spring", "autumn"])
def test_each_day_around_a_change_of_the_clock_has_one_backup(
    season: str, daily_at: str, newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    needs_faketime()
    server, moments = start_server(newest), list(steps(change(season)))
    server.client().set("key", "value")
    settings = {"BACKUP_DAILY_AT": daily_at, "TZ": ZONE.key, "BACKUP_STORAGE": str(tmp_path / "backups")}
    urls = {"REDIS_URL": server.url, "CELERY_BROKER_URL": server.url, "CELERY_RESULT_BACKEND": server.url}
    env = environment(**settings, **urls, BACKUP_KEEP="50")
    clock = Clock(tmp_path, moments[0])
    worker = Background(
        *CELERY, "worker", "--queues", "jobs", "--concurrency", "1", env=env, cwd=tmp_path, name="worker"
    )
    beat = Background(
        *CELERY, "beat", "beat.max_loop_interval=(float)0.05", env=clock.env(env), cwd=tmp_path, name="beat"
    )
    try:
        worker.wait_until_it_says("ready.")
        for moment in moments:
            _jump(clock, moment, server, beat)
        expected = _planned(Settings(backup_daily_at=time.fromisoformat(daily_at), tz=ZONE.key), moments)
        eventually(lambda: _slots(server) >= expected, lambda: f"{expected}, not {_slots(server)}:\n{worker.said}")
        eventually(lambda: server.client().llen("jobs") == 0, "no backup to wait any more")
    finally:
        beat.stop()
    try:
        assert len(expected) == 3
        assert _slots(server) == expected
        # The first was made up for when beat began.
        made = tmp_path / "backups"
        eventually(lambda: len(list(made.glob("*.manifest.json"))) == len(expected) + 1, lambda: worker.said)
    finally:
        worker.process.terminate()
        worker.process.wait(30)
        worker.stop()
    assert len(list(made.glob("*.manifest.json"))) == len(expected) + 1
