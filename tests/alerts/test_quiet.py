"""Times by the clock on the wall, over the days on which that changes."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.alerts.given import NOW
from worker.alerts.quiet import is_quiet, last_week_time, waits
from worker.config.fields import QuietTime, WeekTime
from worker.notify.message import Level, Message

BERLIN = "Europe/Berlin"
NIGHT, NOON = QuietTime(time(22), time(7)), QuietTime(time(12), time(13, 30))
SPRING, AUTUMN = datetime(2025, 3, 30, tzinfo=ZoneInfo(BERLIN)), datetime(2025, 10, 26, tzinfo=ZoneInfo(BERLIN))
"""The days of these on which the clock goes from 2 to 3, and from 3 to 2."""


def quiet_minutes(quiet: QuietTime, begins: datetime) -> int:
    """Of the 24 hours from then on."""
    since = begins.astimezone(UTC)
    return sum(is_quiet(quiet, BERLIN, since + timedelta(minutes=minute)) for minute in range(24 * 60))


@pytest.mark.parametrize(
    ("clock", "night", "noon"),
    [
        ("21:59", False, False),
        ("22:00", True, False),
        ("00:00", True, False),
        ("06:59", True, False),
        ("07:00", False, False),
        ("12:00", False, True),
        ("13:29", False, True),
        ("13:30", False, False),
    ],
)
def test_it_begins_and_ends_by_the_clock_also_over_midnight(clock: str, night: bool, noon: bool) -> None:
    now = datetime.combine(datetime(2025, 7, 1).date(), time.fromisoformat(clock), ZoneInfo(BERLIN)).astimezone(UTC)
    assert (is_quiet(NIGHT, BERLIN, now), is_quiet(NOON, BERLIN, now)) == (night, noon)
    assert not is_quiet(None, BERLIN, now)


@pytest.mark.parametrize(("day", "hours"), [(SPRING, 8), (AUTUMN, 10), (SPRING + timedelta(days=7), 9)])
def test_a_night_in_which_the_clock_changes_is_as_long_as_it_is(day: datetime, hours: int) -> None:
    assert quiet_minutes(NIGHT, day - timedelta(hours=12)) == hours * 60


@pytest.mark.parametrize(
    ("quiet", "day", "minutes"),
    [
        (QuietTime(time(2, 10), time(2, 50)), SPRING, 0),
        (QuietTime(time(2, 10), time(2, 50)), AUTUMN, 80),
        (QuietTime(time(1, 30), time(3, 30)), SPRING, 60),
        (QuietTime(time(1, 30), time(3, 30)), AUTUMN, 180),
    ],
)
def test_an_hour_that_is_skipped_never_comes_and_one_that_is_repeated_is_quiet_twice(
    quiet: QuietTime, day: datetime, minutes: int
) -> None:
    assert quiet_minutes(quiet, day) == minutes


@pytest.mark.parametrize(("level", "wait"), [("bad", False), ("warning", True), ("good", True), ("info", True)])
def test_only_what_is_bad_is_told_in_it(level: Level, wait: bool) -> None:
    message = Message(event="a.b", level=level, sentence="It is so.", path="/", at=NOW, key="a")
    midnight = datetime(2025, 7, 1, 23, tzinfo=UTC)
    assert waits(message, NIGHT, "UTC", midnight) is wait
    assert not waits(message, NIGHT, "UTC", midnight + timedelta(hours=10))


MONDAY = WeekTime(0, time(9))


@pytest.mark.parametrize(
    ("now", "last"),
    [
        ("2025-11-03 07:59", "2025-10-27 08:00"),
        ("2025-11-03 08:00", "2025-11-03 08:00"),
        ("2025-11-09 23:00", "2025-11-03 08:00"),
        ("2025-10-26 23:30", "2025-10-20 07:00"),
    ],
)
def test_a_week_is_summed_up_at_its_hour_in_summer_and_winter(now: str, last: str) -> None:
    moment = datetime.fromisoformat(f"{now}+00:00")
    assert last_week_time(MONDAY, BERLIN, moment) == datetime.fromisoformat(f"{last}+00:00")


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC)),
    st.integers(0, 6),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
)
def test_the_last_such_moment_is_within_the_last_week(now: datetime, weekday: int, at: time) -> None:
    last = last_week_time(WeekTime(weekday, at), BERLIN, now)
    assert timedelta(0) <= now - last <= timedelta(days=7, hours=1)
    assert last == last_week_time(WeekTime(weekday, at), BERLIN, last)
