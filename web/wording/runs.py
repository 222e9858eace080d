"""A run in words: what it is, how it stands, and how far it has come."""

from datetime import datetime
from typing import Any

from web.wording import restores
from web.wording.keys.befallen import these
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


def plural(operation: str) -> str:
    """What runs of that sort are called together."""
    row = of(operation)
    return row.plural or row.title


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


def subject(run: Run) -> str:
    """What the run is about."""
    return described(run.operation, run.arguments)


def whose(run: Run) -> str:
    """Whose data it deals with: `of 127.0.0.1:6379, db 3, in host:/backups`; empty where that is not known."""
    subjects = of(run.operation).concerns
    if "target" in subjects:
        return f"into {run.target}" if run.target else ""
    words = []
    if "source" in subjects and run.source:
        words.append(f"of {run.source}")
    if run.databases is not None:
        words.append(f"db {listed(run.databases)}")
    if "storage" in subjects and run.storage:
        words.append(f"in {run.storage}")
    return ", ".join(words)


_RULES = {
    "keep_hourly": "hours:",
    "keep_daily": "days:",
    "keep_weekly": "weeks:",
    "keep_monthly": "months:",
    "keep_yearly": "years:",
    "keep_hours": "younger than, in hours:",
    "keep_bytes": "bytes of a source:",
}
"""Arguments of a prune, and what is said before their number."""


def described(operation: str, arguments: dict[str, Any]) -> str:
    """Arguments in words: a backup's name, or the options that were given."""
    if operation == "browse":
        return _looked(arguments)
    if name := arguments.get("name"):
        shown = [these(arguments)] if operation == "differences" else []
        return ", ".join([*shown, str(name), *_how(arguments)])
    if operation == "search":
        return _sought(arguments)
    if operation == "timeline":
        return restores.narrowing(arguments) or "all keys"
    if operation == "undo":
        return "of a restore"
    if operation == "backup":
        return _options(arguments)
    return _pruned(arguments) if operation == "prune" else _of_stream(arguments)


def _pruned(arguments: dict[str, Any]) -> str:
    kept = f"keeping {arguments['keep']}" if arguments.get("keep") else ""
    manual = f"{arguments['keep_manual']} made by hand" if arguments.get("keep_manual") else ""
    rules = [
        f"{words} {arguments[name]:g}"
        for name, words in _RULES.items()
        if name in arguments and arguments[name] is not None
    ]
    only = f"only what {arguments['made_by']} made" if arguments.get("made_by") else ""
    looks = "only looking" if arguments.get("dry_run") else ""
    return listed([word for word in (kept, manual, *rules, only, looks) if word])


def _of_stream(arguments: dict[str, Any]) -> str:
    """Of a question to the replication stream; nothing for what has no such arguments."""
    times = [
        f"{word} {str(arguments[word])[:16].replace('T', ' ')}" for word in ("since", "until") if arguments.get(word)
    ]
    return ", ".join([*([short(arguments["key"])] if "key" in arguments else []), *times])


def _how(arguments: dict[str, Any]) -> list[str]:
    places = [f"{word} {arguments[name]}" for name, word in (("to", "to"), ("storage", "from")) if arguments.get(name)]
    mode = {"overwrite": "overwriting", "mirror": "mirrored"}.get(str(arguments.get("mode")), "")
    return [words for words in (*places, mode, restores.narrowing(arguments), restores.moving(arguments)) if words]


def _looked(arguments: dict[str, Any]) -> str:
    words = [str(arguments.get("name"))]
    if arguments.get("document"):
        words.append("as JSON")
    if arguments.get("prefix"):
        words.append(("the key " if arguments.get("document") == "key" else "") + short(arguments["prefix"]))
    if arguments.get("db") is not None:
        words.append(f"db {arguments['db']}")
    return ", ".join(words)


def _sought(arguments: dict[str, Any]) -> str:
    where = [str(arguments[name]) for name in ("show", "against") if arguments.get(name)]
    what = short(arguments["key"]) if arguments.get("key") else f"keys like {short(arguments.get('match'))}"
    return f"{what} in {listed(where)}" if where else what


def _options(arguments: dict[str, Any]) -> str:
    words = [str(arguments[name]) for name in ("format", "compression", "engine") if arguments.get(name)]
    if arguments.get("databases") is not None:
        words.append(f"db {listed(several(arguments['databases']))}")
    if hours := arguments.get("unless_younger_than_hours"):
        words.append(f"unless one is younger than {f'{hours:g}' if isinstance(hours, float) else hours} hours")
    return ", ".join(words)


def details(said: dict[str, Any]) -> str:
    """What the audit log keeps beside a deed, in words: `ci, may read and backup, days 30`; what says nothing is left out."""
    given = {name: value for name, value in said.items() if value not in (None, "", [], (), {})}
    return ", ".join(_detail(name, value) for name, value in given.items())


def _detail(name: str, value: Any) -> str:
    words = {"scopes": "may ", "days": "for days: ", "addresses": "from "}.get(name, "")
    return words + (listed(value) if isinstance(value, (list, tuple)) else short(value))


def stands(run: Run) -> str:
    """Its state as in GET /api/result, and its attempt. When these change, its page is drawn anew."""
    state = "PROGRESS" if run.state == "STARTED" and run.progress else run.state
    return f"{state} {run.number} {int(run.due_at.timestamp()) if state == 'RETRY' else ''}"


def attempt(run: Run) -> str:
    """Which attempt it is of how many."""
    return f"Attempt {run.number} of {max(run.attempts, run.number)}"


def waited_for(run: Run) -> str | None:
    """The server that it probably waits for: a run asks that one first, and nothing has come since."""
    if run.state != "STARTED" or run.progress:
        return None
    row = of(run.operation)
    if "source" in row.concerns:
        return run.source
    # A preview reads its backup first.
    return run.target if "target" in row.concerns and row.writes else None


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
