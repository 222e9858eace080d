"""The doors for the queue: each task checks its arguments, calls one verb, and returns a plain dict."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from celery import Task
from celery.exceptions import SoftTimeLimitExceeded

from worker.alerts import events
from worker.alerts import silence as silences
from worker.alerts import watch as watching
from worker.arguments.alerts import SilenceArguments
from worker.arguments.backups import (
    AcceptArguments,
    BackupArguments,
    CopyArguments,
    DeleteArguments,
    DrillArguments,
    PinArguments,
    PruneArguments,
    PutBackArguments,
    UnpinArguments,
    VerifyArguments,
)
from worker.arguments.questions import (
    BrowseArguments,
    CountArguments,
    PingArguments,
    SearchArguments,
    StatsArguments,
    StorageArguments,
    TimelineArguments,
    TryChannelsArguments,
)
from worker.arguments.restore import DifferencesArguments, PreviewArguments, RestoreArguments, UndoArguments
from worker.arguments.stream import HappenedArguments, WritesArguments
from worker.attempt import Data, asker_of, attempt
from worker.backups import backup as backups
from worker.backups import pin as pins
from worker.backups import prune as prunes
from worker.backups import stats as numbers
from worker.backups import trash
from worker.backups import verify as verifies
from worker.backups.copies import copy as copies
from worker.backups.copies import missing
from worker.backups.suspicion import accept as accepts
from worker.celery import app
from worker.config.settings import Settings, load
from worker.engines import probe as pings
from worker.errors import BackupSystemError, BrokerUnavailableError, BusyError
from worker.notify import deliver, heartbeat
from worker.notify import trial as channel_trial
from worker.progress import Progress, silent
from worker.repository.behalf import Asker
from worker.restore import restore as restores
from worker.restore.drill import drill as drilling
from worker.restore.drill import due
from worker.restore.mirror import recovery
from worker.restore.preview import differences as differing
from worker.restore.preview import preview as previews
from worker.restore.selection import count as counting
from worker.restore.undo import undo as undos
from worker.runs import operations, reaper
from worker.runs.run import Run
from worker.search import browse as browsing
from worker.search import search as searches
from worker.search import timeline as timelines
from worker.segments import sealing
from worker.segments.telling import happened as happenings
from worker.segments.telling import writes as writing
from worker.segments.visits import listen as listening
from worker.segments.visits import visit as visits
from worker.segments.visits.standing import as_shown
from worker.storage import trial

log = structlog.get_logger()


def door(function: Callable[..., Data]) -> Task:
    """The task of the operation that has the function's name."""
    retries = operations.OPERATIONS[function.__name__].retries
    task: Task = app.task(bind=True, throws=BackupSystemError, max_retries=retries)(function)
    return task


@door
def backup(self: Task, **arguments: Any) -> Data:
    """Back the source up, then prune and copy. Arguments: format, compression, engine, databases, unless_younger_than_hours."""
    prune_after = partial(_prune_after, asker_of(self))

    def check(made: Data) -> None:
        # Partial ones push each other out, however long no good one comes.
        if made.get("kind") == "partial":
            prune_after()
        backups.check_complete(made)

    with heartbeat.told(load(), wanted=asker_of(self).kind == "beat") as beat:
        result = attempt(self, arguments, BackupArguments, beat.around(backups.backup), check)
        if "skipped" not in result:
            beat.say(heartbeat.GOOD)
    if "skipped" not in result:
        prune_after()
        _copy_after(asker_of(self), result)
    return result


@door
def restore(self: Task, **arguments: Any) -> Data:
    """Restore a backup. Arguments: those of preview, and preview (the id of one), force."""
    return attempt(self, arguments, RestoreArguments, restores.restore, restores.check_complete)


@door
def preview(self: Task, **arguments: Any) -> Data:
    """Say what a restore would do. Arguments: name, storage, mode, kinds, which keys (match, exclude, keys, types, databases),
    and where to (target, map_databases, prefix, strip_prefix, expiry).
    """
    return attempt(self, arguments, PreviewArguments, previews.preview)


@door
def differences(self: Task, **arguments: Any) -> Data:
    """Show keys that a preview counts. Arguments: those of preview, and kind, of_type, of_database, under, not_under, after,
    limit, preview (the id of one).
    """
    return attempt(self, arguments, DifferencesArguments, differing.differences)


@door
def undo(self: Task, **arguments: Any) -> Data:
    """Undo a restore. Arguments: run (the restore's id, or the name of what it kept), force."""
    return attempt(self, arguments, UndoArguments, undos.undo, undos.check_complete)


@door
def verify(self: Task, **arguments: Any) -> Data:
    """Read a backup to its end and compare it with its manifest. Arguments: name, storage."""
    return attempt(self, arguments, VerifyArguments, verifies.verify)


