"""The doors for the queue: each task checks its arguments, calls one verb, and returns a plain dict."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
from celery import Task, signals
from celery.exceptions import Ignore, SoftTimeLimitExceeded, TimeLimitExceeded, WorkerLostError

from worker import logs
from worker.arguments.backups import (
    BackupArguments,
    DeleteArguments,
    PinArguments,
    PruneArguments,
    UnpinArguments,
    VerifyArguments,
)
from worker.arguments.questions import PingArguments, SearchArguments, StatsArguments
from worker.arguments.restore import PreviewArguments, RestoreArguments, UndoArguments
from worker.backups import backup as backups
from worker.backups import pin as pins
from worker.backups import prune as prunes
from worker.backups import stats as numbers
from worker.backups import verify as verifies
from worker.broker import connection, heartbeat
from worker.broker.lease import LEASE_SECONDS
from worker.celery import app
from worker.config.settings import Settings, load
from worker.config.validation import Arguments, checked
from worker.engines import probe as pings
from worker.errors import BackupSystemError, BrokerUnavailableError, BusyError, TemporaryError
from worker.progress import Progress
from worker.repository.behalf import Asker
from worker.restore import restore as restores
from worker.restore.mirror import recovery
from worker.restore.preview import preview as previews
from worker.restore.undo import undo as undos
from worker.runs import operations, reaper
from worker.runs.recorder import Check, Recording, accepted, perform
from worker.runs.reporter import Meta
from worker.runs.run import Run, new
from worker.runs.store import open_runs
from worker.search import search as searches
from worker.server.endpoint import GLANCE, Endpoint
from worker.server.info import read_facts
from worker.storage import tempfiles

log = structlog.get_logger()
Data = dict[str, Any]
Verb = Callable[[Settings, Arguments, Progress], Data]

RETRY_SECONDS = 10
BUSY_SECONDS = (10, 20, 40, 80, 160, 300, 300)
"""How long somebody else who is at work is waited for, each time: a quarter of an hour in all."""
CLAIM_TRIES = 10


def door(function: Callable[..., Data]) -> Task:
    """The task of the operation that has the function's name."""
    retries = operations.OPERATIONS[function.__name__].retries
    task: Task = app.task(bind=True, throws=BackupSystemError, max_retries=retries)(function)
    return task


@door
def backup(self: Task, **arguments: Any) -> Data:
    """Back the source up, then prune. Arguments: format, compression, engine, databases, unless_younger_than_hours."""
    prune_after = partial(_prune_after, _asker(self))

    def check(made: Data) -> None:
        # Partial ones push each other out, however long no good one comes.
        if made.get("kind") == "partial":
            prune_after()
        backups.check_complete(made)

    result = _run(self, arguments, BackupArguments, backups.backup, check)
    if "skipped" not in result:
        prune_after()
    return result


@door
def restore(self: Task, **arguments: Any) -> Data:
    """Restore a backup. Arguments: those of preview, and preview (the id of one), force."""
    return _run(self, arguments, RestoreArguments, restores.restore, restores.check_complete)


@door
def preview(self: Task, **arguments: Any) -> Data:
    """Say what a restore would do. Arguments: name, mode, kinds, which keys (match, exclude, keys, types, databases),
    and where to (target, map_databases, prefix, strip_prefix, expiry).
    """
    return _run(self, arguments, PreviewArguments, previews.preview)


@door
def undo(self: Task, **arguments: Any) -> Data:
    """Undo a restore. Arguments: run (the restore's id, or the name of what it kept), force."""
    return _run(self, arguments, UndoArguments, undos.undo, undos.check_complete)


@door
def verify(self: Task, **arguments: Any) -> Data:
    """Read a backup to its end and compare it with its manifest. Arguments: name."""
    return _run(self, arguments, VerifyArguments, verifies.verify)


@door
def prune(self: Task, **arguments: Any) -> Data:
    """Delete what retention gives up. Arguments: keep, keep_manual, dry_run, made_by."""
    return _run(self, arguments, PruneArguments, prunes.prune)


@door
def delete(self: Task, **arguments: Any) -> Data:
    """Delete one backup. Arguments: name."""
    return _run(self, arguments, DeleteArguments, lambda settings, given, _: prunes.delete(settings, given))


