"""The doors for the queue: each task checks its arguments, calls one verb, and returns a plain dict."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import redis
import structlog
from celery import Task, signals
from celery.exceptions import SoftTimeLimitExceeded
from pydantic import BaseModel, ValidationError
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker import backup as backups
from worker import heartbeat, logs
from worker import ping as pings
from worker import prune as prunes
from worker import restore as restores
from worker import stats as numbers
from worker import verify as verifies
from worker.celery import app
from worker.config import first_fault, load
from worker.errors import BackupSystemError, TemporaryError, UsageError
from worker.reporting import Reporter

log = structlog.get_logger()
Arguments = TypeVar("Arguments", bound=BaseModel)

RETRIES, RETRY_SECONDS = 2, 10
_IMPATIENT: dict[str, Any] = {"socket_connect_timeout": 1, "socket_timeout": 1, "retry": Retry(NoBackoff(), 0)}


@app.task(
    bind=True,
    throws=BackupSystemError,
    max_retries=RETRIES,
    default_retry_delay=RETRY_SECONDS,
    retry_on_worker_lost=True,
)
def backup(self: Task, **arguments: Any) -> dict[str, Any]:
    """Back the source up, then prune. Arguments: format, compression, engine, databases, unless_younger_than_hours."""
    with _running(self, "backup", arguments) as progress:
        result = backups.backup(load(), _checked(backups.BackupArguments, arguments), progress)
    if "skipped" not in result:
        _follow_up(prune)
    return result


@app.task(bind=True, throws=BackupSystemError, max_retries=0)
def restore(self: Task, **arguments: Any) -> dict[str, Any]:
    """Restore a backup. Arguments: name, mode, match, types, databases."""
    with _running(self, "restore", arguments) as progress:
        report = restores.restore(load(), _checked(restores.RestoreArguments, arguments), progress)
        restores.check_complete(report)
    return report


@app.task(bind=True, throws=BackupSystemError, max_retries=0)
def verify(self: Task, **arguments: Any) -> dict[str, Any]:
    """Read a backup to its end and compare it with its manifest. Arguments: name."""
    with _running(self, "verify", arguments) as progress:
        return verifies.verify(load(), _checked(verifies.VerifyArguments, arguments), progress)


@app.task(bind=True, throws=BackupSystemError, max_retries=0)
def prune(self: Task, **arguments: Any) -> dict[str, Any]:
    """Delete what retention gives up. Arguments: keep, dry_run."""
    with _running(self, "prune", arguments) as progress:
        return prunes.prune(load(), _checked(prunes.PruneArguments, arguments), progress)


@app.task(bind=True, throws=BackupSystemError, max_retries=0)
def delete(self: Task, **arguments: Any) -> dict[str, Any]:
    """Delete one backup. Arguments: name."""
    with _running(self, "delete", arguments):
        return prunes.delete(load(), _checked(prunes.DeleteArguments, arguments))


@app.task(bind=True, throws=BackupSystemError, max_retries=0)
def stats(self: Task, **arguments: Any) -> dict[str, Any]:
    """Count backups, bytes and ages, and ask the source for its facts."""
    with _running(self, "stats", arguments):
        _checked(numbers.StatsArguments, arguments)
        return numbers.stats(load())


@app.task(bind=True, throws=BackupSystemError, max_retries=0)
def ping(self: Task, **arguments: Any) -> dict[str, Any]:
    """Reach the source, and find out what is allowed there."""
    with _running(self, "ping", arguments):
        _checked(pings.PingArguments, arguments)
        return pings.ping(load())


def _checked(model: type[Arguments], arguments: dict[str, Any]) -> Arguments:
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        raise UsageError(f"Wrong argument: {first_fault(error)}.") from None


@contextmanager
def _running(task: Task, operation: str, arguments: dict[str, Any]) -> Iterator[Reporter]:
    """What every task does around its verb: progress out, failures logged and told in one sentence without secrets."""
    identity = task.request.id
    store = partial(_store_progress, task, identity)
    try:
        with logs.run(identity, operation, arguments.get("name")), Reporter(store) as progress, _in_time(task):
            yield progress
    except TemporaryError as error:
        if task.max_retries and task.request.retries < task.max_retries:
            raise task.retry(exc=error, countdown=RETRY_SECONDS) from None
        raise


def _store_progress(task: Task, identity: str, meta: dict[str, Any]) -> None:
    """Write the state as Celery does, but with a client that gives up at once: its own would try again for a minute,
    and could come after the end of the task.
    """
    state: dict[str, Any] = {
        "status": "PROGRESS",
        "result": meta,
        "traceback": None,
        "children": [],
        "task_id": identity,
    }
    with redis.Redis.from_url(load().celery_result_backend, **_IMPATIENT) as client:
        client.set(task.backend.get_key_for_task(identity), task.backend.encode(state), ex=task.backend.expires)


@contextmanager
def _in_time(task: Task) -> Iterator[None]:
    try:
        yield
    except SoftTimeLimitExceeded:
        hours = task.app.conf.task_soft_time_limit / 3600
        raise BackupSystemError(
            f"Stopped, for it took longer than {hours:g} hours; nothing unfinished was kept."
        ) from None


def _follow_up(task: Task, **arguments: Any) -> None:
    try:
        task.delay(**arguments)
    except Exception as error:
        log.warning("not_queued", task=task.name, kind=type(error).__name__)


@signals.setup_logging.connect
def _set_up_logging(**_: Any) -> None:
    logs.configure(load().log_level)


@signals.worker_ready.connect
def _worker_begins(sender: Any, **_: Any) -> None:
    heartbeat.start(_role(sender))


@signals.worker_shutting_down.connect
def _worker_ends(sender: Any, **_: Any) -> None:
    heartbeat.stop(_role(sender))


def _role(node: Any) -> str:
    """`jobs` of `jobs@host`: what a worker is for is the first part of its name."""
    return str(getattr(node, "hostname", node)).partition("@")[0]


@signals.beat_init.connect
def _beat_begins(sender: Any, **_: Any) -> None:
    # Beat writes its memory there, and would end if it could not.
    Path(sender.schedule_filename).absolute().parent.mkdir(parents=True, exist_ok=True)
    heartbeat.start("beat")
    # A slot that was missed while no beat was there is made up for, whether or not its memory of it survived.
    _follow_up(backup, unless_younger_than_hours=load().backup_every_hours)
