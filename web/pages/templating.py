"""How pages look: Bootstrap from its wheel, words and times for templates, light or dark."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

from flask import Flask, redirect, request
from flask_bootstrap import Bootstrap5
from markupsafe import Markup
from werkzeug.wrappers import Response

from web.auth import needs
from web.pages import forms
from web.pages.login import local
from web.standing import standing
from web.wording import consequences, numbers, outcomes, runs, stream, titles
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
        retitled,
        story,
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
        of_stream=stream,
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
    return _prose(sentence, titles.unbroken)


def retitled(text: str) -> Markup:
    """A text in which backups are called by their day and time."""
    return titles.retitled(text, load_web().tz, datetime.now(UTC))


def story(sentence: str) -> Markup:
    """The same as prose, but for what is to be typed: what became of a run, in a list."""
    return _prose(sentence, retitled)


def _prose(sentence: str, files: Callable[[str], Markup]) -> Markup:
    parts = str(sentence).split("`")
    if len(parts) % 2 == 0:
        return _linked(str(sentence), files)
    typed = (Markup("<code>%s</code>") % _linked(part, titles.unbroken) for part in parts[1::2])
    said = [_linked(part, files) for part in parts[::2]]
    return Markup("").join(piece for pair in zip_longest(said, typed, fillvalue=Markup("")) for piece in pair)


def _linked(text: str, files: Callable[[str], Markup]) -> Markup:
    """The text with names of files as `files` shows them, and a link in place of the id of a run."""
    parts = _RUN.split(text)
    link = Markup('<a href="/tasks/%s">this run</a>')
    return Markup("").join(link % part if number % 2 else files(part) for number, part in enumerate(parts))


def _time(value: datetime | str | float | None, more: str, shown: Any) -> str:
    moment = numbers.when(value)
    if moment is None:
        return numbers.NOTHING
    exact = numbers.moment(moment, load_web().tz)
    form = Markup(f'<time {more}datetime="{{}}" title="{{}}">{{}}</time>')  # noqa: S704 - what is filled in is escaped
    return form.format(moment.isoformat(timespec="seconds"), exact, shown(moment))
