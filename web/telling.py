"""A run in words: what it is, how it stands, what came of it, and what to do next."""

from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Any

from web.words import amount, counted, duration, listed, number, size
from worker.runs import QUESTIONS, Run

KINDS = {
    "backup": "Backup",
    "restore": "Restore",
    "verify": "Verification",
    "prune": "Pruning",
    "delete": "Deletion",
    "adopt": "Adoption",
    "stats": "Statistics",
    "ping": "Check of the source",
}
STATES = {
    "waiting": "Waiting",
    "running": "Running",
    "done": "Done",
    "nothing": "Nothing to do",
    "failed": "Failed",
    "interrupted": "Interrupted",
}
_BY_STATE = {
    "PENDING": "waiting",
    "RETRY": "waiting",
    "STARTED": "running",
    "SUCCESS": "done",
    "FAILURE": "failed",
    "INTERRUPTED": "interrupted",
}


def kind(run: Run) -> str:
    """What sort of run, as a title."""
    return KINDS.get(run.operation, run.operation.capitalize())


def is_question(run: Run) -> bool:
    """Whether it only asked for something."""
    return run.operation in QUESTIONS


def state(run: Run) -> str:
    """One of STATES."""
    return "nothing" if run.skipped else _BY_STATE[run.state]


def state_words(run: Run) -> str:
    """Its state for a person."""
    return "Will be tried again" if run.state == "RETRY" else STATES[state(run)]


def about(run: Run) -> str:
    """What the run is about."""
    return described(run.operation, run.arguments)


def described(operation: str, told: dict[str, Any]) -> str:
    """Arguments in words: a backup's name, or the options that were given."""
    if name := told.get("name"):
        return ", ".join([str(name), *_how(told)])
    if operation == "backup":
        return _options(told)
    if operation == "prune":
        kept = f"keeping {told['keep']}" if told.get("keep") else ""
        return listed([word for word in (kept, "only looking" if told.get("dry_run") else "") if word])
    return ""


def _how(told: dict[str, Any]) -> list[str]:
    mode = ["overwriting"] if told.get("mode") == "overwrite" else []
    return [*mode, narrowing(told)] if narrowing(told) else mode


def _options(told: dict[str, Any]) -> str:
    words = [str(told[name]) for name in ("format", "compression", "engine") if told.get(name)]
    if told.get("databases") is not None:
        words.append(f"db {listed(several(told['databases']))}")
    if hours := told.get("unless_younger_than_hours"):
        words.append(f"unless one is younger than {f'{hours:g}' if isinstance(hours, float) else hours} hours")
    return ", ".join(words)


def several(told: Any) -> list[str]:
    """One value or many, in order and as text. What was asked for may be anything: nobody has checked it yet."""
    many = told if isinstance(told, (list, tuple, set, frozenset)) else [told]
    return [str(one) for one in sorted(many, key=lambda one: (one if isinstance(one, int) else inf, str(one)))]


def narrowing(told: dict[str, Any]) -> str:
    """What part of a backup a restore means; empty for all of it."""
    words: list[str] = []
    if told.get("match"):
        words.append(f"keys like {told['match']}")
    if told.get("types"):
        words.append(f"type {listed(several(told['types']), 'or')}")
    if told.get("databases") is not None:
        words.append(f"database {listed(several(told['databases']), 'or')}")
    return ", ".join(words)


def outcome(run: Run) -> str:
    """What came of it, in one sentence; empty while it has not ended."""
    if run.error and run.state != "SUCCESS":
        return run.error
    if run.state == "INTERRUPTED":
        return "It was killed before its end."
    value = run.value if run.state == "SUCCESS" and isinstance(run.value, dict) else None
    if value is None:
        return ""
    if run.skipped:
        return f"Nothing to do: {value['skipped']}."
    # Another version of this program may have returned something else.
    with suppress(AttributeError, TypeError, ValueError):
        return _OUTCOMES[run.operation](value) if run.operation in _OUTCOMES else ""
    return ""


def _backup(value: dict[str, Any]) -> str:
    stored = value.get("bytes", {})
    return (
        f"{counted(value.get('keys'), 'key')} in {size(stored.get('stored'))} "
        f"({size(stored.get('raw'))} before compression), {duration(value.get('duration_seconds'))}."
    )


def _restore(value: dict[str, Any]) -> str:
    told = ("restored", "skipped", "expired", "failed", *(["evicted"] if value.get("evicted") else []))
    counts = [f"{number(value.get(what, 0))} {what}" for what in told]
    return f"{', '.join(counts)}, in {duration(value.get('seconds'))}."


def _verify(value: dict[str, Any]) -> str:
    return f"Whole, and what its manifest says: {counted(value.get('keys'), 'key')}, {size(value.get('bytes'))}."


def _prune(value: dict[str, Any]) -> str:
    verb = "Would delete" if value.get("dry_run") else "Deleted"
    deleted, kept = len(value.get("deleted", [])), len(value.get("kept", []))
    if not deleted:
        return f"Nothing had to go: {counted(kept, 'backup')} kept."
    return f"{verb} {counted(deleted, 'backup')} ({size(value.get('freed_bytes', 0))}), kept {kept}."


def _stats(value: dict[str, Any]) -> str:
    reachable = value.get("source", {}).get("reachable")
    words = "the source answers" if reachable else "the source cannot be reached"
    return f"{counted(value.get('count'), 'backup')}, {size(value.get('bytes'))}; {words}."


_OUTCOMES: dict[str, Callable[[dict[str, Any]], str]] = {
    "backup": _backup,
    "restore": _restore,
    "verify": _verify,
    "prune": _prune,
    "delete": lambda value: f"{value.get('deleted')} is deleted.",
    "stats": _stats,
    "ping": lambda value: f"The source at {value.get('address')} answers.",
}


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


def advice(run: Run) -> str:
    """What to do next, now that it has ended."""
    return _ADVICE.get((run.operation, state(run)), "")


_ADVICE = {
    ("backup", "done"): "Verify it now and then; the surest proof of a backup is a restore.",
    ("backup", "failed"): "Earlier backups are untouched. Mend what the sentence names, and make the backup again.",
    ("backup", "interrupted"): "Nothing unfinished was kept, and earlier backups are untouched. Make the backup again.",
    ("restore", "done"): "Look at your application now. Keys that were skipped are in the live data as they were.",
    ("restore", "failed"): (
        "What was written before it failed stays written. Mend the cause, and restore again: that completes it."
    ),
    ("restore", "interrupted"): (
        "Some keys may have been written. It is never run again by itself; restoring again is safe, and completes it."
    ),
    ("verify", "failed"): "Do not rely on this backup: make a new one now, then delete this one.",
    ("verify", "interrupted"): "Nothing was changed. Verify it again.",
    ("prune", "failed"): "No backup was lost. Mend what the sentence names, and prune again.",
    ("prune", "interrupted"): "What was half deleted is cleared away by the next prune. Prune again.",
    ("delete", "failed"): "The backup may still be there: look at the list of backups.",
}
