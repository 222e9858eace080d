"""Runs that nobody is at work on any more: killed ones are ended, and what got lost before it began is asked for again."""

import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from worker.broker import lease, lock
from worker.broker.lease import LEASE_SECONDS
from worker.config.settings import Settings
from worker.runs import operations
from worker.runs.run import Run, new
from worker.runs.store import Runs, open_runs

LOST_AFTER = timedelta(seconds=LEASE_SECONDS)
"""A message that was due so long ago and is in no queue has been lost."""
GIVEN_UP_AFTER = timedelta(days=1)
AGAIN_SECONDS = lease.AGAIN_SECONDS + lease.ANSWER_SECONDS + 1
"""Within these seconds a living run is heard of again once the broker answers."""


class Means(NamedTuple):
    """What the reaper has others do."""

    publish: Callable[[Run], None]
    """Queues a run again."""
    release: Callable[..., object]
    """Ends what a mirror has left behind at its target, as `recovery.end_left` does."""


def reap(settings: Settings, queues: list[str], means: Means) -> list[Run]:
    """End what was killed, which has lost its lease or whose process is gone, and `publish` what is to be done in its place
    or was lost before it began; the runs that were ended.

    Raises BrokerUnavailableError.
    """
    now = datetime.now(UTC)
    with open_runs(settings) as runs:
        # The queues are read before the runs: a message that is taken after this has a run that no longer waits.
        waiting, unfinished = runs.waiting(queues), runs.unfinished()
        ended = [interrupt(settings, run, killed(run), means) for run in _killed(runs, unfinished)]
        for run in unfinished:
            if run.state == "STARTED" or run.due_at > now - LOST_AFTER or run.id in waiting:
                continue
            if _is_asked_for_again(run, runs):
                means.publish(run)
            else:
                fault = "It was lost before it began, so nothing was done: start it again."
                ended.append(interrupt(settings, run, fault, means))
    # Of those that were ended before, while their target did not answer.
    means.release(settings)
    return [run for run in ended if run is not None]


def _killed(runs: Runs, unfinished: list[Run]) -> Iterator[Run]:
    """Yield those that are there no more, and then those that nobody hears of. That is asked twice: a broker that has been
    away for long must first be found again by those who live.
    """
    started = [run for run in unfinished if run.state == "STARTED"]
    yield from filter(is_dead, started)
    unheard = [run for run in started if not is_dead(run) and not runs.liveness.alive(run.id)]
    if unheard:
        time.sleep(AGAIN_SECONDS)
    yield from (run for run in unheard if not runs.liveness.alive(run.id))


def _is_asked_for_again(run: Run, runs: Runs) -> bool:
    young = run.queued_at > datetime.now(UTC) - GIVEN_UP_AFTER
    return (
        operations.of(run.operation).repeatable
        and young
        and runs.ours.has(run)
        and not runs.liveness.claimed(run.id, run.attempt)
    )


def is_dead(run: Run) -> bool:
    """Whether its process is gone for sure: a worker that starts need not wait for what the one before it held."""
    return run.process is not None and run.process.is_dead


def interrupt(settings: Settings, run: Run, error: str, means: Means, *, dead: bool = False) -> Run | None:
    """Remember that it was interrupted, free what it held, `publish` what is to be done in its place; the run as it is now.

    Of what a process holds that is not known to be `dead` the time must run out first. None where it has ended, or goes
    on, by now, or somebody else was first. Raises BrokerUnavailableError.
    """
    with open_runs(settings) as runs:
        wanted = runs.ours.has(run) and runs.cancelled_by(run.id) is None
        dead, repeat = dead or is_dead(run), repeat_of(run) if wanted else None
        if repeat is not None:
            error = f"Its process was killed, or was not heard of any more: the run {repeat.id} is queued in its place."
        if not runs.interrupt(run, error, repeat):
            return None
        means.release(settings, run=run.id)
        lock.give_up(settings, run.id, dead=dead)
        if repeat is not None:
            # Should we be killed before this, the next `reap` finds the remembered run without a message.
            means.publish(repeat)
        return runs.get(run.id)


def repeat_of(run: Run) -> Run | None:
    """What is to be done in the place of a run that was killed: a backup, once; of the shell's there is somebody who knows."""
    young = run.queued_at > datetime.now(UTC) - GIVEN_UP_AFTER
    wanted = operations.of(run.operation).made_up_for and not run.of_shell
    if not wanted or run.repeats or run.state != "STARTED" or not young:
        return None
    identity = str(uuid.uuid5(uuid.NAMESPACE_OID, run.id))
    return new(identity, run.operation, run.arguments, run.asked_by).model_copy(update={"repeats": run.id})


def killed(run: Run) -> str:
    """The sentence about a run that is not heard of any more."""
    progress = run.progress or {}
    done = progress.get("current", 0) if progress.get("phase") == "restoring" else 0
    reached = f" At least {done:,} keys of the backup had been dealt with by then." if done else ""
    return operations.of(run.operation).killed.format(reached=reached)
