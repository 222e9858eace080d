"""Workers and beat that run go by what is chosen, without a restart, and by the last good choices where nobody can tell."""

from datetime import UTC, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.schedule.test_choices import chosen
from tests.support.backups import dated
from tests.support.dashboard import Web, working
from tests.support.processes import CELERY, Background, eventually
from web import jobs
from worker.arguments.backups import PruneArguments
from worker.beat import LOOK_SECONDS, Scheduler
from worker.broker.choices import store
from worker.celery import app
from worker.config.schedule.chosen import NOTHING
from worker.config.schedule.plan import Value
from worker.runs.run import Run
from worker.runs.store import open_runs


def pruned(web: Web) -> Run:
    """What came of a prune that the dashboard has asked for."""
    with web.app.app_context():
        identity = jobs.ask("prune", PruneArguments(), "admin")

    def ended() -> Run | None:
        with open_runs(web.settings) as runs:
            run = runs.get(identity)
        return run if run is not None and run.ended else None

    run: Run = eventually(ended, "the prune")
    return run


def test_a_worker_that_runs_keeps_as_many_as_are_chosen_and_never_fewer_because_of_garbage(web_app: Web) -> None:
    for hours in range(1, 11):
        dated(web_app.settings, hours, asked_by="beat daily")
    store.write(web_app.settings, NOTHING, chosen(1, backup_keep=9))
    with working(web_app):
        assert len(pruned(web_app).value["kept"]) == 9
        web_app.broker.client().set(store.KEY, b"garbage")
        assert len(pruned(web_app).value["kept"]) == 9
        store.write(web_app.settings, chosen(1), chosen(2, backup_keep=8))
        assert len(pruned(web_app).value["kept"]) == 8


def test_a_worker_that_has_never_read_the_choices_deletes_nothing(web_app: Web) -> None:
    for hours in range(1, 11):
        dated(web_app.settings, hours, asked_by="beat daily")
    web_app.broker.client().set(store.KEY, b"garbage")
    with working(web_app):
        run = pruned(web_app)
    assert run.state == "FAILURE"
    assert "nothing was deleted" in str(run.error)
    assert len(list(web_app.storage.glob("*.manifest.json"))) == 10


@pytest.fixture
def scheduler(web_app: Web, tmp_path: Path) -> Scheduler:
    """Beat's own, with nothing due."""
    made = Scheduler(app, schedule_filename=str(tmp_path / "beat-schedule"))
    made.tick()
    assert web_app.settings.backup_daily_at == time(3, 0)
    return made


def look(scheduler: Scheduler) -> None:
    """As if the time for another look had come."""
    scheduler._looked_at -= LOOK_SECONDS
    scheduler.tick()


def test_beat_takes_another_time_interval_and_zone_with_nothing_sent_for_it(web_app: Web, scheduler: Scheduler) -> None:
    now = datetime.now(UTC)
    passed = (now.astimezone(ZoneInfo("Asia/Tokyo"))).replace(second=0)
    values: dict[str, Value] = {
        "backup_daily_at": f"{passed:%H:%M}",
        "tz": "Asia/Tokyo",
        "backup_every_hours": 6,
        "drill_every_days": 0,
    }
    store.write(web_app.settings, NOTHING, chosen(1, **values))
    look(scheduler)
    daily, interval = scheduler.schedule["daily"], scheduler.schedule["interval"]
    assert (daily.schedule.at, daily.schedule.zone) == (time(passed.hour, passed.minute), "Asia/Tokyo")
    assert interval.kwargs["unless_younger_than_hours"] == pytest.approx(6.12)
    assert "drills" not in scheduler.schedule
    is_due, seconds = daily.is_due()
    assert not is_due
    assert 23 * 3600 < seconds <= 24 * 3600
    assert web_app.broker.client().llen("jobs") == 0


def test_a_beat_that_begins_goes_by_what_is_chosen_and_not_by_its_file(
    web_app: Web, scheduler: Scheduler, tmp_path: Path
) -> None:
    scheduler.close()
    store.write(web_app.settings, NOTHING, chosen(1, backup_daily_at="04:30"))
    begun = Scheduler(app, schedule_filename=str(tmp_path / "beat-schedule"))
    assert begun.schedule["daily"].schedule.at == time(4, 30)


def test_beat_goes_on_by_what_it_knew_while_nobody_can_tell(web_app: Web, scheduler: Scheduler) -> None:
    store.write(web_app.settings, NOTHING, chosen(1, backup_daily_at="04:30"))
    look(scheduler)
    web_app.broker.client().set(store.KEY, b"garbage")
    look(scheduler)
    assert scheduler.schedule["daily"].schedule.at == time(4, 30)


@pytest.mark.slow
def test_a_beat_that_runs_sends_the_daily_backup_at_the_time_that_was_chosen_since(
    web_app: Web, tmp_path: Path
) -> None:
    beat = Background(*CELERY, "beat", env=web_app.env | {"BACKUP_EVERY_HOURS": "24"}, cwd=tmp_path, name="beat")
    try:
        eventually(lambda: web_app.broker.client().llen("jobs") == 1, "what beat asks for at its start")
        soon = datetime.fromtimestamp(datetime.now(UTC).timestamp() + 90, UTC)
        store.write(web_app.settings, NOTHING, chosen(1, backup_daily_at=f"{soon:%H:%M}"))
        beat.event("schedule_changed", revision=1)

        def sent() -> list[Run]:
            with open_runs(web_app.settings) as runs:
                return [run for run in runs.each("backup") if run.asked_by == "beat daily"]

        eventually(sent, "the daily backup", seconds=150)
    finally:
        beat.stop()
