"""Delete what retention gives up, and what killed runs left behind."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from typing import Any

import structlog

from worker.arguments.backups import DeleteArguments, PruneArguments
from worker.backups import retention
from worker.broker import lock
from worker.config.settings import Settings
from worker.errors import BackupSystemError, NotFoundError
from worker.progress import Progress, Proof, undisputed
from worker.repository import catalogue
from worker.repository.check import check
from worker.repository.manifest import MANIFEST_SUFFIX
from worker.repository.notes import NOTES_SUFFIX
from worker.storage import Storage, open_storage

log = structlog.get_logger()


def prune(settings: Settings, arguments: PruneArguments, progress: Progress) -> dict[str, Any]:
    """Keep the newest backups: what was (with `dry_run`: would be) deleted and kept, each with the reason.

    Only files that a manifest stands for are deleted, and leftovers that carry a dead run's mark. What pushes a backup out
    is read back whole before that goes. Raises ArtifactError, then nothing was deleted; BusyError while another is at work,
    LostError where another may be, while this one stood still, StoppedError. What it says, and its `report`, tell what was
    deleted by then.
    """
    storage = open_storage(settings.backup_storage)
    if arguments.dry_run:
        return _prune(settings, arguments, storage, progress, undisputed)
    with lock.held(settings, f"storage {storage.place}") as lease:
        return _prune(settings, arguments, storage, progress, lease.prove)


def _prune(
    settings: Settings, arguments: PruneArguments, storage: Storage, progress: Progress, prove: Proof
) -> dict[str, Any]:
    clock = time.monotonic()
    found = catalogue.read(storage)
    pruning = _Pruning(found, _decided(settings, arguments, found), dry_run=arguments.dry_run)
    with nullcontext() if arguments.dry_run else pruning.accounted():
        if pruning.doomed and not arguments.dry_run:
            _read_back(storage, pruning.decisions, progress)
            pruning.delete(storage, progress, prove)
        prove()
        pruning.swept = [] if arguments.made_by else _sweep(storage, dry_run=arguments.dry_run)
    report = pruning.report
    if not arguments.dry_run:
        names, keys = [one["name"] for one in report["deleted"]], sum(one.manifest.keys or 0 for one in pruning.doomed)
        seconds = round(time.monotonic() - clock, 3)
        log.info(
            "backup_pruned", name=names, keys=keys, bytes=report["freed_bytes"], seconds=seconds, swept=pruning.swept
        )
    return report


class _Pruning:
    """What is to be deleted, and what is by now."""

    def __init__(self, found: catalogue.Catalogue, decisions: list[retention.Decision], *, dry_run: bool) -> None:
        self.decisions, self.swept = decisions, list[str]()
        self.doomed = [decision for decision in decisions if not decision.keep]
        self._found, self._dry_run = found, dry_run
        self._deleted = self.doomed if dry_run else []

    def delete(self, storage: Storage, progress: Progress, prove: Proof) -> None:
        """Delete all that is to go, one after the other; it stops before any of them where somebody asks for that."""
        for number, decision in enumerate(self.doomed):
            progress("deleting", number, len(self.doomed), "backups")
            prove()
            _remove(storage, decision.manifest.name)
            self._deleted.append(decision)

    @contextmanager
    def accounted(self) -> Iterator[None]:
        """Whatever ends it early tells what was deleted by then."""
        try:
            yield
        except BackupSystemError as error:
            full = type(error)(f"{error} {self._until_then}", risk=error.risk)
            full.report = self.report | {"cut_short": True}
            raise full from None
        except BaseException as error:
            error.add_note(self._until_then)
            raise

    @property
    def _until_then(self) -> str:
        deleted, left = len(self._deleted), len(self.doomed) - len(self._deleted)
        return f"Until then {deleted:,} of {deleted + left:,} backups were deleted{'; prune again for the others' * (left > 0)}."

    @property
    def report(self) -> dict[str, Any]:
        """So far."""
        kept = [one for one in self.decisions if one.keep]
        return {
            "dry_run": self._dry_run,
            "cut_short": False,
            "deleted": [_told(one) for one in self._deleted],
            "kept": [_told(one) for one in kept if one.manifest.kind != "undo"],
            "undos_kept": [_told(one) for one in kept if one.manifest.kind == "undo"],
            "swept": self.swept,
            "freed_bytes": sum(one.manifest.bytes.stored for one in self._deleted),
            "problems": self._found.problems,
            "warnings": self._found.warnings,
        }


def _decided(settings: Settings, arguments: PruneArguments, found: catalogue.Catalogue) -> list[retention.Decision]:
    keep, manual = arguments.keep or settings.backup_keep, arguments.keep_manual or settings.backup_keep_manual
    policy = retention.Policy(keep, manual, settings.backup_undo_days)
    decisions = retention.decide(found.listed, found.undos, policy, datetime.now(UTC))
    return retention.narrowed(decisions, arguments.made_by) if arguments.made_by else decisions


def _told(decision: retention.Decision) -> dict[str, str]:
    return {"name": decision.manifest.name, "reason": decision.reason}


def _read_back(storage: Storage, decisions: list[retention.Decision], progress: Progress) -> None:
    """Nothing is deleted before its replacement is verified: the newest that pushes it out must still be what was written.

    An undo has none: what it kept was to be kept for some days.
    """
    for newest in retention.replacements(decisions):
        with storage.fetch(newest.name) as file:
            check(file, newest, progress)


def _owned(storage: Storage) -> set[str]:
    """What a manifest stands for, damaged or not: no sweep takes it for a leftover."""
    names = [file.name for file in storage.files() if file.name.endswith(MANIFEST_SUFFIX)]
    backups = [name.removesuffix(MANIFEST_SUFFIX) for name in names]
    return {*names, *backups, *(name + NOTES_SUFFIX for name in backups)}


def _sweep(storage: Storage, *, dry_run: bool) -> list[str]:
    return storage.sweep(_owned(storage), dry_run=dry_run) + _sweep_orphans(storage, dry_run=dry_run)


def _sweep_orphans(storage: Storage, *, dry_run: bool) -> list[str]:
    orphans = catalogue.orphans(storage)
    for name in () if dry_run else orphans:
        with suppress(NotFoundError):  # another prune was here first
            storage.delete(name, [])
    return orphans


def _remove(storage: Storage, name: str) -> None:
    try:
        catalogue.remove(storage, name)
    except NotFoundError:
        log.debug("backup_gone", name=name)  # another prune was here first


def delete(settings: Settings, arguments: DeleteArguments) -> dict[str, Any]:
    """Delete one backup by name. NotFoundError where there is none, which is so after the first of two.

    Restores of it can then no longer be undone: a prune keeps it for that, and whoever names it has the last word.
    """
    storage = open_storage(settings.backup_storage)
    if arguments.name == catalogue.LATEST:
        raise NotFoundError(
            "There is no backup of the name 'latest' to delete: name it in full, as `python -m worker list` does."
        )
    lost = [one.name for one in catalogue.undos_with(storage, arguments.name)]
    with lock.held(settings, f"backup {storage.place}/{arguments.name}") as lease:
        lease.prove()
        catalogue.remove(storage, arguments.name)
    log.info("backup_deleted", name=arguments.name, no_longer_undone=lost)
    return {"deleted": arguments.name}
