"""What every task does around its verb: claimed once, remembered, progress told, and tried again where that may help."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import structlog
from celery import Task
from celery.exceptions import Ignore, SoftTimeLimitExceeded

from worker.alerts import events
from worker.broker import connection
from worker.config.settings import Settings, load
from worker.config.validation import Arguments, checked
from worker.errors import BackupSystemError, BrokerUnavailableError, BusyError, TemporaryError
from worker.progress import Progress
from worker.repository.behalf import Asker
from worker.runs import operations, values
from worker.runs.recorder import Check, Recording, accepted, perform
from worker.runs.reporter import Meta
from worker.runs.run import Run, new
from worker.runs.store import open_runs

log = structlog.get_logger()
Data = dict[str, Any]
Verb = Callable[[Settings, Arguments, Progress], Data]

RETRY_SECONDS = 10
BUSY_SECONDS = (10, 20, 40, 80, 160, 300, 300)
"""The pauses while another run is at work: a quarter of an hour in all."""
CLAIM_TRIES = 10
WATCH, WATCH_SECONDS = f"{operations.TASKS}watch", 60
"""The task that looks what is wrong, every minute."""


def attempt(task: Task, raw: Data, model: type[Arguments], verb: Verb[Arguments], check: Check = accepted) -> Data:
    """What the verb returns, of the arguments, as the model makes them of `raw`; null in place of values of keys.

    BackupSystemError for a failure, in one sentence; Celery's Retry where it is tried again, and its Ignore where somebody
    else is at it.
    """
    settings, request = load(), task.request
    run = _claimed(settings, task, raw)
    also = partial(_tell_celery, task, run.id)
    recording = Recording(settings, run, tried_again=lambda error: pause(task, run, error) is not None, also=also)

    def work(progress: Progress) -> Data:
        if not _slot_is_ours(settings, request.get("slot"), run):
            return {"skipped": f"another run has the slot {request.get('slot')}"}
        arguments = checked(model, raw)
        recording.understood(arguments.model_dump(mode="json", exclude_unset=True))
        with _in_time(task):
            return verb(settings, arguments, progress)

    try:
        # Celery keeps it for days, where anybody reads it who reaches the broker.
        without_values: Data = values.parted(perform(recording, work, partial(_check_done, check)))[0]
        return without_values
    except BackupSystemError as error:
        seconds = pause(task, run, error)
        if recording.run.state != "RETRY" or seconds is None:
            raise
        raise task.retry(exc=error, countdown=seconds, max_retries=task.max_retries + len(BUSY_SECONDS)) from None
    finally:
        _make_known(task, settings, recording.run)


def _check_done(check: Check, outcome: Data) -> None:
    """What had nothing to do has nothing that could be checked."""
    if not isinstance(outcome.get("skipped"), str):
        check(outcome)


def _make_known(task: Task, settings: Settings, run: Run) -> None:
    """Whoever is to hear of its end does so now, and not when somebody next looks."""
    if run.ended and not run.skipped and not operations.of(run.operation).asks:
        events.ended(settings, run)
        try:
            task.app.send_task(WATCH, expires=WATCH_SECONDS)
        except Exception as error:
            log.warning("not_queued", task=WATCH, kind=type(error).__name__)


def _claimed(settings: Settings, task: Task, raw: Data) -> Run:
    """This attempt of this run, which nobody else is to begin. Raises Ignore where somebody has.

    A broker that is away right after it sent the message is waited for, and then we go on without it.
    """
    request = task.request
    fresh = new(request.id, task.name.removeprefix(operations.TASKS), raw, str(asker_of(task)))
    now = {"attempt": request.retries, "attempts": task.max_retries + 1}
    for _ in range(CLAIM_TRIES):
        with suppress(BrokerUnavailableError), open_runs(settings) as runs:
            run = runs.get(request.id) or fresh
            if run.ended or run.attempt > request.retries or not runs.liveness.claim(run.id, request.retries):
                log.warning("delivered_again", run=run.id, operation=run.operation)
                raise Ignore
            # Waiting for another run does not count as an attempt.
            return run.model_copy(update={**now, "attempts": now["attempts"] + run.waited})
        time.sleep(1)
    return fresh.model_copy(update=now)


def _slot_is_ours(settings: Settings, slot: str | None, run: Run) -> bool:
    """Whether this run is the one for a planned moment of the schedule: of two beats, one makes the backup."""
    if slot is None:
        return True
    with suppress(BrokerUnavailableError), open_runs(settings) as runs:
        return runs.liveness.claim_slot(slot, run.id)
    return True


def pause(task: Task, run: Run, error: BackupSystemError) -> int | None:
    """After how many seconds it is tried again; None where it is not."""
    if isinstance(error, BusyError):
        waits = operations.of(run.operation).waits and run.waited < len(BUSY_SECONDS)
        return BUSY_SECONDS[run.waited] if waits else None
    again = isinstance(error, TemporaryError) and run.attempt - run.waited < task.max_retries
    return RETRY_SECONDS if again else None


def _tell_celery(task: Task, identity: str, meta: Meta) -> None:
    """Progress as Celery's state, with a client that gives up at once: Celery's own would try again for a minute, and
    could come after the end of the task.
    """
    state: Data = {"status": "PROGRESS", "result": meta, "traceback": None, "children": [], "task_id": identity}
    with connection.result_client(load()) as client:
        client.set(task.backend.get_key_for_task(identity), task.backend.encode(state), ex=task.backend.expires)


@contextmanager
def _in_time(task: Task) -> Iterator[None]:
    try:
        yield
    except SoftTimeLimitExceeded as error:
        notes = getattr(error, "__notes__", ["Nothing unfinished was kept."])
        raise BackupSystemError(" ".join([f"Stopped, for it took longer than {_limit(task)}.", *notes])) from None


def _limit(task: Task) -> str:
    """How long a run of it may take, in words."""
    if task.soft_time_limit is not None:
        return f"{task.soft_time_limit / 60:g} minutes (QUESTION_MINUTES)"
    return f"{task.app.conf.task_soft_time_limit / 3600:g} hours"


def asker_of(task: Task) -> Asker:
    """Who asked for this task, as its message says."""
    return Asker.parse(task.request.get("asked_by") or "unknown")
