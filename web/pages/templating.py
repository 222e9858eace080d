"""How pages look: Bootstrap from its wheel, words and times for templates, light or dark."""

import re
from datetime import UTC, datetime
from typing import Any

from flask import Flask, redirect, request
from flask_bootstrap import Bootstrap5
from markupsafe import Markup
from werkzeug.wrappers import Response

from web.auth import needs
from web.pages import forms
from web.pages.login import local
from web.standing import standing
from web.wording import consequences, numbers, outcomes, runs, titles
from web.wording.keys import befallen, marked
from worker import __version__
from worker.config.settings import load_web
from worker.repository.manifest import Manifest

THEMES = {"auto": "As the system", "light": "Light", "dark": "Dark"}
_RUN = re.compile(r"\brun ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")
COOKIE, YEAR_SECONDS = "theme", 365 * 86400


def install(app: Flask) -> None:
    """Give templates what they need."""
    app.config["BOOTSTRAP_SERVE_LOCAL"] = True
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 3600
    Bootstrap5(app)
    for function in (
        numbers.size,
        numbers.number,
        numbers.counted,
        numbers.duration,
        numbers.listed,
        numbers.several,
        numbers.short,
        ago,
        at,
        due,
        until,
        prose,
        titled,
        moment,
        called,
        titles.unbroken,
        numbers.plain,
    ):
        app.jinja_env.filters[function.__name__] = function
    app.jinja_env.globals.update(
        titles=titles,
        telling=runs,
        of_keys=befallen,
        marked=marked.marked,
        outcomes=outcomes,
        forms=forms,
        risks=consequences.RISKS,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.context_processor(_everywhere)
    app.add_url_rule("/theme", view_func=choose_theme, methods=["POST"])


def theme() -> str:
    """What this browser has chosen."""
    chosen = request.cookies.get(COOKIE, "auto")
    return chosen if chosen in THEMES else "auto"


@needs("read")
def choose_theme() -> Response:
    """Light, dark, or as the system; then back to where that was asked for."""
    chosen = request.form.get("theme", "auto")
    answer = redirect(local(request.form.get("next", "")), 303)
    answer.set_cookie(
        COOKIE,
        chosen if chosen in THEMES else "auto",
        max_age=YEAR_SECONDS,
        httponly=True,
        samesite="Lax",
        secure=request.is_secure,
    )
    return answer


def _everywhere() -> dict[str, Any]:
    frame = {"theme": theme(), "themes": THEMES, "zone": load_web().tz, "version": __version__}
    return frame | {"alerted_now": lambda: standing(load_web())}


def ago(value: datetime | str | float | None) -> str:
    """`3 hours ago`, with the exact time for whoever points at it."""
    return _time(value, 'data-ago="" ', lambda moment: numbers.age(moment, datetime.now(UTC)))


def at(value: datetime | str | float | None) -> str:
    """The exact time in the time zone of the settings."""
    return _time(value, "", lambda moment: numbers.moment(moment, load_web().tz))


def titled(backup: Manifest) -> str:
    """What a person calls it: `Today 03:00`."""
    return titles.titled(backup, load_web().tz, datetime.now(UTC))


def called(name: str) -> str:
    """The same, where only the name of its file is known."""
    return titles.called(name, load_web().tz, datetime.now(UTC))


def moment(value: datetime) -> str:
    """The exact time as plain text, where no element may stand."""
    return numbers.moment(value, load_web().tz)


def due(value: datetime) -> str:
    """`in 8 s`, counted down where there is JavaScript."""
    return _time(value, 'data-due="" ', lambda moment: runs.due(moment, datetime.now(UTC)))


def until(milliseconds: int | None) -> str:
    """When a key expires, given in milliseconds since the epoch; None for one that never does."""
    if milliseconds is None:
        return "never"
    try:
        return at(milliseconds / 1000)
    except (ValueError, OverflowError, OSError):
        return f"{milliseconds:,} ms after 1970"


def prose(sentence: str) -> Markup:
    """A sentence in which what stands between backticks is something to type."""
    parts = [_linked(part) for part in str(sentence).split("`")]
    if len(parts) % 2 == 0:
        return _linked(str(sentence))
    typed = (f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))
    return Markup("".join(typed))  # noqa: S704 - every part is escaped


def _linked(text: str) -> Markup:
    """The text with names of files in one line, and a link in place of the id of a run."""
    parts = _RUN.split(text)
    link = Markup('<a href="/tasks/%s">this run</a>')
    return Markup("").join(link % part if number % 2 else titles.unbroken(part) for number, part in enumerate(parts))


def _time(value: datetime | str | float | None, more: str, shown: Any) -> str:
    moment = numbers.when(value)
    if moment is None:
        return numbers.NOTHING
    exact = numbers.moment(moment, load_web().tz)
    form = Markup(f'<time {more}datetime="{{}}" title="{{}}">{{}}</time>')  # noqa: S704 - what is filled in is escaped
    return form.format(moment.isoformat(timespec="seconds"), exact, shown(moment))
