"""The backups as pages: all of them, one with everything that is known of it, and a restore before it is asked for."""

from datetime import UTC, datetime

from flask import render_template, request

from web import errors, lookup
from web.activity import Memory, remember
from web.auth import needs
from web.pages import forms
from web.pages.dashboard import PER_PAGE, Answer, Stored, pages, part, stored
from web.wording import by_hand, consequences, restores, titles
from web.wording.copies import Home, Survey, sources, whence
from web.wording.pictures import charts
from worker.arguments.moments import SIGN, is_moment
from worker.arguments.restore import RestoreArguments
from worker.config.settings import WebSettings, load_web
from worker.config.storage_url import place_of
from worker.errors import RefusedError, UsageError
from worker.repository.copies import holdings
from worker.repository.manifest import Manifest
from worker.repository.scope import scope_of


@pages.get("/backups")
@needs("read")
def backups() -> str:
    """All backups."""
    return show_backups()[0]


def show_backups(error: str | None = None, status: int = 200) -> Answer:
    """The list, and the form for a new one; with what was typed, should that be wrong."""
    settings = load_web()
    contents, memory = stored(settings), remember(settings)
    survey = _survey(settings, contents, memory)
    known = {*(missed.name for missed in contents.lost), *(damaged.name for damaged in contents.damaged)}
    shown = part(survey.all)
    return render_template(
        "backups.html",
        contents=contents,
        part=shown,
        former={backup.name: titles.before(backup, contents.backups) for backup in shown.items},
        alone=survey.alone,
        survey=survey,
        whence=whence,
        with_pages=[(name, problem) for name, problem in contents.faults.items() if name in known],
        others=[problem for name, problem in contents.faults.items() if name not in known],
        shown=PER_PAGE,
        memory=memory,
        settings=settings,
        error=error,
        form=request.form,
    ), status


def _survey(settings: WebSettings, contents: Stored, memory: Memory) -> Survey:
    """Where each backup lies, as far as that is known without waiting for anybody."""
    trash = [trashed.name for trashed in contents.trash]
    home = Home(settings.backup_storage, contents.listed, contents.faults, trash, contents.seen_at)
    readings, now = holdings.remembered(settings), datetime.now(UTC)
    return Survey(home, readings, memory.copies, settings.backup_copies_late_hours, now)


@pages.get("/backups/<name>")
@needs("read")
def backup(name: str) -> str:
    """One backup."""
    return show_backup(name)[0]


def show_backup(name: str, error: str | None = None, status: int = 200) -> Answer:
    """All that is known of a backup, and what can be done with it; of a moment the form that brings it back. NotFoundError where
    there is none.
    """
    if is_moment(name):
        return _show_moment(name, error, status)
    settings, known, form = load_web(), lookup.look(name), request.form or request.args
    memory, days = remember(settings), settings.backup_trash_days
    bare = {"name": name, "memory": memory, "error": error, "form": form, "trash_days": days}
    if known.trashed is not None:
        return render_template("trashed.html", trashed=known.trashed, **bare), status
    manifest = known.manifest or known.elsewhere
    contents = stored(settings)
    lies = _survey(settings, contents, memory).of(manifest) if manifest else []
    bare |= {"problem": known.problem, "lies": lies}
    if known.missed is not None:
        return render_template("lost.html", missed=known.missed, **bare), status
    if manifest is None or (known.manifest is None and not known.is_alone):
        return render_template("damaged.html", **bare), status
    return render_template(
        "backup.html",
        backup=manifest,
        former=titles.before(manifest, contents.backups),
        problem=known.problem,
        lies=lies,
        alone=known.is_alone,
        sources=sources(lies),
        whence=whence(lies),
        bars=charts.bars(manifest.keys_by_db),
        types=sorted({kind for kinds in manifest.keys_by_db.values() for kind in kinds} - {"unknown"}),
        steps=by_hand.steps(manifest),
        memory=memory,
        kinds=restores.KINDS,
        source=scope_of(settings).address,
        targets=_targets(settings),
        trash_days=days,
        error=error,
        form=form,
    ), status


def _show_moment(name: str, error: str | None, status: int) -> Answer:
    """The form for any moment; `name` is one, or the sign of one alone."""
    settings = load_web()
    return render_template(
        "moment.html",
        backup=lookup.stand_in(name),
        moment=request.form.get("moment") or name.removeprefix(SIGN),
        kinds=restores.KINDS,
        source=scope_of(settings).address,
        targets=_targets(settings),
        memory=remember(settings),
        error=error,
        form=request.form,
    ), status


def _targets(settings: WebSettings) -> dict[str, str | None]:
    """Where else a restore may write: the address of each by its name."""
    return {
        name: RestoreArguments(name="any", target=name).endpoint(settings).address for name in settings.redis_targets
    }


@pages.get("/backups/<name>/restore")
@needs("read")
def review(name: str) -> Answer:
    """What a restore is going to do, to be read before it is asked for."""
    return _review(name, request.args)


@pages.post("/backups/<name>/review")
@needs("read")
def reviewed(name: str) -> Answer:
    """The same from a form, which may be longer than an address; or that form once more, to be changed."""
    return show_backup(name) if "change" in request.form else _review(name, request.form)


def _review(name: str, form: forms.Form) -> Answer:
    try:
        wanted = forms.arguments(RestoreArguments, form, name=forms.named(name, form))
        lookup.named(wanted.name, wanted.storage)
        return show_review(wanted.name if is_moment(name) else name, wanted)
    except UsageError as error:
        return show_backup(name, str(error), errors.status_of(error))


def show_review(name: str, wanted: RestoreArguments, error: str | None = None, status: int = 200) -> Answer:
    """The words, and the form that starts it."""
    settings = load_web()
    known = lookup.Known(name, lookup.stand_in(name), None) if is_moment(name) else lookup.look(name)
    is_elsewhere = wanted.storage is not None and place_of(wanted.storage) != place_of(settings.backup_storage)
    manifest = known.manifest or (known.elsewhere if is_elsewhere or known.is_alone else None)
    if manifest is None or known.trashed is not None:
        return show_backup(name, error, status)
    arguments = wanted.model_dump(exclude_unset=True)
    target = wanted.endpoint(settings).address
    days = settings.backup_undo_days
    return render_template(
        "restore.html",
        backup=manifest,
        problem=known.problem,
        wanted=wanted,
        is_elsewhere=is_elsewhere,
        fields=forms.fields(arguments, without=("name", "force")),
        target=target,
        narrowing=restores.narrowing(arguments),
        moving=restores.moving(arguments),
        sentences=list(consequences.of_restore(manifest, arguments, target, days)),
        in_any_case=consequences.in_any_case(manifest, arguments),
        undo_days=days,
        memory=remember(settings),
        error=error or _refusal(manifest, wanted),
        form=request.form,
    ), status


def _refusal(manifest: Manifest, arguments: RestoreArguments) -> str | None:
    """Why a worker would refuse it, as far as its arguments tell."""
    try:
        arguments.databases_of(manifest)
    except RefusedError as error:
        return str(error)
    return None
