"""Storage to target: verified whole, then checked against the target, then written."""

import time
from contextlib import suppress
from typing import Any, BinaryIO

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
from worker.repository import catalogue
from worker.repository.check import check
from worker.repository.manifest import Manifest
from worker.repository.scope import scope_of
from worker.repository.sound import sound
from worker.restore.mirror import mirror, recovery
from worker.restore.mirror.replicate import Job
from worker.restore.preview.kinds import OfKinds
from worker.restore.preview.left_alone import LeftAlone
from worker.restore.preview.staleness import changes_since
from worker.restore.room import Room
from worker.restore.selection.named import Named
from worker.restore.selection.request import check_readable, demand_of, stream_of, warning_of
from worker.restore.target.loadable import fitted
from worker.restore.target.report import building, counts, losing
from worker.restore.target.target import Target
from worker.restore.undo import snapshot
from worker.restore.undo.current import Plan
from worker.server.endpoint import Endpoint
from worker.server.fence import Fence
from worker.storage.local import open_storage

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
        return _restore(settings, arguments, both(progress, lambda *_: fence.check()), fence)


def _restore(settings: Settings, arguments: RestoreArguments, progress: Progress, fence: Fence) -> dict[str, Any]:
    clock = time.monotonic()
    storage = open_storage(settings.backup_storage)
    manifest = catalogue.get(storage, arguments.name, scope_of(settings))
    check_readable(manifest)
    endpoint = fence.endpoint
    with storage.open(manifest.name) as file:
        check(file, manifest, progress)
        target = Target(endpoint, arguments.mode, force=arguments.force)
        report = target.report
        if warning := warning_of(manifest):
            report.warn(warning)
        _end_left(settings, endpoint, target)
        target.check(demand_of(arguments, manifest))
        _check_fresh(settings, arguments, (file, manifest), target, progress)
        reason = (
            mirror.choose(settings, arguments, manifest, force=arguments.force) if arguments.mode == "mirror" else None
        )
        room = Room(settings, arguments, manifest, file, target, fence)
        if not arguments.force:
            room.check(progress, whole=arguments.deletes and reason is None)
        at = snapshot.clock_of(endpoint)
        job = Job(settings, arguments, manifest, file, target, at, fence, progress)
        plan = Plan(manifest, file, arguments, fence, at)
        undo = snapshot.take(settings, plan, progress, report.warn)
        named = Named(arguments)
        whole = sound(named.watching(stream_of(file, manifest, arguments, at)), manifest, report.refuse)
        fitting = fitted(whole, target.fit(manifest.rdb_version), manifest.rdb_version)
        stream = _of_kinds(fitting, arguments, endpoint, target)
        try:
            if arguments.mode == "mirror":
                mirror.run(job, stream, reason, lambda: None if arguments.force else room.check(progress, whole=False))
            elif arguments.mode == "skip":
                _apply_beside(job, stream, progress)
            else:
                _apply(job, stream)
        except BackupSystemError as error:
            error.report = _told(job, undo, clock) if error.report is not None else None
            raise
    if not report.keys:
        report.warn(_nothing(arguments))
    if named.missing:
        report.warn(named.missing)
    told = _told(job, undo, clock)
    if report.complete:
        about = {"name": manifest.name, "keys": report.restored, "bytes": manifest.bytes.raw}
        besides = {"skipped": report.skipped, "expired": report.expired, "warnings": report.warnings}
        log.info("backup_restored", **about, seconds=told["seconds"], mode=arguments.mode, **besides)
    return told


def _told(job: Job, undo: dict[str, Any] | None, clock: float) -> dict[str, Any]:
    """The report as a dict; `clock` is when the restore began."""
    manifest, report = job.manifest, job.target.report
    if report.built and manifest.rdb_version is not None:
        report.warn(f"{building(report.built, manifest.rdb_version)}.")
    if report.lost:
        report.warn(f"{losing(report.lost, report.lost_keys)}.")
    return {
        "name": manifest.name,
        "mode": job.request.mode,
        "source": manifest.source.address,
        "target": job.endpoint.address,
        **report.as_dict(),
        "undo": undo,
        "seconds": round(time.monotonic() - clock, 3),
    }


def check_complete(report: dict[str, Any]) -> None:
    """Raise IncompleteError, with the counts and the first key, when a restore ran to its end without all its keys."""
    if report["failed"]:
        first = next(iter(report["failures"]), None)
        example = f" The first: {first['key']!r} of database {first['db']}: {first['error']}." if first else ""
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


def _nothing(arguments: RestoreArguments) -> str:
    """Why there was no key to restore: a wrong pattern must not look like a good restore."""
    return (
        "No key of the backup fits: nothing was restored."
        if arguments.narrowed or arguments.strip_prefix
        else "The backup holds no key."
    )


def _check_fresh(
    settings: Settings,
    arguments: RestoreArguments,
    opened: tuple[BinaryIO, Manifest],
    target: Target,
    progress: Progress,
) -> None:
    """RefusedError where the target has changed since the preview that somebody saw; with `force` only a warning."""
    if arguments.preview is None:
        return
    changed = changes_since(settings, arguments.preview, arguments, opened, progress)
    if changed and not arguments.force:
        raise RefusedError(
            f"{changed} Preview the restore again, or go on all the same with --force (`force` in a call).",
            risk="changed",
        )
    if changed:
        target.report.warn(changed)


def _of_kinds(stream: EntryStream, arguments: RestoreArguments, endpoint: Endpoint, target: Target) -> EntryStream:
    """The stream, less what is of another kind than was asked for."""
    return stream if arguments.kinds is None else OfKinds(stream, arguments.kinds, endpoint, target.report)


def _apply(job: Job, stream: EntryStream) -> None:
    """Write, and count in the target's report."""
    with job.target.accounted(job.databases):
        job.write(stream)
        job.target.restore_functions(stream.libraries, job.fence)


def _apply_beside(job: Job, stream: EntryStream, progress: Progress) -> None:
    """The same, and count what differs of the keys that were left alone.

    All is written by then: that they cannot be read is no failure.
    """
    report, manifest = job.target.report, job.manifest
    with LeftAlone() as left_alone:
        report.passed_over = left_alone.add
        _apply(job, stream)
        again = stream_of(job.file, manifest, job.request, job.at)
        try:
            fitting = fitted(again, job.target.fit(manifest.rdb_version), manifest.rdb_version)
            differing = left_alone.differing(fitting, job.endpoint, progress)
        except (TargetError, StorageError) as error:
            left_alone.lost = str(error)
    if left_alone.lost:
        report.differing = None
        report.warn(f"Whether the keys that were left alone differ from the backup is not known: {left_alone.lost}")
    elif report.differing is not None:
        report.differing += differing


def _end_left(settings: Settings, endpoint: Endpoint, target: Target) -> None:
    """A mirror whose process was killed may have left the target a replica of ours; nobody else is at work there now."""
    with suppress(BrokerUnavailableError):
        for words in recovery.end_left(settings, address=endpoint.address):
            target.report.warn(f"A mirror that was killed is ended. {words}")