@door
def pin(self: Task, **arguments: Any) -> Data:
    """Keep one backup from every prune. Arguments: name, why."""
    return _run(self, arguments, PinArguments, lambda settings, given, _: pins.pin(settings, given))


@door
def unpin(self: Task, **arguments: Any) -> Data:
    """Leave one backup to retention again. Arguments: name."""
    return _run(self, arguments, UnpinArguments, lambda settings, given, _: pins.unpin(settings, given))


@door
def search(self: Task, **arguments: Any) -> Data:
    """Find a key in all backups and in the source. Arguments: key or match, names, databases, live, limit, after, show, against."""
    return _run(self, arguments, SearchArguments, searches.search)


@door
def stats(self: Task, **arguments: Any) -> Data:
    """Count backups, bytes and ages, and ask the source for its facts."""
    return _run(self, arguments, StatsArguments, lambda settings, *_: numbers.stats(settings))


@door
def ping(self: Task, **arguments: Any) -> Data:
    """Reach the source, and find out what is allowed there."""
    return _run(self, arguments, PingArguments, lambda settings, *_: pings.ping(settings))


@app.task(ignore_result=True)
def reap() -> None:
    """End runs whose process was killed, and ask again for backups that were lost before they began."""
    with suppress(BrokerUnavailableError):
        queues = [queue.name for queue in app.conf.task_queues]
        for run in reaper.reap(load(), queues, _MEANS):
            _tell_interrupted(run)
            with suppress(Exception):
                app.backend.mark_as_failure(run.id, BackupSystemError(str(run.error)))


def _tell_interrupted(run: Run) -> None:
    log.warning("run_interrupted", run=run.id, operation=run.operation, error=run.error)


def _run(task: Task, given: Data, model: type[Arguments], verb: Verb[Arguments], check: Check = accepted) -> Data:
    """What every task does around its verb: claimed once, remembered, progress told, failures in one sentence."""
    settings, request = load(), task.request
    run = _claimed(settings, task, given)
    also = partial(_tell_celery, task, run.id)
    recording = Recording(settings, run, tried_again=lambda error: _pause(task, run, error) is not None, also=also)

    def work(progress: Progress) -> Data:
        if not _slot_is_ours(settings, request.get("slot"), run):
            return {"skipped": f"another run has the slot {request.get('slot')}"}
        arguments = checked(model, given)
        recording.understood(arguments.model_dump(mode="json", exclude_unset=True))
        with _in_time(task):
            return verb(settings, arguments, progress)

    try:
        return perform(recording, work, check)
    except BackupSystemError as error:
        pause = _pause(task, run, error)
        if recording.given_up or pause is None:
            raise
        raise task.retry(exc=error, countdown=pause, max_retries=task.max_retries + len(BUSY_SECONDS)) from None


def _claimed(settings: Settings, task: Task, given: Data) -> Run:
    """This attempt of this run, which nobody else is to begin. Raises Ignore where somebody has.

    A broker that is away right after it sent the message is waited for, and then we go on without it.
    """
    request = task.request
    fresh = new(request.id, task.name.removeprefix(operations.TASKS), given, str(_asker(task)))
    now = {"attempt": request.retries, "attempts": task.max_retries + 1}
    for _ in range(CLAIM_TRIES):
        with suppress(BrokerUnavailableError), open_runs(settings) as runs:
            run = runs.get(request.id) or fresh
            if run.ended or run.attempt > request.retries or not runs.claim(run.id, request.retries):
                log.warning("delivered_again", run=run.id, operation=run.operation)
                raise Ignore
            # To have waited for somebody else was no try of its own.
            return run.model_copy(update={**now, "attempts": now["attempts"] + run.waited})
        time.sleep(1)
    return fresh.model_copy(update=now)


def _slot_is_ours(settings: Settings, slot: str | None, run: Run) -> bool:
    """Whether this run is the one for a planned moment of the schedule: of two beats, one makes the backup."""
    if slot is None:
        return True
    with suppress(BrokerUnavailableError), open_runs(settings) as runs:
        return runs.claim_slot(slot, run.id)
    return True


