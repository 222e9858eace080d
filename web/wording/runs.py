"""A run in words: what it is, how it stands, and how far it has come."""

from datetime import datetime
from typing import Any

from web.wording import restores
from web.wording.numbers import amount, duration, listed, several, short
from worker.runs.operations import of
from worker.runs.run import Run

STATES = {
    "waiting": "Waiting",
    "running": "Running",
    "done": "Done",
    "nothing": "Nothing to do",
    "failed": "Failed",
    "interrupted": "Interrupted",
    "cancelled": "Cancelled",
}
_BY_STATE = {
    "PENDING": "waiting",
    "RETRY": "waiting",
    "STARTED": "running",
    "SUCCESS": "done",
    "FAILURE": "failed",
    "INTERRUPTED": "interrupted",
    "CANCELLED": "cancelled",
}


def kind(run: Run) -> str:
    """What sort of run, as a title."""
    return of(run.operation).title


def is_question(run: Run) -> bool:
    """Whether it only asked for something."""
    return of(run.operation).asks


def writes(run: Run) -> bool:
    """Whether it changes something."""
    return of(run.operation).writes


def state(run: Run) -> str:
    """One of STATES."""
    return "nothing" if run.skipped else _BY_STATE[run.state]


def state_words(run: Run) -> str:
    """Its state for a person."""
    return "Will be tried again" if run.state == "RETRY" else STATES[state(run)]


def about(run: Run) -> str:
    """What the run is about."""
    return described(run.operation, run.arguments)


def whose(run: Run) -> str:
    """What it is about: `of 127.0.0.1:6379, db 3, in host:/backups`; empty where that is not known."""
    about = of(run.operation).about
    if "target" in about:
        return f"into {run.target}" if run.target else ""
    words = []
    if "source" in about and run.source:
        words.append(f"of {run.source}")
    if run.databases is not None:
        words.append(f"db {listed(run.databases)}")
    if "storage" in about and run.storage:
        words.append(f"in {run.storage}")
    return ", ".join(words)


def described(operation: str, told: dict[str, Any]) -> str:
    """Arguments in words: a backup's name, or the options that were given."""
    if name := told.get("name"):
        return ", ".join([str(name), *_how(told)])
    if operation == "search":
        return _sought(told)
    if operation == "undo":
        return f"of run {told.get('run')}"
    if operation == "backup":
        return _options(told)
    if operation == "prune":
        kept = f"keeping {told['keep']}" if told.get("keep") else ""
        manual = f"{told['keep_manual']} made by hand" if told.get("keep_manual") else ""
        only = f"only what {told['made_by']} made" if told.get("made_by") else ""
        return listed([word for word in (kept, manual, only, "only looking" if told.get("dry_run") else "") if word])
    return ""


def _how(told: dict[str, Any]) -> list[str]:
    mode = {"overwrite": "overwriting", "mirror": "mirrored"}.get(str(told.get("mode")), "")
    return [words for words in (mode, restores.narrowing(told), restores.moving(told)) if words]


def _sought(told: dict[str, Any]) -> str:
    where = [str(told[name]) for name in ("show", "against") if told.get(name)]
    what = short(told["key"]) if told.get("key") else f"keys like {short(told.get('match'))}"
    return f"{what} in {listed(where)}" if where else what


def _options(told: dict[str, Any]) -> str:
    words = [str(told[name]) for name in ("format", "compression", "engine") if told.get(name)]
    if told.get("databases") is not None:
        words.append(f"db {listed(several(told['databases']))}")
    if hours := told.get("unless_younger_than_hours"):
        words.append(f"unless one is younger than {f'{hours:g}' if isinstance(hours, float) else hours} hours")
    return ", ".join(words)


def stands(run: Run) -> str:
    """Its state as GET /api/result calls it, and its attempt: when that changes, its page is drawn anew."""
    state = "PROGRESS" if run.state == "STARTED" and run.progress else run.state
    return f"{state} {run.number} {int(run.due_at.timestamp()) if state == 'RETRY' else ''}"


def attempt(run: Run) -> str:
    """Which attempt it is of how many."""
    return f"Attempt {run.number} of {max(run.attempts, run.number)}"


def waited_for(run: Run) -> str | None:
    """The server that it waits for, as far as is known: it asked that first, and has not got anything since."""
    if run.state != "STARTED" or run.progress:
        return None
    row = of(run.operation)
    if "source" in row.about:
        return run.source
    # A preview reads its backup first.
    return run.target if "target" in row.about and row.writes else None


def stand(run: Run) -> str:
    """How far it has come: what it waits for, or what it does."""
    if run.state != "STARTED":
        return "It waits for a worker."
    server = waited_for(run)
    return f"Waiting for {server} to answer." if server else doing(run.progress) or "It has begun."


def next_attempt(run: Run, now: datetime) -> str:
    """`Attempt 2 of 3 in 8 s`, of a run that has failed once and is tried again."""
    return f"{attempt(run)} {due(run.due_at, now) if run.state == 'RETRY' else 'has begun'}"


def due(at: datetime, now: datetime) -> str:
    """`in 8 s`, to the second; `now` when the time has come."""
    whole = round((at - now).total_seconds())
    return "now" if whole < 1 else f"in {whole} s" if whole < 60 else f"in {duration(whole)}"


def doing(progress: dict[str, Any] | None) -> str:
    """How far a run has come: `reading: 1,200 of 5,000 keys, 600 keys a second, 6 s left`."""
    if not progress:
        return ""
    unit, current, total = str(progress.get("unit", "")), progress.get("current") or 0, progress.get("total")
    words = f"{progress.get('phase', 'working')}: {amount(current, unit)}"
    if total:
        words = f"{progress.get('phase', 'working')}: {amount(min(current, total), unit)} of {amount(total, unit)}"
    if rate := progress.get("rate"):
        words += f", {amount(rate, unit)} a second"
        if total and total > current:
            words += f", about {duration(max(1, round((total - current) / rate)))} left"
    return words
