"""Thirty days at a glance: each state of a day, in the time zone of the settings."""

from datetime import UTC, date, datetime, timedelta

from web.wording.pictures.day_strip import Past, State, days

NOW = datetime(2025, 11, 3, 12, 0, tzinfo=UTC)
PROMISE = timedelta(hours=26)


def at(days_ago: float, hour: int = 3) -> datetime:
    return (NOW - timedelta(days=days_ago)).replace(hour=hour)


def states(past: Past, count: int = 5, zone: str = "UTC") -> list[State]:
    return [day.state for day in days(past, NOW, zone, count)]


def test_thirty_days_end_today() -> None:
    strip = days(Past([], [], running=False, promise=PROMISE), NOW, "UTC")
    assert (len(strip), strip[0].day, strip[-1].day) == (30, date(2025, 10, 5), date(2025, 11, 3))
    assert {day.state for day in strip} == {"nothing"}
    assert strip[-1].text == "Mon 3 Nov: nothing due"


def test_a_day_with_a_backup_is_ok_and_one_without_is_overdue() -> None:
    past = Past([at(4), at(3), at(0)], [], running=False, promise=PROMISE)
    assert states(past) == ["ok", "ok", "overdue", "overdue", "ok"]
    assert days(past, NOW, "UTC", 5)[2].text == "Sat 1 Nov: overdue"


def test_before_the_first_backup_nothing_was_due() -> None:
    assert states(Past([at(1, 20)], [], running=False, promise=PROMISE)) == [
        "nothing",
        "nothing",
        "nothing",
        "ok",
        "nothing",
    ]


def test_a_failure_counts_until_a_backup_follows_on_the_same_day() -> None:
    past = Past([at(2, 1), at(1, 5)], [at(2, 3), at(1, 3), at(0)], running=False, promise=PROMISE)
    assert states(past, 3) == ["failed", "ok", "failed"]
    assert days(past, NOW, "UTC", 2)[0].text == "Sun 2 Nov: 1 backup, 1 failed"


def test_today_runs_while_a_backup_runs() -> None:
    strip = days(Past([at(1)], [at(0)], running=True, promise=PROMISE), NOW, "UTC", 3)
    assert [day.state for day in strip] == ["nothing", "ok", "running"]
    assert strip[-1].text == "Mon 3 Nov: running now, 1 failed"


def test_today_is_held_up_while_the_source_is_away_or_a_backup_is_tried_again() -> None:
    strip = days(Past([at(1), at(0)], [], running=True, promise=PROMISE, held=True), NOW, "UTC", 2)
    assert [day.state for day in strip] == ["ok", "held"]
    assert strip[-1].text == "Mon 3 Nov: held up, 1 backup"


def test_a_weekly_promise_leaves_days_with_nothing_due() -> None:
    past = Past([at(4)], [], running=False, promise=timedelta(days=7))
    assert states(past) == ["ok", "nothing", "nothing", "nothing", "nothing"]


def test_a_day_begins_at_midnight_of_its_own_time_zone() -> None:
    made = [datetime(2025, 11, 2, 23, 30, tzinfo=UTC)]
    past = Past(made, [], running=False, promise=PROMISE)
    assert states(past, 2, "Europe/Berlin") == ["nothing", "ok"]
    assert states(past, 2, "America/New_York") == ["ok", "nothing"]
    # The day on which the clocks go back has 25 hours: none of them is lost.
    late = Past([datetime(2025, 10, 26, 22, 59, tzinfo=UTC)], [], running=False, promise=PROMISE)
    assert next(day for day in days(late, NOW, "Europe/Berlin") if day.day == date(2025, 10, 26)).state == "ok"
