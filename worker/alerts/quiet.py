"""Times by the clock on the wall: when nobody is to be woken, and when the week is summed up. Pure."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from worker.config.fields import QuietTime, WeekTime
from worker.notify.message import Message


def is_quiet(quiet: QuietTime | None, zone: str, now: datetime) -> bool:
    """Whether it is a time of the day in which only what is bad is told. An hour that the clock repeats is quiet twice, and
    one that it skips never comes.
    """
    if quiet is None:
        return False
    clock = now.astimezone(ZoneInfo(zone)).time()
    if quiet.begins < quiet.ends:
        return quiet.begins <= clock < quiet.ends
    return clock >= quiet.begins or clock < quiet.ends


def waits(message: Message, quiet: QuietTime | None, zone: str, now: datetime) -> bool:
    """Whether it is not to be told yet."""
    return message.level != "bad" and is_quiet(quiet, zone, now)


def last_week_time(week: WeekTime, zone: str, now: datetime) -> datetime:
    """The last such moment at or before `now`, in UTC."""
    local = ZoneInfo(zone)
    day = now.astimezone(local).date() + timedelta(days=1)
    while True:
        moment = datetime.combine(day, week.at, local).astimezone(UTC)
        if day.weekday() == week.weekday and moment <= now:
            return moment
        day -= timedelta(days=1)
