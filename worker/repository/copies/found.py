"""The backup of some name, wherever it lies: at home, or where home has given it up in another storage that holds it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, NamedTuple

from worker.config.settings import Settings
from worker.errors import ArtifactError, BackupSystemError, NotFoundError
from worker.progress import Progress
from worker.repository import catalogue
from worker.repository.copies import places
from worker.repository.manifest import Manifest, Scope
from worker.storage import Storage


class Found(NamedTuple):
    """A backup, and the storage to read it from."""

    manifest: Manifest
    storage: Storage


def find(settings: Settings, name: str, scope: Scope, address: str | None = None) -> Found:
    """The backup of that name (`latest`: the newest) in the storage of that address; where none is said at home, and where
    home has none, in the first other one that has.

    What `catalogue.get` raises, and UsageError where no such storage is set.
    """
    if address is not None:
        storage = places.named(settings, address)
        return Found(catalogue.get(storage, name, scope), storage)
    home = places.home(settings)
    try:
        return Found(catalogue.get(home, name, scope), home)
    except NotFoundError as error:
        for there in places.elsewhere(settings):
            with suppress(BackupSystemError):
                return Found(catalogue.get(there, name, scope), there)
        raise error from None


@contextmanager
def fetched(
    settings: Settings, held: Found, check: Callable[[BinaryIO], None], progress: Progress, *, anew: bool = False
) -> Iterator[BinaryIO]:
    """Its file on this machine, which has passed `check`. Where it is missing or damaged the error names the other storages that
    hold the backup, and says how to restore it from there.
    """
    with _advised(settings, held):
        file = held.storage.fetch(held.manifest.name, progress, anew=anew)
    with file:
        with _advised(settings, held):
            check(file)
        yield file


@contextmanager
def _advised(settings: Settings, held: Found) -> Iterator[None]:
    try:
        yield
    except (ArtifactError, NotFoundError) as error:
        storages = (there for there in places.everywhere(settings) if there != held.storage)
        others = [str(there) for there in storages if _holds(there, held.manifest)]
        if not others:
            raise
        raise type(error)(
            f"{error} The same backup lies in {' and in '.join(others)}: `python -m worker restore {held.manifest.name} --from "
            f"{others[0]}` reads it there.",
            of=error.of,
        ) from None


def _holds(there: Storage, manifest: Manifest) -> bool:
    """Whether it is listed there as a whole backup, as far as can be seen from here."""
    try:
        return any(places.is_same(backup, manifest) for backup in catalogue.read(there).listed)
    except BackupSystemError:
        return False
