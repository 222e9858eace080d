"""What the replication stream tells: what happened when, and each write to a key; the places to go back to lead to their forms."""

from collections.abc import Callable
from itertools import islice
from typing import Any

from flask import g, redirect, request, url_for
from werkzeug.wrappers import Response

from web import errors, jobs
from web.activity import as_seen, recall, remember
from web.auth import needs, needs_scope_of
from web.pages import forms
from web.pages.dashboard import Answer, pages
from web.pages.misfits import NOT_SHOWN, rendered
from web.wording import stream as wording
from worker.arguments.stream import HappenedArguments, WritesArguments
from worker.config.settings import load_web
from worker.errors import BackupSystemError, NotFoundError, UsageError
from worker.runs.run import Run
from worker.runs.store import Runs

RECENT, LONGEST_ID = 5, 100


@pages.get("/stream")
@needs("read")
def stream() -> Answer:
    """The look that the address names, and what may be asked."""
    return show_stream()


def show_stream(error: str | None = None, status: int = 200) -> Answer:
    """The page, with what went wrong."""
    settings, identity = load_web(), request.values.get("look", "")[:LONGEST_ID]

    def ask(runs: Runs) -> tuple[Run | None, list[Run]]:
        known = runs.get(identity) if identity else None
        look = as_seen(known, runs.ours) if known and known.operation == "happened" else None
        return look, list(islice(runs.ours.each("writes"), RECENT))

    answer, away = recall(settings, ask)
    look, recent = answer or (None, [])
    value = look.value if look is not None and isinstance(look.value, dict) else {}
    facts = {
        "wording": wording,
        "drawn": wording.picture(value),
        "recent": recent,
        "form": request.form or forms.fields(look.arguments if look else {}),
        "memory": remember(settings),
        "visited": bool(settings.backup_stream_seconds),
        "away": away,
    }
    bare: dict[str, Any] = {"look": None, "value": {}, "drawn": None, "error": NOT_SHOWN}
    shown = rendered("stream.html", bare, look=look, value=value, error=error, **facts)
    return shown, 503 if away else status


def _ask(ask: Callable[[], str], then: Callable[[str], str]) -> Response | Answer:
    try:
        identity = ask()
    except NotFoundError:
        raise
    except BackupSystemError as error:
        return show_stream(str(error), errors.status_of(error))
    return redirect(then(identity), 303)


@pages.post("/stream/happened")
@needs_scope_of("happened")
def stream_happened() -> Response | Answer:
    """Ask what happened in a span."""

    def ask() -> str:
        arguments = forms.arguments(HappenedArguments, request.form, prefixes="prefixes" in request.form)
        return jobs.ask("happened", arguments, g.identity.name)

    return _ask(ask, lambda identity: url_for("pages.stream", look=identity))


@pages.post("/stream/writes")
@needs_scope_of("writes")
def stream_writes() -> Response | Answer:
    """Ask for the writes to a key."""

    def ask() -> str:
        if not request.form.get("key", "").strip():
            raise UsageError("Please say which key: its name in full.")
        arguments = forms.arguments(WritesArguments, request.form, show="show" in request.form)
        return jobs.ask("writes", arguments, g.identity.name)

    return _ask(ask, lambda identity: url_for("pages.run", identity=identity))


@pages.get("/stream/happened")
@pages.get("/stream/writes")
@needs("read")
def stream_again() -> Response:
    """A form that was shown with what is wrong, and reloaded by its address."""
    return redirect(url_for("pages.stream"), 303)
