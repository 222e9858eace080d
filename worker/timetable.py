"""What beat sends and when, by the settings: daily, by a promise of freshness, and every so often."""

from datetime import time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from celery.schedules import crontab

from worker.config.settings import Settings
from worker.notify.channels import channels
from worker.repository.behalf import Asker
from worker.segments.visits.pace import EVERY_SECONDS

Entries = dict[str, dict[str, Any]]


class Daily(crontab):  # type: ignore[misc]
    """A time of day in a time zone of its own: Celery's is one for the whole life of a process."""

    def __init__(self, at: time, zone: str) -> None:
        super().__init__(minute=str(at.minute), hour=str(at.hour))
        self.at, self.zone = at, zone

    @property
    def tz(self) -> tzinfo:
        """Where the days begin."""
        return ZoneInfo(self.zone)

    def __eq__(self, other: object) -> bool:
        """Whether it is the same time in the same zone."""
        return isinstance(other, Daily) and (other.at, other.zone) == (self.at, self.zone)

    def __hash__(self) -> int:
        """As `__eq__` has it."""
        return hash((self.at, self.zone))

    def __reduce__(self) -> tuple[type, tuple[time, str]]:
        """What beat keeps in its file."""
        return type(self), (self.at, self.zone)


def timetable(settings: Settings) -> Entries:
    """The entries by name, as Celery takes them."""
    entries: Entries = {
        "daily": {
            "task": "worker.tasks.backup",
            "schedule": Daily(settings.backup_daily_at, settings.tz),
            "options": {"headers": {"asked_by": str(Asker("beat", "daily"))}},
        },
        # A promise of freshness: it looks often, and does nothing while a young enough backup exists.
        "interval": {
            "task": "worker.tasks.backup",
            "schedule": timedelta(seconds=max(1, min(3600, settings.backup_every_hours * 3600 / 24))),
            # A little more than it says, so that it never races the daily backup of the same moment.
            "kwargs": {"unless_younger_than_hours": settings.backup_every_hours * 1.02},
            "options": {"headers": {"asked_by": str(Asker("beat", "interval"))}},
        },
        # So that the dashboard knows whether the source can be reached.
        "stats": {
            "task": "worker.tasks.stats",
            "schedule": timedelta(minutes=5),
            "options": {"headers": {"asked_by": str(Asker("beat", "stats"))}, "ignore_result": True},
        },
        # Somebody hears of what is wrong, and of what is over.
        "watch": _every("watch", minutes=1),
        # A run that was killed is known as such within 90 seconds: its lease runs out after 60.
        "reap": _every("reap", seconds=20),
    }
    if settings.backup_stream_seconds:
        entries |= _stream(settings)
    if settings.drill_every_days:
        # What is due is known by the notes beside the backups.
        entries["drills"] = _every("drills", minutes=30)
    if channels(settings):
        # Whatever could not be brought there before, and what nobody was called for.
        entries["notify"] = _every("notify", minutes=1)
    if settings.backup_copies:
        # What was missed while the broker or a storage was away is made up for.
        entries["copies"] = _every("catch_up", minutes=5)
    return entries


def _stream(settings: Settings) -> Entries:
    """One that nobody has taken when the next is due is not worth taking."""
    seconds = EVERY_SECONDS if settings.backup_stream == "listen" else settings.backup_stream_seconds
    return {
        "stream": {
            "task": f"worker.tasks.{settings.backup_stream}",
            "schedule": timedelta(seconds=seconds),
            "options": {"expires": max(1.0, seconds), "ignore_result": True},
        },
        # What could not go into storage when its hour was over.
        "seal": _every("seal", minutes=5),
    }


def _every(task: str, **span: int) -> dict[str, Any]:
    """One that is worth nothing once the next is due."""
    every = timedelta(**span)
    return {"task": f"worker.tasks.{task}", "schedule": every, "options": {"expires": int(every.total_seconds())}}