def _pause(task: Task, run: Run, error: BackupSystemError) -> int | None:
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
        told = getattr(error, "__notes__", ["Nothing unfinished was kept."])
        raise BackupSystemError(" ".join([f"Stopped, for it took longer than {_limit(task)}.", *told])) from None


def _limit(task: Task) -> str:
    """How long a run of it may take, in words."""
    if task.soft_time_limit is not None:
        return f"{task.soft_time_limit / 60:g} minutes (QUESTION_MINUTES)"
    return f"{task.app.conf.task_soft_time_limit / 3600:g} hours"


def _asker(task: Task) -> Asker:
    return Asker.parse(task.request.get("asked_by") or "unknown")


def _prune_after(asker: Asker) -> None:
    """Whoever comes with a token may make backups, and nothing that they did not make themselves goes for those."""
    narrow = {"made_by": str(asker)} if asker.kind == "token" else {}
    _send(prune, asker.on("after the backup"), **narrow)


def _send(task: Task, asker: Asker, **arguments: Any) -> None:
    try:
        task.apply_async(kwargs=arguments, headers={"asked_by": str(asker)})
    except Exception as error:
        log.warning("not_queued", task=task.name, kind=type(error).__name__)


def _send_again(run: Run) -> None:
    """The message that got lost may turn up after all: whichever comes second finds its attempt claimed."""
    # Of no slot of the schedule: it was asked for by whoever had that.
    name, headers = operations.of(run.operation).task, {"asked_by": run.asked_by, "slot": None}
    app.send_task(name, kwargs=run.arguments, task_id=run.id, retries=run.attempt, headers=headers)


@signals.task_failure.connect
def _task_failed(task_id: str, exception: BaseException, **_: Any) -> None:
    """Whatever could not tell by itself how it ended: a process of the pool was killed, or Celery could not call the task."""
    with suppress(BrokerUnavailableError), open_runs(load()) as runs:
        run = runs.get(task_id)
        if run is None or run.ended:
            return
        if isinstance(exception, (WorkerLostError, TimeLimitExceeded)):
            dead = isinstance(exception, WorkerLostError)
            if ended := reaper.interrupt(load(), run, reaper.killed(run), _MEANS, dead=dead):
                _tell_interrupted(ended)
        else:
            error = f"It could not begin ({type(exception).__name__}): give its arguments by name, as --kwargs does."
            runs.put(run.model_copy(update={"state": "FAILURE", "error": error, "ended_at": datetime.now(UTC)}))


@signals.setup_logging.connect
def _set_up_logging(**_: Any) -> None:
    logs.configure(load().log_level, load().log_format)


@signals.worker_init.connect
def _worker_is_made(**_: Any) -> None:
    tempfiles.own_folder()


@signals.worker_ready.connect
def _worker_begins(sender: Any, **_: Any) -> None:
    heartbeat.start(_role(sender))
    # On the side: a source that does not answer must not keep a worker from its work.
    threading.Thread(target=_look_at_the_source, name="source", daemon=True).start()
    reap()
    # Once more when the leases of those have run out of whom nobody here can tell whether they are there.
    later = threading.Timer(LEASE_SECONDS + 5, reap)
    later.daemon = True
    later.start()


def _look_at_the_source() -> None:
    """Tell whether the source answers from here, before the first run finds out."""
    endpoint = Endpoint(load().redis_url, GLANCE)
    try:
        facts = read_facts(endpoint)
    except BackupSystemError as error:
        log.warning("source_away", address=endpoint.address, error=str(error))
    else:
        log.info("source_answers", address=endpoint.address, server=facts.server, version=facts.version)


@signals.worker_shutting_down.connect
def _worker_ends(sender: Any, **_: Any) -> None:
    heartbeat.stop(_role(sender))


def _role(node: Any) -> str:
    """`jobs` of `jobs@host`: what a worker is for is the first part of its name."""
    return str(getattr(node, "hostname", node)).partition("@")[0]


@signals.beat_init.connect
def _beat_begins(**_: Any) -> None:
    heartbeat.start("beat")
    asker = Asker("beat").on("at its start")
    _send(stats, asker)
    # A slot that was missed while no beat was there is made up for, whether or not its memory of it survived.
    _send(backup, asker, unless_younger_than_hours=load().backup_every_hours)


_MEANS = reaper.Means(_send_again, recovery.end_left)
