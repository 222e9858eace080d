"""Storage to target: verified whole, then checked against the target, then written."""

import time
from contextlib import suppress
from functools import partial
from typing import Any

import structlog

from worker.arguments.restore import RestoreArguments
from worker.broker import lock
from worker.config.settings import Settings
from worker.errors import (
    BackupSystemError,
    BrokerUnavailableError,
    IncompleteError,
    RefusedError,
    StorageError,
    TargetError,
)
from worker.formats.entries import EntryStream
from worker.progress import Progress, both
from worker.repository.sound import sound
from worker.restore.mirror import mirror, recovery, whole
from worker.restore.preview.kinds import OfKinds
from worker.restore.preview.left_alone import LeftAlone
from worker.restore.preview.staleness import changes_since
from worker.restore.room import Room
from worker.restore.selection.named import Named
from worker.restore.selection.plan import Plan, opened
from worker.restore.target.job import Job
from worker.restore.target.report import building, counts, losing
from worker.restore.target.target import Target
from worker.restore.undo import snapshot
from worker.server.fence import Fence

log = structlog.get_logger()


def restore(settings: Settings, arguments: RestoreArguments, progress: Progress) -> dict[str, Any]:
    """Restore a backup: the report as a dict. One with failed keys is no success: `check_complete` says so.

    Nothing is written before the artifact was verified and the target has passed every check. Raises NotFoundError,
    ArtifactError, RefusedError, BusyError while another restore writes there, and TargetError with the counts so far
    when the target gives up on the way.
    """
    endpoint = arguments.endpoint(settings)
    with lock.held(settings, f"target {endpoint.address}") as lease:
        fence = Fence(endpoint, lease)
        fence.clear()
        clock = time.monotonic()
        watched = both(progress, lambda *_: fence.check())
        with opened(settings, arguments, endpoint, watched) as plan:
            return carried_out(settings, arguments, plan, fence, progress=watched, clock=clock)


def check_complete(report: dict[str, Any]) -> None:
    """Raise IncompleteError, with the counts and the first key, when a restore ran to its end without all its keys."""
    if report["failed"]:
        first = next(iter(report["failures"]), None)
        example = f" The first: '{first['key']}' of database {first['db']}: {first['error']}." if first else ""
        raise IncompleteError(f"Not every key could be restored: {counts(report)}.{example}")
    if report["evicted"]:
        raise IncompleteError(
            f"Not every key is there: {counts(report)}. The target threw keys out for want of memory while this ran: "
            "raise maxmemory, and run the restore again."
        )
    if report["wiped"] and report["gone"]:
        raise IncompleteError(
            f"Not every key is there: {counts(report)}, but {report['wiped']}, and at least {report['gone']:,} of them are "
            "gone. Run the restore again."
        )


def carried_out(  # noqa: PLR0913 - a restore is all of this
    settings: Settings, arguments: RestoreArguments, plan: Plan, fence: Fence, *, progress: Progress, clock: float
) -> dict[str, Any]:
    """Check and write what was verified, behind this fence: the report as a dict. `clock` is when it was begun."""
    target = Target(fence.endpoint, arguments.mode, force=arguments.force)
    job = Job(plan, target, fence, progress)
    room = Room(settings, job, force=arguments.force)
    piecemeal = _check(settings, arguments, job, room)
    job = job.begun()
    undo = snapshot.take(settings, job, whole=piecemeal is None)
    named = Named(arguments)
    try:
        if arguments.mode != "mirror" and piecemeal is None and (piecemeal := whole.run(settings, job)):
            # It took a while, and others may have written there.
            snapshot.discard(settings, undo)
            job = job.begun()
            undo = snapshot.take(settings, job, whole=False)
        if job.report.way is None:
            _write(settings, job, _stream(job, named), piecemeal, room)
    except BackupSystemError as error:
        if isinstance(error, RefusedError) and error.report is None:
            # Refused after all, before the first key was written: there is nothing to undo.
            snapshot.discard(settings, undo)
        error.report = _outcome(job, undo, clock) if error.report is not None else None
        raise
    _warn_of_missing(job, named)
    report = _outcome(job, undo, clock)
    if job.report.complete and fence.outlives_us:
        _log(job, report)
    return report


