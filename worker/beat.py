"""Beat, which takes what is chosen of the schedule while it runs: neither a restart nor its own file is needed for it."""

import time
from typing import Any

import structlog
from celery.beat import PersistentScheduler

from worker.broker.choices import following
from worker.config.settings import Settings, load
from worker.timetable import timetable

log = structlog.get_logger()

LOOK_SECONDS = 15
"""How long a change takes to be seen, at most."""


class Scheduler(PersistentScheduler):  # type: ignore[misc]
    """Celery's own, with entries that follow the settings."""

    max_interval = LOOK_SECONDS

    def setup_schedule(self) -> None:
        """Begin by what is chosen now."""
        self._settings = self._look()
        self.app.conf.beat_schedule = timetable(self._settings)
        super().setup_schedule()

    def tick(self, *arguments: Any, **options: Any) -> float:
        """Send what is due, by what is chosen now: after how many seconds something may be due again."""
        if time.monotonic() - self._looked_at >= LOOK_SECONDS and (settings := self._look()) != self._settings:
            self._take(settings)
        seconds: float = super().tick(*arguments, **options)
        return seconds

    def _look(self) -> Settings:
        following.refresh(load())
        self._looked_at = time.monotonic()
        return load()

    def _take(self, settings: Settings) -> None:
        """A time of day that has passed today is one of tomorrow: nobody who chooses it asks for a backup at once."""
        before, self._settings = self._settings, settings
        self.merge_inplace(timetable(settings))
        if (settings.backup_daily_at, settings.tz) != (before.backup_daily_at, before.tz):
            self.schedule["daily"].last_run_at = self.schedule["daily"].default_now()
        # What is due when was reckoned by what was chosen before.
        self._heap = None
        self.sync()
        log.info("schedule_changed", revision=following.standing(settings).chosen.revision)
