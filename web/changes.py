"""The forms: each is checked as the task would check it, asks a worker, and leads to the page of the run."""

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from flask import g, redirect, request, url_for
from werkzeug.wrappers import Response

from web import answers, forms, jobs, look
from web.auth import needs
from web.backups import show_backup, show_backups, show_review
from web.history import show_undo
from web.pages import Answer, pages, show_schedule, show_system
from web.searching import asked_for, show_search
from worker import catalogue, tasks
from worker.config import load_web
from worker.errors import BackupSystemError, NotFoundError, UsageError
from worker.storage import open_storage

YEAR_SECONDS = 365 * 86400
Show = Callable[[str, int], Answer]


def _known(name: str) -> str:
    """The same name. NotFoundError where it is that of no backup."""
    return catalogue.get(open_storage(load_web().backup_storage), name).name


def _ask(ask: Callable[[str], str], again: Show) -> Response | Answer:
    """Queue a task for whoever is there, and go to its page; where that cannot be, show the form with the reason."""
    try:
        identity = ask(g.identity.name)
    except NotFoundError:
        raise
    except BackupSystemError as error:
        return again(str(error), answers.status_of(error))
    return redirect(url_for("pages.run", identity=identity), 303)


@pages.post("/backups/create")
@needs("backup")
def create() -> Response | Answer:
    """Make a backup."""

    def ask(who: str) -> str:
        return jobs.ask(tasks.backup, forms.arguments(tasks.BackupArguments, request.form), who)

    return _ask(ask, show_backups)


@pages.post("/backups/<name>/verify")
@needs("backup")
def verify(name: str) -> Response | Answer:
    """Read a backup to its end."""

    def ask(who: str) -> str:
        return jobs.ask(tasks.verify, tasks.VerifyArguments(name=_known(name)), who)

    return _ask(ask, partial(show_backup, name))


@pages.post("/backups/<name>/restore")
@needs("restore")
def restore(name: str) -> Response | Answer:
    """Restore a backup; over live keys only when its name was typed in."""
    try:
        told = forms.arguments(tasks.RestoreArguments, request.form, name=name)
        told.endpoint(load_web())
    except UsageError as error:
        return show_backup(name, str(error), 400)

    def ask(who: str) -> str:
        if told.mode != "skip":
            forms.confirm(request.form, _known(name), "overwrite live keys with it")
        return jobs.ask(tasks.restore, told.model_copy(update={"name": _known(name)}), who)

    return _ask(ask, partial(show_review, name, told))


@pages.post("/backups/<name>/preview")
@needs("read")
def preview(name: str) -> Response | Answer:
    """Find out what a restore would do to what is there now."""

    def ask(who: str) -> str:
        told = forms.arguments(tasks.PreviewArguments, request.form, name=_known(name))
        told.endpoint(load_web())
        return jobs.ask(tasks.preview, told, who)

    return _ask(ask, partial(show_backup, name))


@pages.post("/tasks/<identity>/undo")
@needs("restore")
def undo(identity: str) -> Response | Answer:
    """Undo a restore."""

    def ask(who: str) -> str:
        return jobs.ask(tasks.undo, forms.arguments(tasks.UndoArguments, request.form, run=identity), who)

    return _ask(ask, partial(show_undo, identity))


@pages.post("/search")
@needs("read")
def look_for() -> Response | Answer:
    """Look for a key in all backups and in the source."""

    def ask(who: str) -> str:
        return jobs.ask(tasks.search, asked_for(request.form), who)

    return _ask(ask, show_search)


@pages.post("/backups/<name>/delete")
@needs("restore")
def delete(name: str) -> Response | Answer:
    """Delete a backup whose name was typed in."""

    def ask(who: str) -> str:
        forms.confirm(request.form, _known(name), "delete it")
        return jobs.ask(tasks.delete, tasks.DeleteArguments(name=_known(name)), who)

    return _ask(ask, partial(show_backup, name))


@pages.post("/schedule/prune")
@needs("restore")
def prune() -> Response | Answer:
    """Delete what retention gives up."""
    return _ask(lambda who: jobs.ask(tasks.prune, tasks.PruneArguments(), who), show_schedule)


@pages.post("/system/ask")
@needs("read")
def ask_source() -> Response | Answer:
    """Ask the source for its facts and rights anew."""
    return _ask(lambda who: jobs.ask_once(tasks.ping, tasks.PingArguments(), who), show_system)


@pages.post("/theme")
@needs("read")
def theme() -> Response:
    """Light, dark, or as the system; then back to where that was asked for."""
    chosen = request.form.get("theme", "auto")
    answer = redirect(_here(request.form.get("next", "")), 303)
    answer.set_cookie(
        look.COOKIE,
        chosen if chosen in look.THEMES else "auto",
        max_age=YEAR_SECONDS,
        httponly=True,
        samesite="Lax",
        secure=request.is_secure,
    )
    return answer


def _here(path: str) -> str:
    """A path of ours; browsers take `//` and a backslash for the beginning of another host."""
    parts: Any = urlsplit(path)
    ours = path.startswith("/") and not parts.netloc and "\\" not in path and not path.startswith("//")
    return path if ours else url_for("pages.overview")
