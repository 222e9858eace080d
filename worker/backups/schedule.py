"""When the next backups are due: pure, computed from the backups that exist and not from a scheduler's memory."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from worker.config.settings import Settings


def next_daily(settings: Settings, now: datetime) -> datetime:
    """The next time of day BACKUP_DAILY_AT in TZ after `now`, in UTC.

    In the hour that a clock change skips or repeats, zoneinfo's rule holds: the first one, or the one before the change.
    """
    zone = ZoneInfo(settings.tz)
    day = now.astimezone(zone).date()
    while True:
        due = datetime.combine(day, settings.backup_daily_at, zone).astimezone(UTC)
        if due > now:
            return due
        day += timedelta(days=1)


def slot(settings: Settings, now: datetime) -> datetime:
    """The last planned moment of the daily backup at or before `now`, in UTC; a beat is a little late, never early."""
    planned = next_daily(settings, now - timedelta(days=2))
    while (later := next_daily(settings, planned)) <= now:
        planned = later
    return planned


def next_interval(settings: Settings, newest: datetime | None, now: datetime) -> datetime:
    """When the newest backup becomes older than BACKUP_EVERY_HOURS; now, when it is already or there is none."""
    return now if newest is None else max(now, newest + timedelta(hours=settings.backup_every_hours))