@door
def drill(self: Task, **arguments: Any) -> Data:
    """Bring a backup back into a scratch server, and compare. Arguments: name, storage, full, way."""
    return attempt(self, arguments, DrillArguments, drilling.drill, drilling.check_good)


@door
def copy(self: Task, **arguments: Any) -> Data:
    """Copy a backup to the other storages, then prune. Arguments: name, to (the address of one of them)."""
    result = attempt(self, arguments, CopyArguments, copies.copy)
    if any(there.get("new") for there in result["copies"]):
        _prune_after(asker_of(self))
    return result


@door
def prune(self: Task, **arguments: Any) -> Data:
    """Delete what retention gives up. Arguments: keep, keep_manual, keep_hourly, keep_daily, keep_weekly, keep_monthly,
    keep_yearly, keep_hours, keep_bytes, dry_run, made_by."""
    return attempt(self, arguments, PruneArguments, prunes.prune)


@door
def accept(self: Task, **arguments: Any) -> Data:
    """Say of a suspicious backup that it is as it should be. Arguments: name."""
    return attempt(self, arguments, AcceptArguments, lambda settings, asked, _: accepts.accept(settings, asked))


@door
def delete(self: Task, **arguments: Any) -> Data:
    """Move one backup to the trash. Arguments: name, now."""
    return attempt(self, arguments, DeleteArguments, lambda settings, arguments, _: trash.delete(settings, arguments))


@door
def put_back(self: Task, **arguments: Any) -> Data:
    """Put one backup back from the trash, or from what its bucket keeps. Arguments: name."""
    return attempt(self, arguments, PutBackArguments, trash.put_back)


@door
def pin(self: Task, **arguments: Any) -> Data:
    """Keep one backup from every prune. Arguments: name, why."""
    return attempt(self, arguments, PinArguments, lambda settings, arguments, _: pins.pin(settings, arguments))


@door
def unpin(self: Task, **arguments: Any) -> Data:
    """Leave one backup to retention again. Arguments: name."""
    return attempt(self, arguments, UnpinArguments, lambda settings, arguments, _: pins.unpin(settings, arguments))


@door
def silence(self: Task, **arguments: Any) -> Data:
    """Tell nobody of an alert for a while. Arguments: key, hours."""
    return attempt(
        self, arguments, SilenceArguments, lambda settings, arguments, _: silences.silence(settings, arguments)
    )


@door
def search(self: Task, **arguments: Any) -> Data:
    """Find a key in all backups and in the source. Arguments: key or match, names, databases, live, limit, after, show, against."""
    return attempt(self, arguments, SearchArguments, searches.search)


@door
def timeline(self: Task, **arguments: Any) -> Data:
    """Follow keys from backup to backup. Arguments: match, exclude, keys, types, databases, backups (how many)."""
    return attempt(self, arguments, TimelineArguments, timelines.timeline)


@door
def happened(self: Task, **arguments: Any) -> Data:
    """Say what happened when, by the replication stream. Arguments: since, until, prefixes."""
    return attempt(self, arguments, HappenedArguments, happenings.happened)


@door
def writes(self: Task, **arguments: Any) -> Data:
    """Show each write to a key, the newest first. Arguments: key, db, since, until, limit, after, show."""
    return attempt(self, arguments, WritesArguments, writing.writes)


@door
def fits(self: Task, **arguments: Any) -> Data:
    """Count the keys of a backup that are meant. Arguments: name, storage, match, exclude, keys, types, databases."""
    return attempt(self, arguments, CountArguments, counting.count)


@door
def browse(self: Task, **arguments: Any) -> Data:
    """Look into a backup: its keys by prefix, or some as JSON. Arguments: name, prefix, db, after, document, storage."""
    return attempt(self, arguments, BrowseArguments, browsing.browse)


@door
def stats(self: Task, **arguments: Any) -> Data:
    """Count backups, bytes and ages, and ask the source for its facts."""
    return attempt(self, arguments, StatsArguments, lambda settings, *_: numbers.stats(settings))


@door
def ping(self: Task, **arguments: Any) -> Data:
    """Reach the source, and find out what is allowed there."""
    return attempt(
        self, arguments, PingArguments, lambda settings, *_: pings.ping(settings) | {"stream": as_shown(settings)}
    )


@door
def storage(self: Task, **arguments: Any) -> Data:
    """Try out what we may do where the backups lie."""

    def tried(settings: Settings, _: StorageArguments, progress: Progress) -> Data:
        return trial.storage(settings, progress)

    return attempt(self, arguments, StorageArguments, tried, trial.check_usable)


