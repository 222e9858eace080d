"""What is wrong, since when, and what to do; what was wrong; and how nobody is told of something for a while."""

from datetime import UTC, datetime

from flask import g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from web import errors, jobs
from web.auth import needs, needs_scope_of
from web.pages import forms
from web.pages.dashboard import Answer, pages, part
from web.standing import Standing, standing
from worker.alerts import memory
from worker.arguments.alerts import SilenceArguments
from worker.config.settings import load_web
from worker.errors import BackupSystemError, BrokerUnavailableError

HOURS = {"4": "4 hours", "24": "a day", "168": "a week", "720": "30 days"}
"""For how long an alert is silenced, by the hours."""


@pages.get("/alerts")
@needs("read")
def alerts() -> str:
    """What is wrong, and what was."""
    return show_alerts()[0]


def show_alerts(error: str | None = None, status: int = 200) -> Answer:
    """The same, with what went wrong."""
    settings, now = load_web(), datetime.now(UTC)
    known = standing(settings)
    try:
        history = memory.history(settings) if known.away is None else []
    except BrokerUnavailableError as error_of_broker:
        known, history = Standing(away=str(error_of_broker)), []
    return render_template(
        "alerts.html",
        known=known,
        history=part(history),
        is_stale=known.memory is None or not known.memory.is_recent(now),
        hours=HOURS,
        settings=settings,
        error=error,
    ), status


@pages.post("/alerts/silence")
@needs_scope_of("silence")
def silence() -> Response | Answer:
    """Tell nobody of an alert for a while, or do so again."""
    try:
        arguments = forms.arguments(SilenceArguments, request.form)
        identity = jobs.ask("silence", arguments, g.identity.name)
    except BackupSystemError as error:
        return show_alerts(str(error), errors.status_of(error))
    return redirect(url_for("pages.run", identity=identity), 303)


@pages.get("/alerts/silence")
@needs("read")
def silence_asked_again() -> Response:
    """The form, reloaded by its address: the page that it is on."""
    return redirect(url_for("pages.alerts"), 303)
