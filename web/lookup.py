"""The backup of some name, whole or not: the same one for the pages, their forms and the API."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from worker.arguments.moments import is_moment, meant
from worker.config.settings import load_web
from worker.errors import ArtifactError, NotFoundError
from worker.repository import catalogue
from worker.repository.copies import holdings, places
from worker.repository.copies.found import Found, find
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
    elsewhere: Manifest | None = None
    """What another storage says of it, where home cannot say anything."""

    @property
    def is_alone(self) -> bool:
        """Whether it lies in other storages only, and home knows nothing of it."""
        return self.elsewhere is not None and self.problem is None


def storage() -> Storage:
    """Where the backups lie."""
    return open_storage(load_web().backup_storage)


def manifest(name: str) -> Manifest:
    """The backup of that name, `latest` is the newest of this source: at home, or where home has none as it was last seen in
    another storage. NotFoundError, RefusedError where it lies in the trash, or ArtifactError where it is damaged.
    """
    try:
        return catalogue.get(storage(), name, scope_of(load_web()))
    except NotFoundError:
        if (elsewhere := _elsewhere(name)) is None:
            raise
        return elsewhere


def _elsewhere(name: str) -> Manifest | None:
    seen = [reading.contents for reading in holdings.remembered(load_web()) if reading.contents]
    if name == catalogue.LATEST:
        return catalogue.newest([backup for contents in seen for backup in contents.backups], scope_of(load_web()))
    return next((backup for contents in seen for backup in contents.listed if backup.name == name), None)


def held(name: str, address: str | None) -> Found:
    """The backup of that name and where to read it: in the storage of that address, or wherever it lies."""
    return find(load_web(), name, scope_of(load_web()), address)


def in_full(name: str, address: str | None = None) -> str:
    """Its name. NotFoundError at once instead of a task that fails, and UsageError for the address of no storage of ours; other
    faults are the task's to report, and so is whether it lies in a storage that somebody names.
    """
    if address is not None:
        places.named(load_web(), address)
        return name
    with suppress(ArtifactError):
        return manifest(name).name
    return name


def named(name: str, address: str | None = None) -> str:
    """The same for what may be a moment of the source as well: whether there is such a one, is the task's to report. UsageError."""
    if is_moment(name):
        meant(name)
        return name
    return in_full(name, address)


def stand_in(name: str) -> Manifest:
    """What is known of a moment before it is made: the source, as the newest backup has it, and nothing of its keys. NotFoundError."""
    unknown: dict[str, object] = {
        "name": name,
        "keys": None,
        "keys_by_db": {},
        "warnings": [],
        "created_at": datetime.now(UTC),
    }
    return manifest(catalogue.LATEST).model_copy(update=unknown)


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
    """All that can be known of it, at home or, where home has none of that name, as it was last seen in another storage.
    NotFoundError where there is none.
    """
    if name != catalogue.LATEST and (missed := lost_now(storage(), name)) is not None:
        return Known(name, None, missed.words(storage()), missed=missed, elsewhere=_elsewhere(name))
    try:
        return _at_home(name)
    except ArtifactError as error:
        return Known(name, None, str(error), elsewhere=_elsewhere(name))
    except NotFoundError:
        if (elsewhere := _elsewhere(name)) is None:
            raise
        return Known(elsewhere.name, None, None, elsewhere=elsewhere)


def _at_home(name: str) -> Known:
    if name != catalogue.LATEST and (trashed := catalogue.trashed(storage(), name)) is not None:
        return Known(name, trashed.manifest, None, trashed)
    backup = catalogue.get(storage(), name, scope_of(load_web()))
    return Known(backup.name, backup, catalogue.read(storage()).faults.get(backup.name))
