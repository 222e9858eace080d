"""Runs that nobody is at work on any more: killed ones are ended, and what got lost before it began is asked for again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from worker import lock, standins
from worker.config import Settings
from worker.lease import LEASE_SECONDS
from worker.run import Run
from worker.runs import Runs, open_runs

LOST_AFTER = timedelta(seconds=LEASE_SECONDS)
"""A message that is due for so long, and in no queue, is not on its way."""
GIVEN_UP_AFTER = timedelta(days=1)
REPEATABLE = frozenset({"backup", "verify"})
"""What does no harm when it is asked for again unasked; a restore that was lost waits for a person."""


def reap(settings: Settings, queues: list[str], publish: Callable[[Run], None]) -> list[Run]:
    """End what has lost its lease, `publish` anew what was lost before it began; the runs that were ended.

    Raises BrokerUnavailableError.
    """
    ended, now = [], datetime.now(UTC)
    with open_runs(settings) as runs:
        # Read before the runs: whatever is taken from a queue after this is no longer waiting in what comes next.
        waiting = runs.waiting(queues)
        for run in runs.unfinished():
            if run.state == "STARTED":
                fault = killed(run) if not runs.alive(run.id) else None
            elif run.due_at > now - LOST_AFTER or run.id in waiting:
                continue
            elif (
                run.operation in REPEATABLE
                and runs.ours.has(run)
                and run.queued_at > now - GIVEN_UP_AFTER
                and not runs.claimed(run.id, run.attempt)
            ):
                publish(run)
                continue
            else:
                fault = "It was lost before it began, so nothing was done: start it again."
            if fault and _is_still(run, runs):
                ended.append(interrupt(settings, run, fault))
    # Of those that were ended before, while their target did not answer.
    standins.end_left(settings)
    return ended


def _is_still(run: Run, runs: Runs) -> bool:
    """Asked last, for a run that goes on or ends meanwhile says so."""
    now = runs.get(run.id)
    return now is not None and (now.state, now.attempt) == (run.state, run.attempt)


def interrupt(settings: Settings, run: Run, error: str) -> Run:
    """Remember that it was interrupted, and free what it held; the run as it is now. Raises BrokerUnavailableError."""
    error = " ".join([error, *standins.end_left(settings, run=run.id)])
    ended = run.model_copy(update={"state": "INTERRUPTED", "error": error, "ended_at": datetime.now(UTC)})
    with open_runs(settings) as runs:
        runs.put(ended)
    lock.give_up(settings, run.id)
    return ended


def killed(run: Run) -> str:
    """What is to be said of a run that is not heard of any more."""
    told = run.progress or {}
    if run.operation == "restore":
        done = told.get("current", 0) if told.get("phase") == "restoring" else 0
        reached = f" At least {done:,} keys of the backup had been dealt with by then." if done else ""
        return (
            f"Its process was killed, or was not heard of any more.{reached} "
            "Run the same restore again to complete it, which is safe."
        )
    if run.operation == "undo":
        return "Its process was killed, and some keys may have been put back: run the same undo again to complete it."
    if run.operation == "backup":
        return (
            "Its process was killed, or was not heard of any more: see whether its backup is in the list, "
            "and make another one if it is not."
        )
    return "Its process was killed, or was not heard of any more: start it again."
