"""Delete what retention gives up, and what killed runs left behind."""

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import structlog

from worker.arguments.backups import DeleteArguments, PruneArguments
from worker.backups import retention
from worker.broker import lock
from worker.config.settings import Settings
from worker.errors import NotFoundError
from worker.progress import Progress, Proof, undisputed
from worker.repository import catalogue
from worker.repository.check import check
from worker.repository.manifest import MANIFEST_SUFFIX
from worker.repository.notes import NOTES_SUFFIX
from worker.storage.local import Folder, open_storage

log = structlog.get_logger()


def prune(settings: Settings, arguments: PruneArguments, progress: Progress) -> dict[str, Any]:
    """Keep the newest backups: what was (with `dry_run`: would be) deleted and kept, each with the reason.

    Only files that a manifest stands for are deleted, and leftovers that carry a dead run's mark. What pushes a backup out
    is read back whole before that goes. Raises ArtifactError, then nothing was deleted; BusyError while another is at work,
    LostError where another may be, while this one stood still.
    """
    storage = open_storage(settings.backup_storage)
    if arguments.dry_run:
        return _prune(settings, arguments, storage, progress, undisputed)
    with lock.held(settings, f"storage {storage.path.resolve()}") as lease:
        return _prune(settings, arguments, storage, progress, lease.prove)


def _prune(
    settings: Settings, arguments: PruneArguments, storage: Folder, progress: Progress, prove: Proof
) -> dict[str, Any]:
    clock = time.monotonic()
    found = catalogue.read(storage)
    decisions = _decided(settings, arguments, found)
    doomed = [decision for decision in decisions if not decision.keep]
    if doomed and not arguments.dry_run:
        _read_back(storage, decisions, progress)
        for decision in doomed:
            prove()
            _remove(storage, decision.manifest.name)
    prove()
    swept = [] if arguments.made_by else _sweep(storage, dry_run=arguments.dry_run)
    freed = sum(decision.manifest.bytes.stored for decision in doomed)
    if not arguments.dry_run:
        names, keys = [one.manifest.name for one in doomed], sum(one.manifest.keys or 0 for one in doomed)
        seconds = round(time.monotonic() - clock, 3)
        log.info("backup_pruned", name=names, keys=keys, bytes=freed, seconds=seconds, swept=swept)
    return {
        "dry_run": arguments.dry_run,
        "deleted": [_told(one) for one in doomed],
        "kept": [_told(one) for one in decisions if one.keep and one.manifest.kind != "undo"],
        "undos_kept": [_told(one) for one in decisions if one.keep and one.manifest.kind == "undo"],
        "swept": swept,
        "freed_bytes": freed,
        "problems": found.problems,
        "warnings": found.warnings,
    }


def _decided(settings: Settings, arguments: PruneArguments, found: catalogue.Catalogue) -> list[retention.Decision]:
    keep, manual = arguments.keep or settings.backup_keep, arguments.keep_manual or settings.backup_keep_manual
    policy = retention.Policy(keep, manual, settings.backup_undo_days)
    decisions = retention.decide(found.listed, found.undos, policy, datetime.now(UTC))
    return retention.narrowed(decisions, arguments.made_by) if arguments.made_by else decisions


def _told(decision: retention.Decision) -> dict[str, str]:
    return {"name": decision.manifest.name, "reason": decision.reason}


def _read_back(storage: Folder, decisions: list[retention.Decision], progress: Progress) -> None:
    """Nothing is deleted before its replacement is verified: the newest that pushes it out must still be what was written.

    An undo has none: what it kept was to be kept for some days.
    """
    for newest in retention.replacements(decisions):
        with storage.open(newest.name) as file:
            check(file, newest, progress)


def _owned(storage: Folder) -> set[str]:
    """What a manifest stands for, damaged or not: no sweep takes it for a leftover."""
    names = [file.name for file in storage.files() if file.name.endswith(MANIFEST_SUFFIX)]
    backups = [name.removesuffix(MANIFEST_SUFFIX) for name in names]
    return {*names, *backups, *(name + NOTES_SUFFIX for name in backups)}


def _sweep(storage: Folder, *, dry_run: bool) -> list[str]:
    return storage.sweep(_owned(storage), dry_run=dry_run) + _sweep_orphans(storage, dry_run=dry_run)


def _sweep_orphans(storage: Folder, *, dry_run: bool) -> list[str]:
    orphans = catalogue.orphans(storage)
    for name in () if dry_run else orphans:
        with suppress(NotFoundError):  # another prune was here first
            storage.delete(name, [])
    return orphans


def _remove(storage: Folder, name: str) -> None:
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
    with lock.held(settings, f"backup {storage.path.resolve()}/{arguments.name}") as lease:
        lease.prove()
        catalogue.remove(storage, arguments.name)
    log.info("backup_deleted", name=arguments.name, no_longer_undone=lost)
    return {"deleted": arguments.name}
