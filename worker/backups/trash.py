"""One backup deleted, which moves it to the trash, and put back from there; or from what a bucket keeps of it."""

from datetime import UTC, datetime
from typing import Any

import structlog

from worker.arguments.backups import DeleteArguments, PutBackArguments
from worker.backups.retention.decide import decide
from worker.backups.retention.policy import policy_of
from worker.broker import lock
from worker.config.settings import Settings
from worker.errors import NotFoundError, RefusedError, StorageError
from worker.progress import Progress, silent
from worker.repository import behalf, catalogue
from worker.repository.manifest import MANIFEST_SUFFIX
from worker.repository.trash import is_token, refuse_last
from worker.repository.versions.locks import is_kept, lock_of
from worker.repository.versions.lost import lost_now
from worker.repository.versions.records import forget
from worker.repository.versions.rescue import rescue
from worker.storage import Storage, open_storage

log = structlog.get_logger()


def delete(settings: Settings, arguments: DeleteArguments) -> dict[str, Any]:
    """Move one backup to the trash, which frees nothing yet; with `now`, or where there is no trash, it is gone for good.

    NotFoundError where there is none, RefusedError where it lies there already, or a token asks for what none may. Restores
    of it can no longer be undone: a prune keeps it for that, and whoever names it has the last word.
    """
    storage, name = open_storage(settings.backup_storage), arguments.name
    if name == catalogue.LATEST:
        raise NotFoundError(
            "There is no backup of the name 'latest' to delete: name it in full, as `python -m worker list` does."
        )
    days = 0 if arguments.now else settings.backup_trash_days
    # Two deletions at once would each take the other's backup for one that stays.
    with lock.held(settings, f"storage {storage.place}") as lease:
        if _is_gone(storage, arguments):
            return {"deleted": name, "trash_days": 0, "freed_bytes": 0}
        _check(storage, arguments, days)
        lost = [undo.name for undo in catalogue.undos_with(storage, name)]
        freed = 0 if days else _freed(storage, name)
        lease.prove()
        if days:
            move(storage, name)
        else:
            catalogue.remove(storage, name)
    log.info("backup_deleted", name=name, trash_days=days, no_longer_undone=lost)
    return {"deleted": name, "trash_days": days, "freed_bytes": freed}


def _is_gone(storage: Storage, arguments: DeleteArguments) -> bool:
    """Whether somebody else has deleted it, and no more is to be said of that from now on. RefusedError where only they have."""
    if arguments.now and not _is_stored(storage, arguments.name):
        _refuse_token()
        # Where the bucket keeps versions, it is missed for these as well.
        is_missed = catalogue.let_go(storage, arguments.name)
        if is_missed and lost_now(storage, arguments.name) is None:
            log.info("backup_let_go", name=arguments.name)
            return True
    missed = lost_now(storage, arguments.name)
    if missed is None or missed.how != "deleted":
        return False
    if not arguments.now:
        raise RefusedError(
            f"{missed.words(storage)} `python -m worker delete --now {missed.name}` lets it be gone, and no more is said of it."
        )
    _refuse_token()
    forget(storage, missed.name)
    log.info("backup_let_go", name=missed.name)
    return True


def _is_stored(storage: Storage, name: str) -> bool:
    return any(file.name == name + MANIFEST_SUFFIX for file in storage.files())


def _check(storage: Storage, arguments: DeleteArguments, days: int) -> None:
    """RefusedError where this one may not be deleted, or is already."""
    there = catalogue.trashed(storage, arguments.name)
    if there is not None and days:
        raise RefusedError(
            f"{there.name} lies in the trash already, from where a prune deletes it after "
            f"{there.goes_at(days):%Y-%m-%d %H:%M} UTC: `python -m worker delete --now {there.name}` does that at once."
        )
    if arguments.now:
        _refuse_token()
    refuse_last(catalogue.read(storage).listed, arguments.name, behalf.asker())
    if not days and (lock := lock_of(storage, arguments.name)):
        raise RefusedError(f"{arguments.name} is {lock.words}, and cannot be deleted before that ends.")


def _refuse_token() -> None:
    if is_token(behalf.asker()):
        raise RefusedError("No token may delete a backup past the trash: have the admin do that, from a shell.")


def _freed(storage: Storage, name: str) -> int:
    """Bytes; none where the bucket keeps the version."""
    size = next((file.size for file in storage.files() if file.name == name), 0)
    return 0 if is_kept(storage, name) else size


def move(storage: Storage, name: str) -> None:
    """Note that it is deleted, by whoever asks. NotFoundError where it is gone."""
    now = datetime.now(UTC).replace(microsecond=0)
    try:
        catalogue.note(storage, name, deleted_at=now, deleted_by=behalf.asker())
    except StorageError as error:
        raise StorageError(
            f"{error} Nothing was deleted, for that could not be noted: `python -m worker delete --now {name}` does without "
            "the trash, and frees its room at once."
        ) from None


def put_back(settings: Settings, arguments: PutBackArguments, progress: Progress = silent) -> dict[str, Any]:
    """Take one backup out of the trash: it is listed, restored and pruned as before. Or, where somebody else has deleted it
    in a bucket with versions or written over it, put the version back that was written. NotFoundError, RefusedError where
    there is nothing to put back; ArtifactError where that version is not what was written.
    """
    storage, name = open_storage(settings.backup_storage), arguments.name
    # A running prune would delete what it had found in the trash.
    with lock.held(settings, f"storage {storage.place}") as lease:
        if missed := lost_now(storage, name):
            rescue(storage, missed, progress, lease.prove)
            log.info("backup_rescued", name=name, how=missed.how)
            return {"put_back": name, "warnings": _given_up_anyway(settings, storage, name)}
        there = catalogue.trashed(storage, name)
        if there is None:
            raise RefusedError(f"{name} does not lie in the trash: `python -m worker list --trash` shows what does.")
        lease.prove()
        catalogue.note(storage, name, deleted_at=None, deleted_by=None)
    log.info("backup_put_back", name=name, deleted_by=there.deleted_by)
    return {"put_back": name, "warnings": _given_up_anyway(settings, storage, name)}


def _given_up_anyway(settings: Settings, storage: Storage, name: str) -> list[str]:
    contents = catalogue.read(storage)
    decisions = decide(contents.listed, contents.undos, policy_of(settings), datetime.now(UTC))
    doomed = any(decision.manifest.name == name and not decision.keep for decision in decisions)
    return [f"The next prune deletes it, unless it is pinned: `python -m worker pin {name} --why ...`."] * doomed
