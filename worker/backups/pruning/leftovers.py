"""What belongs to no backup any more: files that killed runs left, and the memory of backups that somebody else deleted."""

from contextlib import suppress
from datetime import datetime

import structlog

from worker.backups.retention.decide import decide
from worker.backups.retention.policy import Policy
from worker.errors import ArtifactError, NotFoundError, StorageError
from worker.repository import catalogue
from worker.repository.manifest import MANIFEST_SUFFIX, Manifest
from worker.repository.notes import NOTES_SUFFIX
from worker.repository.versions.records import forget
from worker.segments.segment import SEGMENT_SUFFIX
from worker.storage import Storage

log = structlog.get_logger()


def _owned(storage: Storage) -> set[str]:
    """Files of backups and segments with a manifest, damaged or not, which no sweep may take for leftovers."""
    there = [file.name for file in storage.files()]
    names = [name for name in there if name.endswith(MANIFEST_SUFFIX)]
    backups = [name.removesuffix(MANIFEST_SUFFIX) for name in names]
    documents = [name for name in there if name.endswith(SEGMENT_SUFFIX)]
    segments = [name.removesuffix(SEGMENT_SUFFIX) for name in documents]
    return {*names, *backups, *(name + NOTES_SUFFIX for name in backups), *documents, *segments}


def sweep(storage: Storage, *, dry_run: bool) -> list[str]:
    """Remove what killed runs left, and what lies beside backups that are gone. Gives the names."""
    return storage.sweep(_owned(storage), dry_run=dry_run) + _sweep_orphans(storage, dry_run=dry_run)


def _sweep_orphans(storage: Storage, *, dry_run: bool) -> list[str]:
    orphans = catalogue.orphans(storage)
    for name in () if dry_run else orphans:
        with suppress(NotFoundError):  # another prune was here first
            storage.delete(name, [])
    return orphans


def let_go(storage: Storage, contents: catalogue.Catalogue, policy: Policy, now: datetime) -> None:
    """What somebody else has deleted is named until it would have gone by now: that may have been another machine's prune."""
    missed: dict[str, Manifest] = {}
    for backup in contents.lost:
        if backup.how == "deleted":
            with suppress(ArtifactError):
                missed[backup.name] = backup.record.described
    undos = [manifest for manifest in missed.values() if manifest.kind == "undo"]
    others = [manifest for manifest in missed.values() if manifest.kind != "undo"]
    for decision in decide(contents.listed + others, contents.undos + undos, policy, now) if missed else ():
        if decision.manifest.name in missed and not decision.keep:
            forget(storage, decision.manifest.name)
            with suppress(StorageError):
                catalogue.let_go(storage, decision.manifest.name)
            log.info("backup_let_go", name=decision.manifest.name)
