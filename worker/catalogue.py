"""All manifests in one storage: add, get, list, remove."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import structlog

from worker.config import Settings
from worker.connection import SOURCE, Endpoint
from worker.draft import Draft
from worker.errors import ArtifactError, NotFoundError, StorageError
from worker.manifest import INDEX_SUFFIX, MANIFEST_SUFFIX, NAME, Manifest, Scope, from_json, to_json
from worker.storage import Folder, StoredFile

log = structlog.get_logger()

LATEST = "latest"
_REMEMBERED, _REMEMBERED_BYTES = 4096, 16 << 10
"""How many manifests a process keeps in mind, and the largest of them."""
_SETTLED_NS = 2 * 10**9
"""As long as that after a change the next one might bear the same time."""
ANY = Scope(None, None)


@dataclass(frozen=True)
class Catalogue:
    """What is in storage, newest first: the backups, and apart from them those of kind `undo` and of kind `partial`.

    `problems` say what is wrong with the rest, in sentences.
    """

    backups: list[Manifest]
    problems: list[str]
    undos: list[Manifest] = field(default_factory=list)
    partials: list[Manifest] = field(default_factory=list)

    @property
    def listed(self) -> list[Manifest]:
        """The backups, the partial ones among them."""
        return sorted(self.backups + self.partials, key=_age, reverse=True)


def commit(storage: Folder, draft: Draft, manifest: Manifest, event: str) -> dict[str, Any]:
    """How every new backup ends: its artifact is shown, then its manifest written, and that is logged. It as a dict."""
    draft.publish()
    add(storage, manifest)
    about = {"keys": manifest.keys, "bytes": manifest.bytes.stored, "seconds": manifest.duration_seconds}
    log.info(event, name=manifest.name, **about)
    return manifest.model_dump(mode="json")


def add(storage: Folder, manifest: Manifest) -> None:
    """Write the manifest beside its artifact: now the backup exists."""
    storage.put(manifest.name + MANIFEST_SUFFIX, to_json(manifest))


def update(storage: Folder, manifest: Manifest) -> None:
    """Write the manifest anew, in one step."""
    storage.put(manifest.name + MANIFEST_SUFFIX, to_json(manifest), replace=True)


def note(storage: Folder, manifest: Manifest) -> list[str]:
    """The same for what is only good to know: why it could not be noted, in a sentence, where storage takes nothing."""
    try:
        update(storage, manifest)
    except StorageError as error:
        return [f"That could not be noted beside {manifest.name}. {error}"]
    return []


def get(storage: Folder, name: str, scope: Scope = ANY) -> Manifest:
    """The backup of that name; `latest` is the newest one, of that scope if there is any.

    NotFoundError, ArtifactError where its manifest is damaged, StorageError where it cannot be read.
    """
    if name == LATEST:
        found = newest(read(storage).backups, scope)
        if found is None:
            raise NotFoundError(f"There is no backup in {storage} yet: make one with `python -m worker backup`.")
        return found
    with _named(storage, name):
        return from_json(name, storage.read(name + MANIFEST_SUFFIX))


def undo_of(storage: Folder, run: str) -> Manifest:
    """What can undo a restore; `run` is the restore's id, or the name of the undo itself. NotFoundError where nothing can."""
    found = next((one for one in read(storage).undos if run in (one.undoes, one.name)), None)
    if found is None:
        raise NotFoundError(
            f"Nothing is kept that could undo {run[:130]!r}: `python -m worker list` shows the undos that there are."
        )
    return found


def undos_with(storage: Folder, name: str) -> list[Manifest]:
    """What can undo restores of that backup, and not without it."""
    return [one for one in read(storage).undos if one.restored == name and one.undone_at is None]


def own(backups: list[Manifest], scope: Scope) -> list[Manifest]:
    """Those that were made of just that server and its databases, in their order; adopted ones are of somebody else."""
    return [one for one in backups if one.kind == "backup" and one.scope == scope]


