"""What was done as pages: every run, the restores among them, and one run from its first word to its last."""

from typing import Any

from flask import make_response, render_template, request
from werkzeug.utils import secure_filename
from werkzeug.wrappers import Response

from web import quoted, readings
from web.activity import as_seen, recall, remember
from web.auth import needs
from web.pages.dashboard import Answer, Part, pages, part
from web.pages.misfits import NOT_SHOWN, rendered
from web.wording import consequences
from web.wording import runs as wording
from worker.broker import heartbeat
from worker.config.settings import load_web
from worker.errors import NotFoundError
from worker.repository import catalogue
from worker.runs.operations import OPERATIONS, unserved
from worker.runs.run import Run
from worker.runs.store import Ours, Runs
from worker.storage import open_storage


@pages.get("/restores")
@needs("read")
def restores() -> str:
    """Every restore, newest first."""
    return _history("restores.html", "restore", request.args.get("state", ""))


@pages.get("/tasks")
@needs("read")
def tasks() -> str:
    """Every run, newest first; questions and those that had nothing to do only when they are asked for."""
    return _history("tasks.html", request.args.get("kind", ""), request.args.get("state", ""))


def _history(template: str, kind: str, state: str) -> str:
    kind, state = kind if kind in OPERATIONS else "", state if state in wording.STATES else ""

    def ask(runs: Runs) -> tuple[Part, bool]:
        shown = part(run for run in runs.each(kind or None) if _wanted(run, kind, state))
        return shown, not all(runs.ours.has(run) for run in shown.items)

    answer, away = recall(load_web(), ask)
    shown, several = answer or (Part([], 1, more=False), False)
    choices = {"kinds": OPERATIONS.values(), "kind": kind, "state": state}
    return render_template(template, part=shown, several=several, away=away, **choices)


def _wanted(run: Run, kind: str, state: str) -> bool:
    if state:
        return wording.state(run) == state
    return kind != "" or not (wording.is_question(run) or run.skipped)


@pages.get("/tasks/<identity>")
@needs("read")
def run(identity: str) -> Answer:
    """One run, from its first word to its last."""
    settings = load_web()

    def ask(runs: Runs) -> tuple[Run | None, str | None, str | None, str | None, list[str]]:
        known, by = runs.get(identity[:100]), runs.cancelled_by(identity[:100])
        record, why = quoted.opened(as_seen(known, runs.ours)) if known else (None, None)
        return record, why, _elsewhere(known, runs.ours), by, unserved(heartbeat.seen(settings))

    answer, away = recall(settings, ask)
    record, why_no_values, elsewhere, by, idle = answer or (None, None, None, None, [])
    if away is None and record is None:
        raise NotFoundError("There is no task of that id: the Tasks page shows those that are remembered.")
    waits = record is not None and not record.ended and record.state != "STARTED"
    days = load_web().backup_undo_days
    idle = idle if waits else []
    facts = {"elsewhere": elsewhere, "cancelled_by": by, "away": away, "idle": idle, "undo_days": days}
    facts |= {"why_no_values": why_no_values, "kept_for": quoted.KEPT_FOR}
    facts |= {"is_followed": settings.backup_stream_seconds > 0}
    if record is not None:
        readings.shown(record)
    bare = record and record.model_copy(update={"state": "FAILURE", "value": None, "arguments": {}, "error": NOT_SHOWN})
    shown = rendered("run.html", {"run": bare}, run=record, **facts)
    return shown, 503 if away else 200


@pages.get("/tasks/<identity>/document")
@needs("read")
def document(identity: str) -> Response | Answer:
    """The JSON document that a look into a backup was asked for, while it is kept; afterwards the page, which says so."""

    def ask(runs: Runs) -> Run | None:
        known = runs.get(identity[:100])
        return quoted.opened(as_seen(known, runs.ours))[0] if known else None

    record, _ = recall(load_web(), ask)
    text = _written(record.value) if record is not None and record.operation == "browse" else None
    if record is None or text is None:
        return run(identity)
    readings.shown(record)
    name = str(record.value.get("name")).partition(".")[0]
    answer = make_response(text)
    answer.headers["Content-Type"] = "application/json"
    answer.headers["Content-Disposition"] = f"attachment; filename={secure_filename(name)}-keys.json"
    return answer


def _written(value: Any) -> str | None:
    rows = (value.get("document") or {}).get("rows") if isinstance(value, dict) else None
    return rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], str) else None


def _elsewhere(run: Run | None, ours: Ours) -> str | None:
    """Why nothing can be done from here with what it was about; None where it can."""
    if run is None or (ours.has(run) and ours.holds(run)):
        return None
    if ours.has(run):
        return f"Its backup lies in {run.storage}, which is not the storage of this dashboard."
    return f"This run is {wording.whose(run)}: that is not what this dashboard is about, and no other page counts it."


@pages.get("/tasks/<identity>/undo")
@needs("read")
def before_undo(identity: str) -> Answer:
    """What an undo is going to do, to be read before it is asked for."""
    return show_undo(identity)


def show_undo(identity: str, error: str | None = None, status: int = 200) -> Answer:
    """The words, and the form that starts it."""
    settings = load_web()
    try:
        kept = catalogue.undo_of(open_storage(settings.backup_storage), identity)
    except NotFoundError:
        kept, status = None, status if error else 404
    return render_template(
        "undo.html",
        identity=identity,
        kept=kept,
        sentences=list(consequences.of_undo(kept)) if kept else [],
        memory=remember(settings),
        error=error,
        form=request.form or request.args,
    ), status