def _check(settings: Settings, arguments: RestoreArguments, job: Job, room: Room) -> str | None:
    """Raise what speaks against the restore. Gives why it has to go key by key, None where it goes as one file."""
    for warning in job.plan.warnings:
        job.report.warn(warning)
    _end_left(settings, job)
    job.target.check(job.plan.demand)
    _check_fresh(settings, arguments, job)
    if arguments.mode == "mirror":
        piecemeal = mirror.choose(settings, job.plan, force=arguments.force)
        room.check(whole=piecemeal is None)
        return piecemeal
    room.check(whole=False)
    return whole.choose(settings, job, force=arguments.force)


def _end_left(settings: Settings, job: Job) -> None:
    """Free a target that a killed mirror may have left as our replica; we hold the lock, so nobody else works there."""
    if not job.fence.outlives_us:
        return
    with suppress(BrokerUnavailableError):
        for words in recovery.end_left(settings, address=job.plan.endpoint.address):
            job.report.warn(f"A mirror that was killed is ended. {words}")


def _check_fresh(settings: Settings, arguments: RestoreArguments, job: Job) -> None:
    """RefusedError where the target has changed since the preview that somebody saw; with `force` only a warning."""
    if arguments.preview is None:
        return
    changed = changes_since(settings, arguments.preview, job.plan, job.progress)
    if changed and not arguments.force:
        raise RefusedError(
            f"{changed} Preview the restore again, or go on all the same with --force (`force` in a call).",
            risk="changed",
        )
    if changed:
        job.report.warn(changed)


def _stream(job: Job, named: Named) -> EntryStream:
    """What is to be written: the keys that are meant, whose values are sound, as the target takes them."""
    plan, report = job.plan, job.report
    vouched = sound(named.watching(plan.stream()), plan.manifest, report.refuse)
    stream, kinds = job.fitted(vouched), plan.request.kinds
    return stream if kinds is None else OfKinds(stream, kinds, plan.endpoint, report)


def _write(settings: Settings, job: Job, stream: EntryStream, piecemeal: str | None, room: Room) -> None:
    """Write, and count in the target's report."""
    if job.plan.request.mode == "mirror":
        mirror.run(settings, job, stream, piecemeal, partial(room.check, whole=False))
        return
    job.report.way, job.report.reason = "keys", piecemeal
    if job.plan.request.mode == "skip":
        _apply_beside(job, stream)
    else:
        _apply(job, stream)


def _apply(job: Job, stream: EntryStream) -> None:
    with job.target.accounted(job.plan.databases):
        job.write(stream)
        job.target.restore_functions(stream.libraries, job.fence)


def _apply_beside(job: Job, stream: EntryStream) -> None:
    """The same, and count what differs of the keys that were left alone.

    All is written by then: that they cannot be read is no failure.
    """
    report = job.report
    with LeftAlone() as left_alone:
        report.passed_over = left_alone.add
        _apply(job, stream)
        try:
            again = job.fitted(job.plan.stream())
            differing = left_alone.differing(again, job.plan.endpoint, job.progress)
        except (TargetError, StorageError) as error:
            left_alone.lost = str(error)
    if left_alone.lost:
        report.differing = None
        report.warn(f"Whether the keys that were left alone differ from the backup is not known: {left_alone.lost}")
    elif report.differing is not None:
        report.differing += differing


def _warn_of_missing(job: Job, named: Named) -> None:
    """Keys that were asked for and are not in the backup: a wrong pattern must not look like a good restore."""
    request = job.plan.request
    if not job.report.keys:
        narrowed = request.narrowed or request.strip_prefix
        job.report.warn("No key of the backup fits: nothing was restored." if narrowed else "The backup holds no key.")
    if named.missing:
        job.report.warn(named.missing)


def _outcome(job: Job, undo: dict[str, Any] | None, clock: float) -> dict[str, Any]:
    """The report as a dict; `clock` is when the restore began."""
    manifest, report = job.plan.manifest, job.report
    if report.built and manifest.rdb_version is not None:
        report.warn(f"{building(report.built, manifest.rdb_version)}.")
    if report.lost:
        report.warn(f"{losing(report.lost, report.lost_keys)}.")
    return {
        "name": job.plan.name,
        "mode": job.plan.request.mode,
        "source": manifest.source.address,
        "target": job.plan.endpoint.address,
        **report.as_dict(),
        "undo": undo,
        "seconds": round(time.monotonic() - clock, 3),
    }


def _log(job: Job, report: dict[str, Any]) -> None:
    backup = {"name": report["name"], "keys": report["restored"], "bytes": job.plan.manifest.bytes.raw}
    counted = {name: report[name] for name in ("seconds", "mode", "skipped", "expired", "warnings")}
    log.info("backup_restored", **backup, **counted)
