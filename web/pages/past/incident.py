"""Something is wrong with my data: which keys, since when, what differs, back to the last good version, and undo, on one page.

Each step is a run, and the address names them all: it can be kept, sent on, reloaded, and gone back from.
"""

from collections.abc import Callable
from typing import Any

from flask import g, redirect, request, url_for
from werkzeug.wrappers import Response

from web import errors, jobs, lookup, quoted, readings
from web.activity import as_seen, recall, remember
from web.auth import needs, needs_scope_of
from web.pages.dashboard import Answer, pages
from web.pages.misfits import NOT_SHOWN, rendered
from web.wording.keys import incident as wording
from worker.arguments.questions import TimelineArguments
from worker.arguments.restore import PreviewArguments, RestoreArguments, UndoArguments
from worker.config.settings import load_web
from worker.config.validation import checked
from worker.errors import BackupSystemError, NotFoundError, RefusedError, UsageError
from worker.runs.run import Run
from worker.runs.store import Runs

STEPS = {"look": "timeline", "compare": "preview", "restored": "restore", "undone": "undo"}
"""The parts of the address, each with the operation of the run that it names."""
LONGEST_ID = 100


@pages.get("/incident")
@needs("read")
def incident() -> Answer:
    """As far as it has come."""
    return show_incident()


def show_incident(error: str | None = None, status: int = 200) -> Answer:
    """The page, with what went wrong."""
    settings = load_web()
    runs, away = _runs()
    compared = runs.get("compare")
    if compared is not None:
        try:
            runs["compare"], why_no_values = quoted.opened(compared)
            readings.shown(runs["compare"])
        except BackupSystemError as error_of_broker:
            why_no_values = str(error_of_broker)
    else:
        why_no_values = None
    look = runs.get("look")
    typed = request.values.get("text")
    facts = {
        "wording": wording,
        "state": _state(),
        "text": wording.as_text(look.arguments) if typed is None and look else typed or "",
        "why_no_values": why_no_values,
        "undo_days": settings.backup_undo_days,
        "visited": bool(settings.backup_stream_seconds),
        "memory": remember(settings),
        "away": away,
        "live": [run for run in runs.values() if not run.ended],
    }
    shown = rendered("incident.html", {"runs": {}, "error": NOT_SHOWN}, runs=runs, error=error, **facts)
    return shown, 503 if away else status


def _state(**more: str) -> dict[str, str]:
    """What the address says, and goes on saying."""
    said = {name: request.values[name][:LONGEST_ID] for name in (*STEPS, "pick") if request.values.get(name)}
    return said | more


def _runs() -> tuple[dict[str, Run], str | None]:
    """The runs that the address names, as they may be seen here; why they cannot be read."""
    wanted = {step: identity for step, identity in _state().items() if step in STEPS}

    def ask(runs: Runs) -> dict[str, Run]:
        known = {step: runs.get(identity) for step, identity in wanted.items()}
        return {
            step: as_seen(run, runs.ours)
            for step, run in known.items()
            if run is not None and run.operation == STEPS[step]
        }

    answer, away = recall(load_web(), ask)
    return answer or {}, away


def _step(step: str, ask: Callable[[str], str], *kept: str) -> Response | Answer:
    """Ask for it, and go to the page that follows it; of the address it keeps the steps before."""
    try:
        identity = ask(g.identity.name)
    except NotFoundError:
        raise
    except BackupSystemError as error:
        return show_incident(str(error), errors.status_of(error))
    said = {name: value for name, value in _state().items() if name in kept}
    address: dict[str, Any] = {**said, step: identity}
    return redirect(url_for("pages.incident", **address), 303)


@pages.post("/incident/look")
@needs_scope_of("timeline")
def incident_look() -> Response | Answer:
    """Follow some keys, or all, through the backups."""

    def ask(who: str) -> str:
        said = {} if "all" in request.form else wording.asked_for(request.form.get("text", ""))
        if not said and "all" not in request.form:
            raise UsageError("Please say which keys, or press “I do not know”.")
        backups = request.form.get("backups", "")
        more = {"backups": int(backups)} if backups.isdecimal() else {}
        return jobs.ask("timeline", checked(TimelineArguments, said | more), who)

    return _step("look", ask)


@pages.post("/incident/compare")
@needs_scope_of("preview")
def incident_compare() -> Response | Answer:
    """Compare these keys of the backup that was picked with the live ones."""

    def ask(who: str) -> str:
        look, name = _ended("look"), lookup.named(request.form.get("pick", ""))
        said = {part: value for part, value in look.arguments.items() if part in TimelineArguments.model_fields}
        said.pop("backups", None)
        if isinstance(said.get("keys"), str):
            raise UsageError("A list of that many keys is not kept here: restore from the shell, with --keys-from.")
        arguments = {"name": name, "mode": "overwrite", "kinds": ["new", "differs", "expiry"], **said}
        return jobs.ask("preview", checked(PreviewArguments, arguments), who)

    return _step("compare", ask, "look", "pick")


@pages.post("/incident/restore")
@needs_scope_of("restore")
def incident_restore() -> Response | Answer:
    """Restore exactly what was compared; over live keys only when their number was typed in."""

    def ask(who: str) -> str:
        seen = _ended("compare")
        counts = seen.value.get("counts", {}) if isinstance(seen.value, dict) else {}
        number = wording.to_type(counts)
        if number is not None and request.form.get("confirm", "").strip().replace(",", "") != str(number):
            raise UsageError(f"Type {number} to replace that many live keys: they are not what the backup holds.")
        in_spite = {"force": True} if "force" in request.form else {}
        arguments = checked(RestoreArguments, {**seen.arguments, "preview": seen.id, **in_spite})
        return jobs.ask("restore", arguments, who)

    return _step("restored", ask, "look", "pick", "compare")


@pages.post("/incident/undo")
@needs_scope_of("undo")
def incident_undo() -> Response | Answer:
    """Undo that restore."""

    def ask(who: str) -> str:
        return jobs.ask("undo", checked(UndoArguments, {"run": _state().get("restored", "")}), who)

    return _step("undone", ask, "look", "pick", "compare", "restored")


def _ended(step: str) -> Run:
    """The run of that step. RefusedError where it is not there, or has not come to its end."""
    runs, away = _runs()
    if away:
        raise RefusedError(away)
    run = runs.get(step)
    if run is None or run.state != "SUCCESS":
        raise RefusedError("That step is not remembered any more, or has not come to its end: look again.")
    return run


@pages.get("/incident/look")
@pages.get("/incident/compare")
@pages.get("/incident/restore")
@pages.get("/incident/undo")
@needs("read")
def incident_again() -> Response:
    """A form that was shown with what is wrong, and reloaded by its address."""
    return redirect(url_for("pages.incident"), 303)
