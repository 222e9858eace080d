"""All manifests in one storage: add, get, list, remove."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from worker.errors import ArtifactError, DamagedError, NotFoundError, RefusedError, StorageError
from worker.progress import Proof, undisputed
from worker.repository import notes
from worker.repository.described import described, noted
from worker.repository.manifest import (
    DAMAGED_SUFFIXES,
    INDEX_SUFFIX,
    MANIFEST_SUFFIX,
    NAME,
    Manifest,
    Scope,
    from_json,
    to_json,
)
from worker.repository.notes import NOTES_SUFFIX, Notes
from worker.repository.trash import Trashed
from worker.storage import Storage, StoredFile

LATEST = "latest"
ANY = Scope(None, None)
_BESIDE = (INDEX_SUFFIX, NOTES_SUFFIX, *(MANIFEST_SUFFIX + suffix for suffix in DAMAGED_SUFFIXES))
"""What lies beside a backup, and goes with it."""


@dataclass(frozen=True)
class Damaged:
    """A backup whose manifest is not what was written: nobody can tell what it is, so nobody deletes it by a rule."""

    name: str
    problem: str


@dataclass(frozen=True)
class Catalogue:
    """What is in storage, newest first: the backups, and apart from them those of kind `undo`, those that lack keys (`partial`,
    `part`), whatever is dated in the future, and whatever lies in the trash.
    """

    backups: list[Manifest]
    faults: dict[str, str]
    """By its name, what is wrong with each of the rest, in a sentence."""
    undos: list[Manifest] = field(default_factory=list)
    partials: list[Manifest] = field(default_factory=list)
    ahead: list[Manifest] = field(default_factory=list)
    """Backups, partial ones too, that are dated in the future: they count for nothing."""
    damaged: list[Damaged] = field(default_factory=list)
    """Those among the faults whose manifest can be made anew."""
    warnings: list[str] = field(default_factory=list)
    """What is to be known of backups that are good, in sentences."""
    trash: list[Trashed] = field(default_factory=list)
    """What was deleted, and is not gone yet, damaged ones among it: the last deleted first."""

    @property
    def problems(self) -> list[str]:
        """The sentences alone."""
        return [*self.faults.values()]

    @property
    def listed(self) -> list[Manifest]:
        """The backups, those that count for nothing among them."""
        return sorted(self.backups + self.partials + self.ahead, key=_age, reverse=True)


def add(storage: Storage, manifest: Manifest, prove: Proof = undisputed) -> None:
    """Write the manifest beside its artifact: now the backup exists."""
    storage.put(manifest.name + MANIFEST_SUFFIX, to_json(manifest), prove=prove)


def note(storage: Storage, name: str, **known: Any) -> None:
    """Write beside the backup what has become known of it, and keep the rest of its notes. NotFoundError where it is gone."""
    file = name + NOTES_SUFFIX
    with _named(storage, name), storage.locked(name + MANIFEST_SUFFIX):
        before = noted(storage, name)
        after = Notes.model_validate((before or Notes(name=name)).model_dump() | known)
        storage.put(file, notes.to_json(after), replace=before is not None)


def try_to_note(storage: Storage, name: str, **known: Any) -> list[str]:
    """The same for what is only good to know: why it could not be noted, in a sentence, where storage takes nothing."""
    try:
        note(storage, name, **known)
    except StorageError as error:
        return [f"That could not be noted beside {name}. {error}"]
    return []


def get(storage: Storage, name: str, scope: Scope = ANY) -> Manifest:
    """The backup of that name; `latest` is the newest one, of that scope if there is any.

    NotFoundError, RefusedError where it lies in the trash, ArtifactError where its manifest is damaged, StorageError where
    it cannot be read.
    """
    if name == LATEST:
        there = read(storage)
        found = newest(there.backups or [one for one in there.ahead if not one.lacks_keys], scope)
        if found is None:
            raise NotFoundError(f"There is no backup in {storage} yet: make one with `python -m worker backup`.")
        return found
    with _named(storage, name):
        text, known = storage.read(name + MANIFEST_SUFFIX), noted(storage, name)
        if known and known.deleted_at:
            raise _in_trash(name, known.deleted_at)
        manifest = from_json(name, text)
        return known.beside(manifest) if known else manifest


def undo_of(storage: Storage, run: str) -> Manifest:
    """What can undo a restore; `run` is the restore's id, or the name of the undo itself. NotFoundError where nothing can,
    RefusedError where that lies in the trash.
    """
    there = read(storage)
    found = next((one for one in there.undos if run in (one.undoes, one.name)), None)
    if found is None:
        for one in there.trash:
            if one.manifest and one.manifest.kind == "undo" and run in (one.manifest.undoes, one.name):
                raise _in_trash(one.name, one.deleted_at)
        raise NotFoundError(
            f"Nothing is kept that could undo {run[:130]!r}: `python -m worker list` shows the undos that there are."
        )
    return found


def undos_with(storage: Storage, name: str) -> list[Manifest]:
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


def _in_trash(name: str, deleted_at: datetime) -> RefusedError:
    return RefusedError(
        f"{name} was deleted on {deleted_at:%Y-%m-%d} and lies in the trash: put it back first, with "
        f"`python -m worker put-back {name}`."
    )


def trashed(storage: Storage, name: str) -> Trashed | None:
    """The backup of that name, if it lies in the trash. NotFoundError where there is none of that name at all."""
    with _named(storage, name):
        if not any(file.name == name + MANIFEST_SUFFIX for file in storage.files()):
            raise NotFoundError(name)
    return next((one for one in read(storage).trash if one.name == name), None)


@contextmanager
def _named(storage: Storage, name: str) -> Iterator[None]:
    """NotFoundError in the words of a backup, where its files are not found or no backup can have that name."""
    if not NAME.fullmatch(name):
        raise NotFoundError(f"There is no backup of the name {name[:130]!r}: `python -m worker list` shows them.")
    try:
        yield
    except NotFoundError:
        raise NotFoundError(_missing(storage, name)) from None


def _missing(storage: Storage, name: str) -> str:
    if any(file.name == name for file in storage.files()):
        return f"{name} has no manifest, so it is no backup: take it in with `python -m worker adopt {storage}/{name}`."
    return f"There is no backup of the name {name!r} in {storage}: `python -m worker list` shows them."


def read(storage: Storage) -> Catalogue:
    """Every manifest whose artifact is there with the right size, newest first; the rest become faults, but for what lies in
    the trash.
    """
    files = {file.name: file for file in storage.files()}
    found: list[Manifest] = []
    faults: dict[str, str] = {}
    damaged, warnings, trash = [], [], list[Trashed]()
    for file in files:
        name = file.removesuffix(MANIFEST_SUFFIX)
        if name != file:
            try:
                manifest, warning = _whole(storage, name, files)
            except NotFoundError:
                continue  # deleted between the listing and now
            except (ArtifactError, StorageError) as error:
                if (one := _deleted_damaged(storage, name, files)) is not None:
                    trash.append(one)
                    continue
                faults[name] = str(error)
                if isinstance(error, DamagedError):
                    damaged.append(Damaged(name, str(error)))
                continue
            if manifest.deleted_at is not None:
                trash.append(Trashed(name, manifest.deleted_at, manifest.deleted_by, manifest.bytes.stored, manifest))
                continue
            found.append(manifest)
            warnings += [warning] if warning else []
        elif NAME.fullmatch(name) and name + MANIFEST_SUFFIX not in files:
            faults[name] = _missing(storage, name)
    found.sort(key=_age, reverse=True)
    now = datetime.now(UTC)
    undos, others = ([one for one in found if (one.kind == "undo") == is_undo] for is_undo in (True, False))
    ahead, come = ([one for one in others if one.is_ahead(now) == is_ahead] for is_ahead in (True, False))
    partials, backups = ([one for one in come if one.lacks_keys == is_one] for is_one in (True, False))
    warnings += [of_ahead(one) for one in (*ahead, *undos) if one.is_ahead(now)]
    trash.sort(key=lambda one: (one.deleted_at, one.name), reverse=True)
    return Catalogue(backups, faults, undos, partials, ahead, damaged, warnings, trash)


def _deleted_damaged(storage: Storage, name: str, files: dict[str, StoredFile]) -> Trashed | None:
    """A backup that is not whole, if it was deleted."""
    with suppress(StorageError, NotFoundError):
        known = noted(storage, name) if name + NOTES_SUFFIX in files else None
        if known and known.deleted_at:
            size = files[name].size if name in files else 0
            return Trashed(name, known.deleted_at, known.deleted_by, size, None)
    return None


def of_ahead(one: Manifest) -> str:
    """What is to be known of a backup that is dated in the future."""
    return (
        f"{one.name} is dated in the future: the clock of this machine was set back, or that backup was made with a wrong "
        "clock. Until then it counts for nothing, and is not pruned."
    )


def _age(manifest: Manifest) -> tuple[datetime, str]:
    return manifest.created_at, manifest.name


def _whole(storage: Storage, name: str, files: dict[str, StoredFile]) -> tuple[Manifest, str | None]:
    """The backup, and what is to be said of its notes."""
    manifest, warning = described(storage, files[name + MANIFEST_SUFFIX], files.get(name + NOTES_SUFFIX))
    if name not in files:
        raise ArtifactError(f"The artifact {name} is missing, only its manifest is there.")
    if files[name].size != manifest.bytes.stored:
        raise ArtifactError(
            f"The artifact {name} has {files[name].size:,} bytes and not {manifest.bytes.stored:,}: it is not whole."
        )
    return manifest, warning


def remove(storage: Storage, name: str) -> None:
    """Delete the backup: its manifest first, so that nothing half-deleted is ever listed."""
    with _named(storage, name):
        storage.delete(name + MANIFEST_SUFFIX, [name, *(name + suffix for suffix in _BESIDE)])


def orphans(storage: Storage) -> list[str]:
    """What lies beside a backup that is gone: it was deleted by a run that was killed, or searched meanwhile."""
    names = {file.name for file in storage.files()}
    beside = [(name, name.removesuffix(suffix)) for name in names for suffix in _BESIDE if name.endswith(suffix)]
    return sorted(name for name, of in beside if NAME.fullmatch(of) and of + MANIFEST_SUFFIX not in names)
