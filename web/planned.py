"""What is chosen of the schedule: each request goes by what was chosen last, and the admin changes it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Flask, g

from worker.backups import schedule
from worker.broker.choices import following, origins
from worker.broker.choices.following import Standing
from worker.config.settings import load_web

SECONDS = 2
"""A change that was made elsewhere is seen as soon as that."""


@dataclass(frozen=True)
class Planned:
    """The settings of the schedule as they count, and where each comes from."""

    standing: Standing
    rows: list[origins.Row]


def install(app: Flask) -> None:
    """Before each request of somebody who was let in."""
    app.before_request(_follow)


def planned() -> Planned:
    """As the broker has it now; one that was away a moment ago is not waited for again."""
    is_away = following.standing(load_web.said).away
    now = following.refresh(load_web.said, older_than=SECONDS if is_away else 0)
    return Planned(now, origins.rows(load_web.said, now.chosen))


def next_daily() -> datetime:
    """When the next daily backup is due."""
    return schedule.next_daily(load_web(), datetime.now(UTC))


def _follow() -> None:
    if g.get("identity") is not None:
        following.refresh(load_web.said, older_than=SECONDS)
