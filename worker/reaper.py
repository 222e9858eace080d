"""Runs that nobody is at work on any more: killed ones are ended, and what got lost before it began is asked for again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from worker import lock, standins
from worker.config import Settings
from worker.lease import LEASE_SECONDS
from worker.runs import Run, Runs, open_runs

LOST_AFTER = timedelta(seconds=LEASE_SECONDS)
"""A message that is due for so long, and in no queue, is not on its way."""
ATTEMPTS = 2
REPEATABLE = frozenset({"backup", "verify"})
"""What does no harm when it is asked for again unasked; a restore that was lost waits for a person."""


def reap(settings: Settings, queues: list[str], publish: Callable[[Run], None]) -> list[Run]:
    """End what has lost its lease, `publish` anew what was lost before it began; the runs that were ended.

    Raises BrokerUnavailableError.
    """
    ended = []
    with open_runs(settings) as runs:
        now = datetime.now(UTC)
        for run in runs.unfinished():
            if run.state == "STARTED" and _is_gone(run, runs):
                ended.append(interrupt(settings, run, killed(run)))
            elif run.state in ("PENDING", "RETRY") and run.due_at < now - LOST_AFTER and _is_lost(run, runs, queues):
                if run.operation in REPEATABLE and run.attempt < ATTEMPTS:
                    publish(run)
                else:
                    ended.append(
                        interrupt(settings, run, "It was lost before it began, so nothing was done: start it again.")
                    )
    # Of those that were ended before, while their target did not answer.
    standins.end_left(settings)
    return ended


def _is_gone(run: Run, runs: Runs) -> bool:
    """Asked in this order, for a run that ends meanwhile gives up its lease last."""
    if runs.alive(run.id):
        return False
    now = runs.get(run.id)
    return now is not None and not now.ended


def _is_lost(run: Run, runs: Runs, queues: list[str]) -> bool:
    if run.id in runs.waiting(queues):
        return False
    now = runs.get(run.id)
    return now is not None and now.state == run.state


def interrupt(settings: Settings, run: Run, error: str) -> Run:
    """Remember that it was interrupted, and free what it held; the run as it is now. Raises BrokerUnavailableError."""
    error = " ".join([error, *standins.end_left(settings, run=run.id)])
    ended = run.model_copy(update={"state": "INTERRUPTED", "error": error, "ended_at": datetime.now(UTC)})
    with open_runs(settings) as runs:
        runs.put(ended)
    lock.give_up(settings, run.id)
    return ended


def killed(run: Run) -> str:
    """What is to be said of a run whose process was killed."""
    if run.operation == "restore":
        done = (run.progress or {}).get("current", 0) if (run.progress or {}).get("phase") == "restoring" else 0
        return (
            f"Its process was killed. At least {done:,} keys of the backup had been dealt with: "
            "run the same restore again to complete it, which is safe."
        )
    if run.operation == "undo":
        return "Its process was killed, and some keys may have been put back: run the same undo again to complete it."
    if run.operation == "backup":
        return "Its process was killed before the backup was finished, and nothing of it is listed: make another one."
    return "Its process was killed before its end: start it again."
