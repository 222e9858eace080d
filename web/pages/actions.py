"""The forms: each is checked as the task would check it, asks a worker, and leads to the page of the run."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from flask import g, redirect, request, url_for
from pydantic import BaseModel
from werkzeug.wrappers import Response

from web import errors, jobs, lookup
from web.auth import needs, needs_scope_of
from web.pages import forms
from web.pages.backups import show_backup, show_backups, show_review
from web.pages.dashboard import Answer, pages, show_system
from web.pages.runs import show_undo
from web.pages.schedule import show_schedule
from web.pages.search import asked_for, show_search
from worker.arguments.backups import (
    AcceptArguments,
    BackupArguments,
    CopyArguments,
    DeleteArguments,
    DrillArguments,
    PinArguments,
    PruneArguments,
    PutBackArguments,
    UnpinArguments,
    VerifyArguments,
)
from worker.arguments.questions import (
    BrowseArguments,
    CountArguments,
    PingArguments,
    StorageArguments,
    TryChannelsArguments,
)
from worker.arguments.restore import PreviewArguments, RestoreArguments, UndoArguments
from worker.config.settings import load_web
from worker.errors import BackupSystemError, NotFoundError, RefusedError, UsageError
from worker.repository.copies import places

Show = Callable[[str, int], Answer]
_Reading = VerifyArguments | DrillArguments | CountArguments | BrowseArguments


def _ask(ask: Callable[[str], str], again: Show, then: str | None = None) -> Response | Answer:
    """Queue a task for whoever is there, and go to its page, or to `then`; where that cannot be, show the form with the reason."""
    try:
        identity = ask(g.identity.name)
    except NotFoundError:
        raise
    except BackupSystemError as error:
        return again(str(error), errors.status_of(error))
    return redirect(then or url_for("pages.run", identity=identity), 303)


@pages.post("/backups/create")
@needs_scope_of("backup")
def create() -> Response | Answer:
    """Make a backup."""

    def ask(who: str) -> str:
        return jobs.ask("backup", forms.arguments(BackupArguments, request.form), who)

    return _ask(ask, show_backups)


def _read(ask: Callable[[BaseModel, str], str], arguments_of: type[_Reading], name: str) -> Response | Answer:
    """Queue what reads one backup, from where the form says that it lies."""

    def ask_of(who: str) -> str:
        arguments = forms.arguments(arguments_of, request.form, name=lookup.named(forms.named(name, request.form)))
        lookup.named(arguments.name, arguments.storage)
        return ask(arguments, who)

    return _ask(ask_of, partial(show_backup, name))


@pages.post("/backups/<name>/verify")
@needs_scope_of("verify")
def verify(name: str) -> Response | Answer:
    """Read a backup to its end."""
    return _read(lambda said, who: jobs.ask("verify", said, who), VerifyArguments, name)


@pages.post("/backups/<name>/drill")
@needs_scope_of("drill")
def drill(name: str) -> Response | Answer:
    """Bring a backup back for trial."""
    return _read(lambda said, who: jobs.ask("drill", said, who), DrillArguments, name)


@pages.post("/backups/<name>/copy")
@needs_scope_of("copy")
def copy(name: str) -> Response | Answer:
    """Copy a backup to one of the other storages, or to all of them."""

    def ask(who: str) -> str:
        arguments = forms.arguments(CopyArguments, request.form, name=lookup.in_full(name))
        places.chosen(load_web(), arguments.to)
        return jobs.ask("copy", arguments, who)

    # Its run is followed there, beside what lies elsewhere.
    return _ask(ask, partial(show_backup, name), url_for("pages.backup", name=name, _anchor="where"))


@pages.post("/backups/<name>/restore")
@needs_scope_of("restore")
def restore(name: str) -> Response | Answer:
    """Restore a backup; over live keys only when its name was typed in."""
    name = forms.named(name, request.form)
    try:
        arguments = forms.arguments(RestoreArguments, request.form, name=name)
        arguments.endpoint(load_web())
    except UsageError as error:
        return show_backup(name, str(error), errors.status_of(error))

    def ask(who: str) -> str:
        if arguments.mode != "skip":
            forms.confirm(request.form, lookup.named(name), "overwrite live keys with it")
        full = lookup.named(arguments.name, arguments.storage)
        return jobs.ask("restore", arguments.model_copy(update={"name": full}), who)

    return _ask(ask, partial(show_review, name, arguments))


@pages.post("/backups/<name>/preview")
@needs_scope_of("preview")
def preview(name: str) -> Response | Answer:
    """Find out what a restore would do to what is there now."""

    def ask(who: str) -> str:
        arguments = forms.arguments(PreviewArguments, request.form, name=lookup.named(forms.named(name, request.form)))
        arguments.endpoint(load_web())
        lookup.named(arguments.name, arguments.storage)
        return jobs.ask("preview", arguments, who)

    return _ask(ask, partial(show_backup, name))


@pages.post("/backups/<name>/fits")
@needs_scope_of("fits")
def fits(name: str) -> Response | Answer:
    """Count the keys of a backup that a form means."""
    return _read(lambda said, who: jobs.ask("fits", said, who), CountArguments, name)


@pages.post("/tasks/<identity>/undo")
@needs_scope_of("undo")
def undo(identity: str) -> Response | Answer:
    """Undo a restore."""

    def ask(who: str) -> str:
        return jobs.ask("undo", forms.arguments(UndoArguments, request.form, run=identity), who)

    return _ask(ask, partial(show_undo, identity))


@pages.post("/tasks/<identity>/cancel")
@needs("read")
def cancel(identity: str) -> Response:
    """Cancel a run; of one that has ended meanwhile its page says how."""
    with suppress(RefusedError):
        jobs.cancel(identity, g.identity)
    return redirect(url_for("pages.run", identity=identity), 303)


@pages.post("/backups/<name>/browse")
@needs_scope_of("browse")
def browse(name: str) -> Response | Answer:
    """Look into a backup."""
    return _read(lambda said, who: jobs.ask("browse", said, who), BrowseArguments, name)


@pages.post("/search")
@needs_scope_of("search")
def look_for() -> Response | Answer:
    """Look for a key in all backups and in the source."""

    def ask(who: str) -> str:
        return jobs.ask("search", asked_for(request.form), who)

    return _ask(ask, show_search)


@pages.post("/backups/<name>/delete")
@needs_scope_of("delete")
def delete(name: str) -> Response | Answer:
    """Delete a backup whose name was typed in."""

    def ask(who: str) -> str:
        forms.confirm(request.form, lookup.in_full(name), "delete it")
        return jobs.ask("delete", DeleteArguments(name=lookup.to_delete(name, who)), who)

    return _ask(ask, partial(show_backup, name))


@pages.post("/backups/<name>/put-back")
@needs_scope_of("put_back")
def put_back(name: str) -> Response | Answer:
    """Put a backup back from the trash."""
    return _ask(
        lambda who: jobs.ask("put_back", PutBackArguments(name=lookup.in_trash(name)), who),
        partial(show_backup, name),
    )


@pages.post("/backups/<name>/pin")
@needs_scope_of("pin")
def pin(name: str) -> Response | Answer:
    """Keep a backup from every prune."""

    def ask(who: str) -> str:
        return jobs.ask("pin", forms.arguments(PinArguments, request.form, name=lookup.in_full(name)), who)

    return _ask(ask, partial(show_backup, name))


@pages.post("/backups/<name>/unpin")
@needs_scope_of("unpin")
def unpin(name: str) -> Response | Answer:
    """Leave a backup to retention again."""
    return _ask(
        lambda who: jobs.ask("unpin", UnpinArguments(name=lookup.in_full(name)), who),
        partial(show_backup, name),
    )


@pages.post("/backups/<name>/accept")
@needs_scope_of("accept")
def accept(name: str) -> Response | Answer:
    """Say of a suspicious backup that it is as it should be."""
    return _ask(
        lambda who: jobs.ask("accept", AcceptArguments(name=lookup.in_full(name)), who),
        partial(show_backup, name),
    )


@pages.post("/schedule/prune")
@needs_scope_of("prune")
def prune() -> Response | Answer:
    """Delete what retention gives up."""
    return _ask(lambda who: jobs.ask("prune", PruneArguments(), who), show_schedule)


@pages.post("/system/ask")
@needs_scope_of("ping")
def ask_source() -> Response | Answer:
    """Ask the source for its facts and rights anew."""
    return _ask(lambda who: jobs.ask_once("ping", PingArguments(), who), show_system)


@pages.post("/system/try")
@needs_scope_of("storage")
def try_storage() -> Response | Answer:
    """Try out what we may do where the backups lie."""
    return _ask(lambda who: jobs.ask_once("storage", StorageArguments(), who), show_system)


@pages.post("/system/notify")
@needs_scope_of("try_channels")
def try_channels() -> Response | Answer:
    """Send a message to each channel that the settings name."""
    return _ask(lambda who: jobs.ask_once("try_channels", TryChannelsArguments(), who), show_system)


@pages.get("/backups/create")
@pages.get("/backups/<name>/verify")
@pages.get("/backups/<name>/browse")
@pages.get("/backups/<name>/drill")
@pages.get("/backups/<name>/copy")
@pages.get("/backups/<name>/fits")
@pages.get("/backups/<name>/delete")
@pages.get("/backups/<name>/put-back")
@pages.get("/backups/<name>/pin")
@pages.get("/backups/<name>/unpin")
@pages.get("/backups/<name>/accept")
@pages.get("/schedule/prune")
@pages.get("/system/ask")
@pages.get("/system/try")
@pages.get("/system/notify")
@needs("read")
def asked_again(name: str = "") -> Response:  # noqa: ARG001 - it is in the path as well
    """A form that was shown with what is wrong, and reloaded by its address: the page that it is on."""
    return redirect(request.path.rpartition("/")[0], 303)
