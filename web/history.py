"""What was done as pages: every run, the restores among them, and one run from its first word to its last."""

from flask import render_template, request

from web import telling
from web.auth import needs
from web.memory import recall, unserved
from web.pages import Answer, Part, pages, part
from worker import heartbeat
from worker.config import load_web
from worker.errors import NotFoundError
from worker.runs import Run, Runs


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
    kind, state = kind if kind in telling.KINDS else "", state if state in telling.STATES else ""

    def ask(runs: Runs) -> Part:
        return part(run for run in runs.each(kind or None) if _wanted(run, kind, state))

    found, away = recall(load_web(), ask)
    return render_template(template, part=found or Part([], 1, more=False), away=away, kind=kind, state=state)


def _wanted(run: Run, kind: str, state: str) -> bool:
    if state:
        return telling.state(run) == state
    return kind != "" or not (telling.is_question(run) or run.skipped)


@pages.get("/tasks/<identity>")
@needs("read")
def run(identity: str) -> Answer:
    """One run, from its first word to its last."""
    settings = load_web()
    found, away = recall(settings, lambda runs: (runs.get(identity[:100]), unserved(heartbeat.seen(settings))))
    one, idle = found or (None, [])
    if away is None and one is None:
        raise NotFoundError("There is no task of that id: the Tasks page shows those that are remembered.")
    waits = one is not None and not one.ended and one.state != "STARTED"
    return render_template("run.html", run=one, away=away, idle=idle if waits else []), 503 if away else 200
