"""What runs when, what the next prune would delete, and the settings behind that, which the admin can change."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flask import g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from web import errors
from web.activity import remember
from web.auth import needs
from web.pages import forms
from web.pages.dashboard import Answer, Stored, pages, part, stored
from web.pages.forecast import NUMBERS, Forecast, forecast
from web.planned import Planned, planned
from web.wording.pictures import calendar
from worker.arguments.schedule import ScheduleArguments
from worker.backups import schedule
from worker.backups.choosing import GivesUpError, change
from worker.backups.retention.emptying import doubtful, due
from worker.config.settings import WebSettings, load_web
from worker.errors import BackupSystemError

DECISIONS_PER_PAGE = 100
PERIODS = ("keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly")
WORDS = {
    "daily_at": "Time of the daily backup",
    "every_hours": "No backup older than, in hours",
    "tz": "Time zone",
    "drill_every_days": "Days between rehearsals; 0: none",
    **NUMBERS,
    **{name: f"{NUMBERS[name]}, the newest of each" for name in PERIODS},
}
"""The fields of the form, and what they are called."""


@dataclass(frozen=True)
class Asked:
    """What somebody has typed into the form, and what the next prune would delete by it; nothing of both where nobody has."""

    form: dict[str, str] = field(default_factory=dict)
    gives_up: list[str] = field(default_factory=list)


@pages.get("/schedule")
@needs("read")
def plan() -> str:
    """What runs when."""
    return show_schedule()[0]


@pages.post("/schedule")
@needs("schedule")
def choose() -> Response | Answer:
    """Choose other settings of the schedule."""
    typed = {name: request.form.get(name, "") for name in WORDS}
    try:
        change(load_web.said, forms.arguments(ScheduleArguments, request.form), g.identity.name)
    except GivesUpError as error:
        return show_schedule(None, errors.status_of(error), Asked(typed, error.names))
    except BackupSystemError as error:
        return show_schedule(str(error), errors.status_of(error), Asked(typed))
    return redirect(url_for("pages.plan", _anchor="settings"), 303)


def show_schedule(error: str | None = None, status: int = 200, asked: Asked | None = None) -> Answer:
    """What runs when, and what the next prune would delete."""
    known, now = planned(), datetime.now(UTC)
    settings = load_web()
    memory, contents = remember(settings), stored(settings)
    newest = contents.newest(settings)
    expected = forecast(settings, contents.listed, contents.undos, now)
    return render_template(
        "schedule.html",
        settings=settings,
        memory=memory,
        daily=schedule.next_daily(settings, now),
        interval=schedule.next_interval(settings, newest.created_at if newest else None, now),
        last=memory.planned,
        known=known,
        words=WORDS,
        asked=asked or Asked(),
        lasting=_lasting(known, expected),
        contents=contents,
        error=error,
        **_becoming(settings, contents, expected, now),
    ), status


def _becoming(settings: WebSettings, contents: Stored, expected: Forecast, now: datetime) -> dict[str, Any]:
    """What becomes of each backup by that forecast."""
    policy, decisions = expected.policy, expected.decisions
    given_up = {decision.manifest.name for decision in decisions if not decision.keep}
    to_trash = given_up & contents.unpinned if settings.backup_trash_days else frozenset[str]()
    doomed = [decision for decision in decisions if not decision.keep and decision.manifest.name not in to_trash]
    return {
        "forecast": expected,
        "months": calendar.months(decisions, settings.tz),
        "weekdays": calendar.WEEKDAYS,
        "part": part(decisions, DECISIONS_PER_PAGE),
        "decisions": len(decisions),
        "doomed": len(doomed),
        "doomed_bytes": sum(decision.manifest.bytes.stored for decision in doomed),
        "to_trash": to_trash,
        "due": due(contents.listed, contents.trash, policy, now),
        "doubtful": doubtful(contents.listed, contents.trash, policy, now),
    }


def _lasting(known: Planned, expected: Forecast) -> dict[str, Any]:
    """The form that would have it so from now on: what is chosen, with the numbers that are asked for."""
    values = {row.name: row.value for row in known.rows if row.origin == "chosen"}
    free = {row.name for row in known.rows if row.origin != "environment"}
    return values | {name: number for name, number in expected.asked.items() if name in free}