@door
def try_channels(self: Task, **arguments: Any) -> Data:
    """Send a message to each channel that the settings name, now."""

    def tried(settings: Settings, _: TryChannelsArguments, progress: Progress) -> Data:
        return channel_trial.try_channels(settings, progress)

    return attempt(self, arguments, TryChannelsArguments, tried, channel_trial.check_heard)


@app.task(ignore_result=True)
def notify() -> None:
    """Bring what waits to those who are to hear of it."""
    try:
        deliver.deliver(load())
    except BackupSystemError as error:
        log.warning("messages_left", error=str(error))


@app.task(ignore_result=True)
def reap() -> None:
    """End runs whose process was killed, and ask again for backups that were lost before they began."""
    with suppress(BrokerUnavailableError):
        queues = [queue.name for queue in app.conf.task_queues]
        for run in reaper.reap(load(), queues, MEANS):
            log_interrupted(run)
            with suppress(Exception):
                app.backend.mark_as_failure(run.id, BackupSystemError(str(run.error)))


@app.task(ignore_result=True)
def catch_up() -> None:
    """Queue the copies that are missing: whatever was away when they were to be made may be back."""
    with suppress(BackupSystemError):
        for each in missing.to_be_made(load()):
            send(copy, Asker("beat").on("to catch up"), name=each.name, to=each.to)


@app.task(ignore_result=True)
def watch() -> None:
    """Look what is wrong, and have told what has changed."""
    try:
        watching.watch(load())
    except SoftTimeLimitExceeded:
        log.warning("watch_given_up", why="it took too long; the next one goes on from there")
    except BackupSystemError as error:
        log.warning("watch_failed", error=str(error))


@app.task
def visit() -> Data:
    """Bring home what has come in the source's replication stream since the last visit."""
    return _brought(lambda: visits.visit(load(), load().backup_stream_seconds - 1))


@app.task
def listen() -> Data:
    """Follow the source's replication stream for a minute, and take over from whoever does."""
    return _brought(lambda: listening.listen(load()))


def _brought(bring: Callable[[], Data]) -> Data:
    """What was brought home, with what follows from it queued."""
    try:
        outcome = bring()
    except BusyError as error:
        return {"skipped": str(error)}
    if outcome["gap"]:
        # It is told at once, and may be over when somebody looks the next time.
        send(watch, Asker("beat").on("for a gap"))
    if outcome["whole"]:
        seal.apply_async(expires=300)
    if outcome["wants_base"]:
        send(backup, Asker("beat").on("for moments to go back to"))
    return outcome


@app.task
def seal() -> Data:
    """Bring what is whole of the stream into storage, and to the others."""
    try:
        return sealing.seal(load(), silent)
    except BackupSystemError as error:
        log.warning("stream_not_stored", error=str(error))
        raise


@app.task(ignore_result=True)
def drills() -> None:
    """Queue the drills that are due by what is noted beside the backups."""
    with suppress(BackupSystemError):
        for each in due.planned(load()):
            storage = {} if each.storage is None else {"storage": each.storage}
            send(drill, Asker("beat").on("for a rehearsal"), slot=each.slot, name=each.name, **storage)


def log_interrupted(run: Run) -> None:
    """A line for whoever reads the log of this worker, and a message for whoever is to hear of it."""
    log.warning("run_interrupted", run=run.id, operation=run.operation, error=run.error)
    events.ended(load(), run)


def _prune_after(asker: Asker) -> None:
    """Whoever comes with a token may make backups, and nothing that they did not make themselves goes for those."""
    narrow = {"made_by": str(asker)} if asker.kind == "token" else {}
    send(prune, asker.on("after the backup"), **narrow)


def _copy_after(asker: Asker, made: Data) -> None:
    """To each of the other storages by itself: one that is away keeps none of the others waiting."""
    if made["kind"] == "backup":
        for address in load().backup_copies:
            send(copy, asker.on("after the backup"), name=made["name"], to=address)


def send(task: Task, asker: Asker, *, slot: str | None = None, **arguments: Any) -> None:
    """Queue it on behalf of that asker; of one slot only one is done. Where the broker does not take it there is a line in the log, and no error."""
    try:
        task.apply_async(kwargs=arguments, headers={"asked_by": str(asker), "slot": slot})
    except Exception as error:
        log.warning("not_queued", task=task.name, kind=type(error).__name__)


def _send_again(run: Run) -> None:
    """The message that got lost may turn up after all: whichever comes second finds its attempt claimed."""
    # Of no slot of the schedule: it was asked for by whoever had that.
    name, headers = operations.of(run.operation).task, {"asked_by": run.asked_by, "slot": None}
    app.send_task(name, kwargs=run.arguments, task_id=run.id, retries=run.attempt, headers=headers)


MEANS = reaper.Means(_send_again, recovery.end_left)
"""What the reaper needs of Celery, and of mirrors that were left behind."""
