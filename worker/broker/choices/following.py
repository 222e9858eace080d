"""Have a process go by what was chosen last. Where that cannot be read, by the last good choices that are known here.

Nobody waits long for it, nothing ends because of it, and it is told what is not as it should be.
"""

import time
from dataclasses import dataclass, replace

import structlog

from worker.broker.choices import store
from worker.broker.choices.store import UnreadableError
from worker.config.schedule import in_force
from worker.config.schedule.chosen import NOTHING, Chosen
from worker.config.settings import Settings
from worker.errors import BrokerUnavailableError, RefusedError

log = structlog.get_logger()

GOOD_SECONDS, WRITTEN_SECONDS = 7 * 24 * 3600, 3600
"""For how long this machine's memory of them is knowledge, and how exact it is about when it saw them."""
AGAIN_SECONDS = 10
"""A broker that was away is not waited for again sooner by whoever only shows something."""


@dataclass(frozen=True)
class Standing:
    """By what this process goes, and how it knows."""

    chosen: Chosen
    problem: str | None = None
    """Why these are not what was chosen last, or may not be, in sentences."""
    known: bool = True
    """Whether anything is known of what was chosen."""
    away: bool = False
    """Whether that is because the broker does not answer."""
    at: float = 0.0
    """When it was read, on the monotonic clock."""

    @property
    def warning(self) -> str | None:
        """The problem, unless it is one that is told of anyway, and changes nothing."""
        return None if self.away and self.known else self.problem


_standings: dict[str, Standing] = {}


def standing(settings: Settings) -> Standing:
    """As it was when this process last asked."""
    return _standings.get(settings.celery_broker_url) or replace(_remembered(settings), known=True)


def refresh(settings: Settings, older_than: float = 0) -> Standing:
    """Go by what the broker holds now, unless that was asked less than so many seconds ago. It never raises."""
    last = _standings.get(settings.celery_broker_url)
    if last is not None and older_than:
        patience = max(older_than, AGAIN_SECONDS) if last.problem else older_than
        if time.monotonic() - last.at < patience:
            return last
    now = _look(settings, last)
    if now.problem and (last is None or last.problem != now.problem):
        log.warning("schedule_unread", why=now.problem)
    go_by(settings, now)
    return now


def go_by(settings: Settings, now: Standing) -> None:
    """Have this process go by these, and this machine remember them where they were read."""
    broker, folder = settings.celery_broker_url, settings.backup_state
    age = in_force.age_seconds(broker, folder)
    is_old = age is None or age > WRITTEN_SECONDS
    if now.problem is None and (is_old or now.chosen != in_force.remembered(broker, folder)):
        in_force.remember(broker, folder, now.chosen)
    in_force.go_by(broker, now.chosen)
    _standings[broker] = now


def read(chosen: Chosen) -> Standing:
    """As it is right after these were read, or written."""
    return Standing(chosen, at=time.monotonic())


def require(settings: Settings) -> None:
    """Whoever deletes by what was chosen must know it. RefusedError where a broker is set that could tell, and did not."""
    if not standing(settings).known and "celery_broker_url" in settings.model_fields_set:
        raise RefusedError(
            "How many backups are to be kept may have been chosen, and the broker that knows it does not tell: nothing was "
            "deleted. Try again when it answers."
        )


def forget() -> None:
    """As a process that has only begun."""
    _standings.clear()


def _look(settings: Settings, last: Standing | None) -> Standing:
    known = last if last is not None and last.known else _remembered(settings)
    stored, problem, away = None, None, False
    try:
        stored = store.read(settings)
    except (BrokerUnavailableError, UnreadableError) as error:
        problem, away = str(error), isinstance(error, BrokerUnavailableError)
    if stored is None and problem is None and known.chosen.revision:
        problem = f"The broker has lost what was chosen for the schedule ({known.chosen.revision:,} changes)."
    if problem is None:
        return read(stored or NOTHING)
    if known.known:
        goes_by = "What was known here last still counts; saving the schedule anew puts it right."
    else:
        goes_by = "Nothing is known here of what was chosen: the environment and the defaults count."
    return Standing(known.chosen, f"{problem} {goes_by}", known.known, away, time.monotonic())


def _remembered(settings: Settings) -> Standing:
    """By this machine, which knows it where it has seen it of late."""
    broker, folder = settings.celery_broker_url, settings.backup_state
    age = in_force.age_seconds(broker, folder)
    return Standing(in_force.remembered(broker, folder) or NOTHING, known=age is not None and age < GOOD_SECONDS)
