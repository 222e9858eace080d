"""The backup of some name, whole or not: the same one for the pages, their forms and the API."""

from contextlib import suppress
from dataclasses import dataclass

from worker.config.settings import load_web
from worker.errors import ArtifactError
from worker.repository import catalogue
from worker.repository.manifest import Manifest
from worker.repository.scope import scope_of
from worker.repository.trash import Trashed, refuse_last
from worker.repository.versions.lost import Lost, lost_now
from worker.storage import Storage, open_storage


@dataclass(frozen=True)
class Known:
    """A backup that is there; without a manifest where that is damaged."""

    name: str
    manifest: Manifest | None
    problem: str | None
    """Why it is no whole backup; None where it is."""
    trashed: Trashed | None = None
    """Since when and by whom it lies in the trash; None where it does not."""
    missed: Lost | None = None
    """What somebody else has done to it; None where nobody has."""


def storage() -> Storage:
    """Where the backups lie."""
    return open_storage(load_web().backup_storage)


def manifest(name: str) -> Manifest:
    """The backup of that name; `latest` is the newest of this source. NotFoundError, RefusedError where it lies in the trash,
    or ArtifactError where it is damaged.
    """
    return catalogue.get(storage(), name, scope_of(load_web()))


def in_full(name: str) -> str:
    """Its name. NotFoundError at once instead of a task that fails; other faults are the task's to report."""
    with suppress(ArtifactError):
        return manifest(name).name
    return name


def to_delete(name: str, asked_by: str) -> str:
    """Its name. RefusedError, too, where a token asks for the last good backup of a source."""
    full = in_full(name)
    refuse_last(catalogue.read(storage()).listed, full, asked_by)
    return full


def in_trash(name: str) -> str:
    """Its name. NotFoundError where there is none; the task reports one that is not in the trash."""
    catalogue.trashed(storage(), name)
    return name


def look(name: str) -> Known:
    """All that can be known of it. NotFoundError where there is none."""
    if name != catalogue.LATEST and (missed := lost_now(storage(), name)) is not None:
        return Known(name, None, missed.words(storage()), missed=missed)
    try:
        if name != catalogue.LATEST and (trashed := catalogue.trashed(storage(), name)) is not None:
            return Known(name, trashed.manifest, None, trashed)
        backup = manifest(name)
    except ArtifactError as error:
        return Known(name, None, str(error))
    return Known(backup.name, backup, catalogue.read(storage()).faults.get(backup.name))
