"""When the next backups are due, clock changes and all."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.backups.schedule import next_daily, next_interval, slot
from worker.config.settings import Settings

BERLIN = ZoneInfo("Europe/Berlin")
SPRING, AUTUMN = datetime(2024, 3, 31).date(), datetime(2024, 10, 27).date()


def at(time_of_day: str, zone: str = "Europe/Berlin") -> Settings:
    return Settings(backup_daily_at=time.fromisoformat(time_of_day), tz=zone)


def runs(settings: Settings, since: datetime, until: datetime) -> list[datetime]:
    """Every due moment, each computed from the one before."""
    found, now = [], since
    while (now := next_daily(settings, now)) < until:
        found.append(now)
    return found


@pytest.mark.parametrize("time_of_day", ["00:00", "01:59", "02:00", "02:30", "02:59", "03:00", "23:59"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"])
def test_every_day_of_a_year_has_exactly_one_run(time_of_day: str, zone: str) -> None:
    local = ZoneInfo(zone)
    since = datetime(2024, 1, 1, tzinfo=local).astimezone(UTC) - timedelta(seconds=1)
    days = [due.astimezone(local).date() for due in runs(at(time_of_day, zone), since, since + timedelta(days=366))]
    assert days == [datetime(2024, 1, 1).date() + timedelta(days=number) for number in range(366)]


def test_in_the_hour_that_spring_skips_the_run_comes_when_it_is_over() -> None:
    (due,) = runs(at("02:30"), datetime(2024, 3, 30, 12, tzinfo=UTC), datetime(2024, 3, 31, 12, tzinfo=UTC))
    assert due == datetime(2024, 3, 31, 1, 30, tzinfo=UTC)
    assert due.astimezone(BERLIN).date() == SPRING


def test_in_the_hour_that_autumn_repeats_the_run_comes_the_first_time_only() -> None:
    (due,) = runs(at("02:30"), datetime(2024, 10, 26, 12, tzinfo=UTC), datetime(2024, 10, 27, 12, tzinfo=UTC))
    assert due == datetime(2024, 10, 27, 0, 30, tzinfo=UTC)
    assert due.astimezone(BERLIN).date() == AUTUMN


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_asked_at_any_minute_of_such_a_day_the_answer_is_the_same_run(day: datetime) -> None:
    settings = at("02:30")
    start = datetime(day.year, day.month, day.day, tzinfo=BERLIN).astimezone(UTC) - timedelta(seconds=1)
    due = next_daily(settings, start)
    after = next_daily(settings, due)
    for minute in range(26 * 60):
        now = start + timedelta(minutes=minute)
        if now < after:
            assert next_daily(settings, now) == (due if now < due else after)


def test_the_moment_itself_is_over() -> None:
    due = datetime(2024, 1, 1, 2, 0, tzinfo=UTC)
    assert next_daily(at("03:00"), due - timedelta(seconds=1)) == due
    assert next_daily(at("03:00"), due) == due + timedelta(days=1)


@pytest.mark.slow
@given(
    now=st.datetimes(datetime(2000, 1, 1), datetime(2050, 1, 1), timezones=st.just(UTC)),
    time_of_day=st.times(),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Africa/Casablanca", "Pacific/Apia"]),
)
def test_the_next_run_lies_ahead_and_within_two_days(now: datetime, time_of_day: time, zone: str) -> None:
    settings = Settings(backup_daily_at=time_of_day, tz=zone)
    due = next_daily(settings, now)
    assert now < due <= now + timedelta(days=2)
    assert due.tzinfo is UTC


def test_an_interval_is_counted_from_the_newest_backup() -> None:
    now = datetime(2024, 1, 2, tzinfo=UTC)
    settings = Settings(backup_every_hours=6)
    assert next_interval(settings, None, now) == now
    assert next_interval(settings, now - timedelta(hours=2), now) == now + timedelta(hours=4)
    assert next_interval(settings, now - timedelta(hours=20), now) == now


def test_the_slot_of_a_moment_is_the_last_planned_one() -> None:
    settings = at("03:00", "UTC")
    three = datetime(2024, 5, 2, 3, tzinfo=UTC)
    assert slot(settings, three) == three
    assert slot(settings, three + timedelta(hours=23, minutes=59)) == three
    assert slot(settings, three - timedelta(seconds=1)) == three - timedelta(days=1)


@given(st.datetimes(datetime(2024, 1, 1), datetime(2025, 1, 1)), st.sampled_from(["00:00", "02:30", "23:59"]))
def test_no_planned_moment_lies_between_a_slot_and_its_moment(naive: datetime, time_of_day: str) -> None:
    settings, now = at(time_of_day), naive.replace(tzinfo=UTC)
    planned = slot(settings, now)
    assert planned <= now < next_daily(settings, planned)
