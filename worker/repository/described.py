"""What the files beside an artifact say of it."""

from collections.abc import Container
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

from worker.errors import ArtifactError, DamagedError, ForgedError, NotFoundError, StorageError, StorageUnavailableError
from worker.repository import notes
from worker.repository.manifest import MANIFEST_SUFFIX, Manifest, Origin, Size, from_json
from worker.repository.notes import NOTES_SUFFIX, Notes
from worker.storage import Storage, StoredFile


class Described(NamedTuple):
    """The manifest with its notes; where that is not one, why."""

    manifest: Manifest | None
    fault: str | None = None
    is_damaged: bool = False
    """Whether the fault is that it is not what was written."""
    is_forged: bool = False
    """Whether the fault is that its signature is not of it."""
    is_sure: bool = True
    """Whether it says the same as long as the files are the same: what could not be read may be read the next time."""
    warning: str | None = None
    """What is to be said of its notes."""
    deleted_at: datetime | None = None
    deleted_by: str | None = None
    is_unpinned: bool = False
    """Whether it was pinned once, and is not any more."""


def noted(storage: Storage, name: str) -> Notes | None:
    """The notes of that backup; None where there are none. Damaged notes count as a pin, because they may have held one."""
    try:
        text = storage.read(name + NOTES_SUFFIX)
    except NotFoundError:
        return None
    return notes.from_json(name, text) or notes.lost(name)


def described(
    storage: Storage, file: StoredFile, notes_file: StoredFile | None, vouched: Container[str] = ()
) -> Described:
    """What these two say; `vouched` are the sha256 that from_json takes. NotFoundError where the first is gone, StorageUnavailableError where all of them cannot be read."""
    name = file.name.removesuffix(MANIFEST_SUFFIX)
    try:
        manifest = from_json(name, storage.read(file.name), vouched)
    except StorageUnavailableError:
        raise
    except (ArtifactError, StorageError) as error:
        return _faulty(storage, name, error, has_notes=notes_file is not None)
    try:
        known = noted(storage, name) if notes_file else None
    except StorageUnavailableError:
        raise
    except StorageError as error:
        return Described(None, str(error), is_sure=False)
    if known is None:
        return Described(_slim(manifest))
    warning = _LOST.format(name=name) if known == notes.lost(name) else None
    whole = _slim(known.beside(manifest))
    return Described(
        whole,
        warning=warning,
        deleted_at=known.deleted_at,
        deleted_by=known.deleted_by,
        is_unpinned=known.pinned is False,
    )


def _faulty(storage: Storage, name: str, error: ArtifactError | StorageError, *, has_notes: bool) -> Described:
    known = None
    with suppress(StorageError):
        known = noted(storage, name) if has_notes else None
    return Described(
        None,
        str(error),
        is_damaged=isinstance(error, DamagedError),
        is_forged=isinstance(error, ForgedError),
        is_sure=isinstance(error, ArtifactError),
        deleted_at=known.deleted_at if known else None,
        deleted_by=known.deleted_by if known else None,
    )


def _slim(manifest: Manifest) -> Manifest:
    """The same in half of the memory: which fields were given, pydantic keeps of every single one."""
    for part in (manifest, manifest.source, manifest.bytes):
        object.__setattr__(part, "__pydantic_fields_set__", _ALL_FIELDS[type(part)])
    return manifest


_ALL_FIELDS: dict[type, set[str]] = {part: set(part.model_fields) for part in (Manifest, Origin, Size)}
_LOST = "The notes of {name} are damaged, so it counts as pinned: pin or unpin it, and they are written anew."