def newest(backups: list[Manifest], scope: Scope) -> Manifest | None:
    """The newest backup of that scope; where there is none, of the same databases of another server, then any."""

    def rank(one: Manifest) -> tuple[bool, bool, bool, datetime, str]:
        same_databases, same_server = one.scope.databases == scope.databases, one.scope.address == scope.address
        return one.kind == "backup", same_databases, same_server, one.created_at, one.name

    return max(backups, key=rank, default=None)


def scope_of(settings: Settings) -> Scope:
    """What the settings say is to be backed up."""
    databases = settings.backup_databases
    address = Endpoint(settings.redis_url, SOURCE).address
    return Scope(address, None if databases is None else tuple(sorted(databases)))


@contextmanager
def _named(storage: Folder, name: str) -> Iterator[None]:
    """NotFoundError in the words of a backup, where its files are not found or no backup can have that name."""
    if not NAME.fullmatch(name):
        raise NotFoundError(f"There is no backup of the name {name[:130]!r}: `python -m worker list` shows them.")
    try:
        yield
    except NotFoundError:
        raise NotFoundError(_missing(storage, name)) from None


def _missing(storage: Folder, name: str) -> str:
    if any(file.name == name for file in storage.files()):
        return f"{name} has no manifest, so it is no backup: take it in with `python -m worker adopt {storage}/{name}`."
    return f"There is no backup of the name {name!r} in {storage}: `python -m worker list` shows them."


def read(storage: Folder) -> Catalogue:
    """Every manifest whose artifact is there with the right size, newest first; the rest become problems."""
    files = {file.name: file for file in storage.files()}
    found: list[Manifest] = []
    problems = []
    for name in files:
        if name.endswith(MANIFEST_SUFFIX):
            try:
                found.append(_whole(storage, name.removesuffix(MANIFEST_SUFFIX), files))
            except NotFoundError:
                continue  # deleted between the listing and now
            except (ArtifactError, StorageError) as error:
                problems.append(str(error))
        elif NAME.fullmatch(name) and name + MANIFEST_SUFFIX not in files:
            problems.append(_missing(storage, name))
    found.sort(key=_age, reverse=True)
    undos, partials = ([one for one in found if one.kind == kind] for kind in ("undo", "partial"))
    return Catalogue([one for one in found if one.kind not in ("undo", "partial")], problems, undos, partials)


def _age(manifest: Manifest) -> tuple[datetime, str]:
    return manifest.created_at, manifest.name


def _whole(storage: Folder, name: str, files: dict[str, StoredFile]) -> Manifest:
    manifest = _manifest(storage, files[name + MANIFEST_SUFFIX])
    if name not in files:
        raise ArtifactError(f"The artifact {name} is missing, only its manifest is there.")
    if files[name].size != manifest.bytes.stored:
        raise ArtifactError(
            f"The artifact {name} has {files[name].size:,} bytes and not {manifest.bytes.stored:,}: it is not whole."
        )
    return manifest


def _manifest(storage: Folder, file: StoredFile) -> Manifest:
    """What that file says; from memory where it is the same file, and unchanged since we read it."""
    settled = time.time_ns() - file.changed_at > _SETTLED_NS
    reading = _parsed if settled and file.size <= _REMEMBERED_BYTES else _parsed.__wrapped__
    return reading(storage.path, file)


# A list of a thousand backups is read for every page, and reading takes six times as long as looking whether it must be.
# A damaged one raises, and so is not remembered.
@lru_cache(_REMEMBERED)
def _parsed(folder: Path, file: StoredFile) -> Manifest:
    return from_json(file.name.removesuffix(MANIFEST_SUFFIX), Folder(folder).read(file.name))


def remove(storage: Folder, name: str) -> None:
    """Delete the backup: its manifest first, so that nothing half-deleted is ever listed."""
    with _named(storage, name):
        storage.delete(name + MANIFEST_SUFFIX, [name, name + INDEX_SUFFIX])


def orphans(storage: Folder) -> list[str]:
    """The indexes whose backup is gone: one may have been made while it was deleted."""
    names = {file.name for file in storage.files()}
    indexed = (name.removesuffix(INDEX_SUFFIX) for name in names if name.endswith(INDEX_SUFFIX))
    return sorted(
        name + INDEX_SUFFIX for name in indexed if NAME.fullmatch(name) and name + MANIFEST_SUFFIX not in names
    )
