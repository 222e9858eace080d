"""What is remembered of each backup that this machine has written to a bucket with versions, until it deletes it."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from worker.errors import NotFoundError, StorageError
from worker.repository import digest
from worker.repository.manifest import MANIFEST_SUFFIX, Manifest, from_json
from worker.storage import Storage, StoredFile
from worker.storage.versions.kept import Kept, remembered_of, versions_of

SUFFIX = ".versions.json"
_STORAGES = 4
"""Whose records are kept in mind."""
log = structlog.get_logger()


class Record(BaseModel):
    """The versions of an artifact and of its manifest, as they were written, and the text of that."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    name: str
    artifact: Kept
    manifest: Kept
    text: str
    pinned: bool | None = None
    """As was noted since; None where nothing was."""

    @property
    def described(self) -> Manifest:
        """The manifest itself. ArtifactError where it is none."""
        manifest = from_json(self.name, self.text.encode())
        return manifest if self.pinned is None else manifest.model_copy(update={"pinned": self.pinned})

    @property
    def files(self) -> dict[str, Kept]:
        """Both by their names."""
        return {self.name: self.artifact, self.name + MANIFEST_SUFFIX: self.manifest}


def remember(storage: Storage, name: str, text: bytes, *, pinned: bool | None = None) -> None:
    """The versions of a backup that has just been written, `text` being its manifest. Where that cannot be, it is logged."""
    versions = versions_of(storage)
    if versions is None:
        return
    with _logged(name):
        manifest = versions.of(name + MANIFEST_SUFFIX)
        artifact = versions.of(name) if manifest and manifest.id else None
        if manifest and artifact and artifact.id:
            _keep(storage, Record(name=name, artifact=artifact, manifest=manifest, text=text.decode(), pinned=pinned))


def pin(storage: Storage, name: str, pinned: bool | None) -> None:
    """Remember that with it, for a prune lets go what was not pinned."""
    if record := record_of(storage, name):
        with _logged(name):
            _keep(storage, record.model_copy(update={"pinned": pinned}))


@contextmanager
def _logged(name: str) -> Iterator[None]:
    """The backup itself is there, so whatever cannot be remembered of it ends nothing."""
    try:
        yield
    except StorageError as error:
        log.warning("versions_not_remembered", name=name, why=str(error))


def _keep(storage: Storage, record: Record) -> None:
    folder = remembered_of(storage)
    if folder is None:
        return
    file, content = record.name + SUFFIX, digest.sealed(record.model_dump_json(indent=2))
    try:
        folder.put(file, content, replace=True)
    except NotFoundError:
        folder.put(file, content)


def forget(storage: Storage, name: str) -> None:
    """It is about to be deleted by us, so that nobody has to miss it."""
    folder = remembered_of(storage)
    if folder is not None and folder.exists():
        with suppress(NotFoundError):
            folder.delete(name + SUFFIX, [])


def record_of(storage: Storage, name: str) -> Record | None:
    """What is remembered of that backup."""
    folder = remembered_of(storage)
    return None if folder is None else _read(folder, name + SUFFIX)


def records(storage: Storage) -> dict[str, Record]:
    """All that is remembered, by the names of the backups."""
    folder = remembered_of(storage)
    if folder is None or not folder.exists():
        return {}
    with _LOCK:
        known = _KNOWN.pop(folder.place, {})
        # Of what has no version the next change could not be told from the last.
        seen = {file: known.get(file) if file.version else None for file in _files(folder)}
        _KNOWN[folder.place] = known = {file: record or _read(folder, file.name) for file, record in seen.items()}
        while len(_KNOWN) > _STORAGES:
            _KNOWN.popitem(last=False)
    return {record.name: record for record in known.values() if record}


_KNOWN: OrderedDict[str, dict[StoredFile, Record | None]] = OrderedDict()
_LOCK = threading.Lock()


def _files(folder: Storage) -> list[StoredFile]:
    return [file for file in folder.files() if file.name.endswith(SUFFIX)]


def _read(folder: Storage, file: str) -> Record | None:
    """None where there is none, or it is not what was written."""
    with suppress(NotFoundError, ValidationError):
        record = Record.model_validate_json(digest.opened(folder.read(file)) or b"")
        return record if record.name + SUFFIX == file else None
    return None
