"""The storages of one product: home, where backups are written, and those that they are copied to."""

from worker.config.settings import Settings
from worker.config.storage_url import place_of
from worker.errors import NoSuchStorageError
from worker.repository.manifest import Manifest
from worker.storage import Storage, open_storage


def home(settings: Settings) -> Storage:
    """Where backups are written (BACKUP_STORAGE)."""
    return open_storage(settings.backup_storage)


def elsewhere(settings: Settings) -> list[Storage]:
    """Where they are copied to (BACKUP_COPIES)."""
    return [open_storage(address) for address in settings.backup_copies]


def everywhere(settings: Settings) -> list[Storage]:
    """All of them, home first."""
    return [home(settings), *elsewhere(settings)]


def named(settings: Settings, address: str) -> Storage:
    """The one at that address, home or another. NoSuchStorageError where none is set: an address from outside opens nothing."""
    return _at(everywhere(settings), (settings.backup_storage, *settings.backup_copies), address)


def chosen(settings: Settings, address: str | None) -> list[Storage]:
    """All of BACKUP_COPIES, or the one at that address. NoSuchStorageError where there is none."""
    if not settings.backup_copies:
        raise NoSuchStorageError("There is no other storage to copy to: set BACKUP_COPIES to the address of one.")
    others = elsewhere(settings)
    return others if address is None else [_at(others, settings.backup_copies, address)]


def _at(storages: list[Storage], addresses: tuple[str, ...], address: str) -> Storage:
    for known, storage in zip(addresses, storages, strict=True):
        if storage.place in (address, place_of(address)) or place_of(known) == place_of(address):
            return storage
    raise NoSuchStorageError(f"No such storage is set, but {' and '.join(map(str, storages))}.")


def is_copied(manifest: Manifest) -> bool:
    """Whether it belongs into other storages as well: a good backup. What undoes a restore is of use here alone."""
    return manifest.kind in ("backup", "adopted")


def is_same(one: Manifest, other: Manifest) -> bool:
    """Whether both describe the same bytes."""
    return (one.name, one.sha256, one.bytes) == (other.name, other.sha256, other.bytes)
