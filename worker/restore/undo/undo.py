"""A restore undone: what it touched becomes what it was, and what others have changed since is left alone."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO

import structlog

from worker.arguments.restore import RestoreArguments, UndoArguments
from worker.backups.adopt import undone_by
from worker.broker import lock
from worker.config.settings import Settings
from worker.engines.replication import Replication
from worker.errors import ArtifactError, BackupSystemError, IncompleteError, NotFoundError, RefusedError
from worker.formats.encryption import Keys, keys_of
from worker.progress import Progress, both
from worker.repository import artifact, catalogue
from worker.repository.check import check
from worker.repository.copies.found import Found
from worker.repository.manifest import Manifest
from worker.restore.selection.held import held
from worker.restore.selection.keyset import KeySet
from worker.restore.selection.plan import Demand, Plan
from worker.restore.target.job import Job
from worker.restore.target.loadable import Fit
from worker.restore.target.report import on_their_way
from worker.restore.target.target import Target
from worker.restore.undo import functions
from worker.restore.undo.kept import Indexed, InOrder
from worker.restore.undo.merge import Pairs
from worker.restore.undo.revert import Outcome, WayBack, takes_payloads
from worker.server import rights
from worker.server.fence import Fence
from worker.storage import Storage, open_storage

log = structlog.get_logger()

_REPORTED = (
    *("functions", "failed", "failures", "evicted", "warnings", "unconfirmed", "unfinished"),
    *("keys_before", "keys_after", "wiped", "gone", "cut_short"),
)


def undo(settings: Settings, arguments: UndoArguments, progress: Progress) -> dict[str, Any]:
    """Put back what a restore replaced, delete what it created: the report as a dict. `check_complete` says if that is all.

    Nothing is written before both artifacts were verified and the target has passed every check. A key is looked at right
    before it is written: whoever writes to it in that very moment loses. Killed half-way, the same undo run again
    completes it. Raises NotFoundError, ArtifactError, BusyError, RefusedError (undone already, or another server now), and
    TargetError with the counts so far when the target gives up on the way.
    """
    storage = open_storage(settings.backup_storage)
    kept = catalogue.undo_of(storage, arguments.run)
    endpoint = arguments_of(kept).endpoint(settings)
    if endpoint.address != kept.source.address:
        raise RefusedError(
            f"That restore wrote to {kept.source.address}, and by the settings its target is {endpoint.address} now: "
            f"set {endpoint.role.setting} as it was."
        )
    with lock.held(settings, f"target {endpoint.address}") as lease:
        kept = catalogue.get(storage, kept.name)
        if kept.undone_at is not None and not arguments.force:
            raise RefusedError(
                f"That restore was undone already, on {kept.undone_at:%Y-%m-%d at %H:%M:%S} UTC, and nothing was changed "
                "now: --force puts back also what others have changed since."
            )
        fence = Fence(endpoint, lease)
        fence.clear()
        report = _undo(settings, kept, fence, both(progress, lambda *_: fence.check()), force=arguments.force)
    # What has gone meanwhile, or had gone before, can still be put back.
    if not any(report[name] for name in ("failed", "evicted", "wiped", "missing")):
        report["warnings"] += _mark(storage, kept)
        numbers = {name: report[name] for name in ("deleted", "left_alone", "as_before", "seconds")}
        log.info("restore_undone", name=kept.name, keys=report["put_back"], **numbers)
    return report


def arguments_of(kept: Manifest) -> RestoreArguments:
    """The arguments of the restore that this can undo."""
    return RestoreArguments.model_validate(kept.restore_arguments)


def check_complete(report: dict[str, Any]) -> None:
    """Raise IncompleteError, with the first key, when an undo ran to its end and could not put everything back."""
    if report["failed"]:
        first = next(iter(report["failures"]), None)
        example = f" The first: '{first['key']}' of database {first['db']}: {first['error']}." if first else ""
        raise IncompleteError(
            f"{report['failed']:,} keys could not be put back.{example} Mend that, and run the same undo again."
        )
    if report["evicted"]:
        raise IncompleteError(
            "The target threw keys out for want of memory while this ran: raise maxmemory, and run the same undo again."
        )
    if report["wiped"] and report["gone"]:
        raise IncompleteError(
            f"Not every key is there: {report['put_back']:,} were put back, but {report['wiped']}, and at least "
            f"{report['gone']:,} of them are gone. Run the same undo again."
        )


def _undo(settings: Settings, kept: Manifest, fence: Fence, progress: Progress, *, force: bool) -> dict[str, Any]:
    clock, storage, keys = time.monotonic(), open_storage(settings.backup_storage), keys_of(settings)
    target = Target(fence.endpoint, "overwrite")
    as_payloads = takes_payloads(target.facts)
    with (
        _restored(settings, kept, progress) as (backup, lies_in),
        lies_in.fetch(backup.name, progress) as restored,
        storage.fetch(kept.name, progress) as before,
        KeySet() as known,
    ):
        check(restored, backup, keys, progress)
        check(before, kept, keys, progress)
        kept = _with_arguments(before, kept, keys)
        at = round(kept.restored_at.timestamp() * 1000) if kept.restored_at else 0
        job = Job(Plan(backup, restored, arguments_of(kept), fence.endpoint, keys, at), target, fence, progress)
        target.check(_demand(job.plan, kept, as_payloads=as_payloads))
        if kept.engine != Replication.engine:
            _pairs(job.plan, kept, before, None).check()
        pairs = _pairs(job.plan, kept, before, target.fit(backup.rdb_version))
        way_back = WayBack(job, pairs, known, force=force)
        undone = _Undone(kept, job, way_back.outcome)
        try:
            with target.accounted(sorted(kept.keys_by_db), lambda: undone.words):
                for _ in target.restore(way_back, fence):
                    pass
                way_back.tell()
                way_back.settle_others()
        except BackupSystemError as error:
            error.report = undone.as_dict(clock) if error.report is not None else None
            raise
    _undo_functions(job, pairs, force=force)
    if missing := way_back.outcome.missing:
        job.report.warn(
            f"{missing:,} of the keys that were left alone are not there any more: others have deleted them, or the target "
            "threw them out or was emptied. The same undo with --force puts them back."
        )
    return undone.as_dict(clock)


def _with_arguments(file: BinaryIO, kept: Manifest, keys: Keys) -> Manifest:
    """The undo with all that the restore was told: names of keys are in the file alone, where that is encrypted."""
    if not kept.encrypted:
        return kept
    reader = artifact.reader(artifact.raw_chunks(file, kept, keys), kept.data_format, values=False)
    for _ in reader.batches():
        break
    file.seek(0)
    facts = undone_by(reader.facts)
    if facts.get("undoes") != kept.undoes or facts.get("restored") != kept.restored:
        raise ArtifactError(
            f"{kept.name} does not say of itself what its manifest says: it was swapped. Nothing was undone."
        )
    return kept.model_copy(update={"restore_arguments": facts["restore_arguments"]})


def _demand(plan: Plan, kept: Manifest, *, as_payloads: bool) -> Demand:
    besides = rights.TO_LOOK + (rights.TO_DELETE if plan.request.deletes else rights.TO_DELETE[:1])
    version = kept.rdb_version if as_payloads else None
    return Demand(version, sorted(kept.keys_by_db), besides=besides, doing="an undo")


def _pairs(plan: Plan, kept: Manifest, file: BinaryIO, fit: Fit | None) -> Pairs:
    """What was restored beside what was kept, each read from its start."""
    file.seek(0)
    chunks = artifact.raw_chunks(file, kept, plan.keys)
    stream = artifact.reader(chunks, kept.data_format, values=fit is not None)
    return Pairs(plan, Indexed(stream) if kept.engine == Replication.engine else InOrder(stream), fit)


def _undo_functions(job: Job, pairs: Pairs, *, force: bool) -> None:
    """Undo the function libraries; a restore of some kinds of keys only has touched none."""
    request = job.plan.request
    brought = pairs.restored.libraries if request.kinds is None else []
    change = functions.Change(pairs.kept.libraries, brought, request.mode)
    job.report.functions, warnings = functions.undo(job.fence, change, force=force)
    job.report.warnings += warnings


@dataclass(frozen=True)
class _Undone:
    """What an undo did, as its report tells it."""

    kept: Manifest
    job: Job
    outcome: Outcome

    @property
    def words(self) -> str:
        """The counts as half a sentence."""
        outcome, report = self.outcome, self.job.report
        done = f"{report.restored:,} put back, {outcome.deleted:,} deleted, {outcome.left_alone:,} left alone"
        return done + on_their_way({**report.as_dict(), "undeleted": outcome.undeleted})

    def as_dict(self, clock: float) -> dict[str, Any]:
        """For results; `clock` is when it began."""
        kept, report = self.kept, self.job.report.as_dict()
        return {
            "run": kept.undoes,
            "name": kept.name,
            "restored": kept.restored,
            "target": self.job.plan.endpoint.address,
            "put_back": report["restored"],
            **{name: report[name] for name in _REPORTED},
            **asdict(self.outcome),
            "seconds": round(time.monotonic() - clock, 3),
        }


@contextmanager
def _restored(settings: Settings, kept: Manifest, progress: Progress) -> Iterator[Found]:
    """The backup that was restored, wherever it lies now, or the moment."""
    with ExitStack() as block:
        try:
            backup = block.enter_context(held(settings, kept.restored or "", catalogue.ANY, None, progress))
        except NotFoundError:
            raise _gone(kept) from None
        yield backup


def _gone(kept: Manifest) -> NotFoundError:
    instead = "delete those by hand."
    if not kept.names_only:
        instead = f"restore {kept.name} with the mode overwrite instead; it holds what was replaced."
    return NotFoundError(
        f"The backup {kept.restored}, which was restored, is gone, so nobody can tell which keys that created: {instead}"
    )


def _mark(storage: Storage, kept: Manifest) -> list[str]:
    """Note that it was used, or say why that cannot be. There is nothing to note where a prune has taken it meanwhile."""
    now = datetime.now(UTC).replace(microsecond=0)
    with suppress(NotFoundError):
        return catalogue.try_to_note(storage, kept.name, undone_at=now)
    return []
