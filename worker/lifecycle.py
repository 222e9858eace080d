"""What is done when a worker or beat begins and ends, and when a process of a worker is killed at its task."""

import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import structlog
from celery import signals
from celery.exceptions import TimeLimitExceeded, WorkerLostError

from worker import logs
from worker.broker import heartbeat
from worker.broker.choices import following
from worker.broker.lease import LEASE_SECONDS
from worker.celery import app
from worker.config.settings import load
from worker.errors import BackupSystemError, BrokerUnavailableError, UsageError
from worker.notify import sending
from worker.repository.behalf import Asker
from worker.runs import reaper, values
from worker.runs.operations import OPERATIONS
from worker.runs.store import open_runs
from worker.server.endpoint import GLANCE, Endpoint
from worker.server.info import read_facts
from worker.storage import tempfiles
from worker.tasks import MEANS, backup, log_interrupted, reap, send, stats, watch

log = structlog.get_logger()


@signals.task_prerun.connect
def _task_begins(**_: Any) -> None:
    following.refresh(load())


@signals.task_failure.connect
def _task_failed(task_id: str, exception: BaseException, **_: Any) -> None:
    """Whatever could not tell by itself how it ended: a process of the pool was killed, or Celery could not call the task."""
    with suppress(BrokerUnavailableError), open_runs(load()) as runs:
        run = runs.get(task_id)
        if run is None or run.ended:
            return
        if isinstance(exception, (WorkerLostError, TimeLimitExceeded)):
            dead = isinstance(exception, WorkerLostError)
            if ended := reaper.interrupt(load(), run, reaper.killed(run), MEANS, dead=dead):
                log_interrupted(ended)
        else:
            error = f"It could not begin ({type(exception).__name__}): give its arguments by name, as --kwargs does."
            runs.put(run.model_copy(update={"state": "FAILURE", "error": error, "ended_at": datetime.now(UTC)}))


@signals.setup_logging.connect
def _set_up_logging(**_: Any) -> None:
    logs.configure(load().log_level, load().log_format)


@signals.worker_init.connect
def _worker_is_made(**_: Any) -> None:
    try:
        sending.check(load())
    except UsageError as error:
        # Celery goes on after any other exception.
        raise SystemExit(f"Error: {error}") from None
    tempfiles.own_folder()


@signals.worker_ready.connect
def _worker_begins(sender: Any, **_: Any) -> None:
    heartbeat.start(_role(sender), lambda: sender.consumes)
    # In a thread, because a source that does not answer must not hold up a worker.
    threading.Thread(target=_look_at_the_source, name="source", daemon=True).start()
    threading.Thread(target=_forget_values, name="values", daemon=True).start()
    reap()
    # Once more when leases have run out whose holders cannot be seen from here.
    later = threading.Timer(LEASE_SECONDS + 5, reap)
    later.daemon = True
    later.start()


def _forget_values() -> None:
    """What an older version has remembered with values of keys in it, and what Celery keeps of that, loses those."""
    with suppress(BrokerUnavailableError), open_runs(load()) as runs:
        questions = [operation.name for operation in OPERATIONS.values() if operation.queue == "questions"]
        for run in [run for name in questions for run in runs.each(name)]:
            rest, quoted = values.parted(run.value)
            if quoted and runs.put(run.model_copy(update={"value": rest, "values": "sealed"})):
                with suppress(Exception):
                    app.backend.forget(run.id)


def _look_at_the_source() -> None:
    """Tell whether the source answers from here, before the first run finds out."""
    endpoint = Endpoint(load().redis_url, GLANCE)
    try:
        facts = read_facts(endpoint)
    except BackupSystemError as error:
        log.warning("source_away", address=endpoint.address, error=str(error))
    else:
        log.info("source_answers", address=endpoint.address, server=facts.server, version=facts.version)


# The second comes without the first where an error has ended the worker.
@signals.worker_shutting_down.connect
@signals.worker_shutdown.connect
def _worker_ends(sender: Any, **_: Any) -> None:
    heartbeat.stop(_role(sender))


def _role(node: Any) -> str:
    """`jobs` of `jobs@host`: what a worker is for is the first part of its name."""
    return str(getattr(node, "hostname", node)).partition("@")[0]


@signals.beat_init.connect
def _beat_begins(**_: Any) -> None:
    heartbeat.start("beat")
    asker = Asker("beat").on("at its start")
    send(stats, asker)
    # A slot that was missed while no beat ran is made up for, even where beat's own memory was lost.
    send(backup, asker, unless_younger_than_hours=load().backup_every_hours)
    # Whoever asks whether all is well need not wait until somebody looks.
    send(watch, asker)
