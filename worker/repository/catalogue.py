"""All manifests in one storage: add, get, list, remove."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from worker.config.settings import load
from worker.errors import NotFoundError, RefusedError, StorageError, UntrustedError
from worker.progress import Proof, undisputed
from worker.repository import notes
from worker.repository.contents import (
    Catalogue,
    Damaged,
    age_of,
    bare,
    begun_with,
    in_brief,
    is_own,
    newest,
    of_ahead,
    own,
)
from worker.repository.described import noted
from worker.repository.manifest import (
    DAMAGED_SUFFIXES,
    INDEX_SUFFIX,
    MANIFEST_SUFFIX,
    NAME,
    Manifest,
    Scope,
    from_json,
    named_moment,
)
from worker.repository.notes import NOTES_SUFFIX, Notes
from worker.repository.remembered import Memory, memory
from worker.repository.signing import entry
from worker.repository.signing.entry import Signed, entering, removing
from worker.repository.signing.trust import trust_of
from worker.repository.trash import Trashed
from worker.repository.versions.lost import lost_now, refuse_lost
from worker.repository.versions.records import forget, pin, remember
from worker.storage import Storage

__all__ = [
    "ANY",
    "LATEST",
    "Catalogue",
    "Damaged",
    "add",
    "get",
    "hurry",
    "in_brief",
    "let_go",
    "newest",
    "note",
    "of_ahead",
    "orphans",
    "own",
    "read",
    "read_ahead",
    "remove",
    "settle",
    "show_only",
    "signed",
    "trashed",
    "try_to_note",
    "undo_of",
    "undos_with",
    "unread",
]

LATEST = "latest"
ANY = Scope(None, None)
_BESIDE = (INDEX_SUFFIX, NOTES_SUFFIX, *(MANIFEST_SUFFIX + suffix for suffix in DAMAGED_SUFFIXES))
"""What lies beside a backup, and goes with it."""


def add(storage: Storage, manifest: Manifest, prove: Proof = undisputed) -> Manifest:
    """Write the manifest beside its artifact, signed, as it is given back: now the backup exists.

    StorageError where it cannot be signed: nothing is written then.
    """
    with signed(storage, manifest) as made:
        storage.put(manifest.name + MANIFEST_SUFFIX, made.text, prove=prove)
        remember(storage, manifest.name, made.text)
    return made.manifest


def signed(storage: Storage, manifest: Manifest) -> AbstractContextManager[Signed]:
    """The manifest with its number and our signature; within the block its file is written."""
    return entering(load(), storage, manifest, lambda: _signers(storage))


def _signers(storage: Storage) -> list[str]:
    """Whose signatures lie there, by their public keys."""
    contents = read(storage)
    in_trash = [trashed.manifest for trashed in contents.trash if trashed.manifest]
    manifests = (*contents.listed, *contents.undos, *in_trash)
    return sorted({manifest.signer for manifest in manifests if manifest.signer})


def note(storage: Storage, name: str, **known: Any) -> None:
    """Write beside the backup what has become known of it, and keep the rest of its notes; of `copies` those to other places.

    NotFoundError where it is gone.
    """
    file = name + NOTES_SUFFIX
    with _named(storage, name), storage.locked(name + MANIFEST_SUFFIX):
        before = noted(storage, name)
        said = (before or Notes(name=name)).model_dump()
        after = Notes.model_validate(said | known | {"copies": said["copies"] | known.get("copies", {})})
        storage.put(file, notes.to_json(after), replace=before is not None)
        if "pinned" in known:
            pin(storage, name, after.pinned)


def try_to_note(storage: Storage, name: str, **known: Any) -> list[str]:
    """The same for what is only good to know: why it could not be noted, in a sentence, where storage takes nothing."""
    try:
        note(storage, name, **known)
    except StorageError as error:
        return [f"That could not be noted beside {name}. {error}"]
    return []


def get(storage: Storage, name: str, scope: Scope = ANY) -> Manifest:
    """The backup of that name; `latest` is the newest one, of that scope if there is any.

    NotFoundError, RefusedError where it lies in the trash, ArtifactError where its manifest is damaged, forged, or signed by
    nobody who is trusted, or somebody else has deleted it or written over it, StorageError where it cannot be read.
    """
    if name == LATEST:
        return _latest(storage, scope)
    with _named(storage, name):
        refuse_lost(storage, name)
        text, known = storage.read(name + MANIFEST_SUFFIX), noted(storage, name)
        if known and known.deleted_at:
            raise _in_trash(name, known.deleted_at)
        manifest = from_json(name, text)
        if objection := trust_of(load(), storage).objection(manifest):
            raise UntrustedError(objection, of=name)
        return known.beside(manifest) if known else manifest


def _latest(storage: Storage, scope: Scope) -> Manifest:
    """Where there is one of that scope only the latest manifests are read, for no name is of a moment before its backup."""
    latest, now = None, datetime.now(UTC)
    for candidate in memory(storage).latest_first():
        if latest is not None and named_moment(candidate.name) < latest.created_at.replace(microsecond=0):
            return latest
        if (
            is_own(candidate, scope)
            and not candidate.is_ahead(now)
            and (latest is None or age_of(candidate) > age_of(latest))
        ):
            latest = candidate
    if latest is None:
        there = read(storage)
        latest = newest(there.backups or [backup for backup in there.ahead if not backup.lacks_keys], scope)
    if latest is None:
        raise NotFoundError(f"There is no backup in {storage} yet: make one with `python -m worker backup`.")
    return latest


def undo_of(storage: Storage, run: str) -> Manifest:
    """What can undo a restore; `run` is the restore's id, or the name of the undo itself. NotFoundError where nothing can,
    RefusedError where that lies in the trash.
    """
    catalogue = read(storage)
    undo = next((undo for undo in catalogue.undos if run in (undo.undoes, undo.name)), None)
    if undo is None:
        for trashed in catalogue.trash:
            if trashed.manifest and trashed.manifest.kind == "undo" and run in (trashed.manifest.undoes, trashed.name):
                raise _in_trash(trashed.name, trashed.deleted_at)
        raise NotFoundError(
            f"Nothing is kept that could undo {run[:130]!r}: `python -m worker list` shows the undos that there are."
        )
    return undo


def undos_with(storage: Storage, name: str) -> list[Manifest]:
    """What can undo restores of that backup, and not without it."""
    return [undo for undo in read(storage).undos if undo.restored == name and undo.undone_at is None]


def _in_trash(name: str, deleted_at: datetime) -> RefusedError:
    return RefusedError(
        f"{name} was deleted on {deleted_at:%Y-%m-%d} and lies in the trash: put it back first, with "
        f"`python -m worker put-back {name}`."
    )


def trashed(storage: Storage, name: str) -> Trashed | None:
    """The backup of that name, if it lies in the trash. NotFoundError where there is none of that name at all, and none can be
    put back that somebody else has deleted.
    """
    with _named(storage, name):
        if lost_now(storage, name):
            return None
        if not any(file.name == name + MANIFEST_SUFFIX for file in storage.files()):
            raise NotFoundError(name)
    return next((backup for backup in read(storage).trash if backup.name == name), None)


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
        return bare(storage, name, begun_with(storage, name))
    with suppress(StorageError):
        if sentence := read(storage).amiss.get(name):
            return sentence
    return f"There is no backup of the name {name!r} in {storage}: `python -m worker list` shows them."


def read(storage: Storage, seconds: float | None = None) -> Catalogue:
    """Every manifest whose artifact is there with the right size, newest first; the rest become faults, but for what lies in
    the trash. What this process has read before and is as it was, it does not read again.

    UnreadError where that takes longer than `seconds`, or than `hurry` allows.
    """
    return memory(storage).read(Memory.seconds if seconds is None else seconds)


def read_ahead(storage: Storage) -> Catalogue:
    """The same however long it takes; nobody else in this process has to read it then."""
    return memory(storage).read_anew(None)


def unread(storage: Storage) -> int:
    """How many manifests were still to be read when somebody last tried."""
    return memory(storage).unread


def hurry(seconds: float) -> None:
    """From now on nobody in this process waits longer than that for manifests to be read."""
    Memory.seconds = seconds


def show_only(relied_on: float = 0) -> None:
    """This process shows what lies in storage and changes nothing there: from now on it relies for so many seconds on its last
    look into one that is far away, and reads no text again that another process of this machine has read.
    """
    Memory.shows, Memory.relied_on = True, relied_on


def remove(storage: Storage, name: str) -> None:
    """Delete the backup: its manifest first, so that nothing half-deleted is ever listed."""
    with _named(storage, name), removing(load(), storage, name, lambda: _signers(storage)):
        forget(storage, name)
        storage.delete(name + MANIFEST_SUFFIX, [name, *(name + suffix for suffix in _BESIDE)])


def settle(storage: Storage) -> None:
    """End what killed runs have left open on record."""
    names = {file.name for file in storage.files()}
    entry.settle(
        load(), storage, {name.removesuffix(MANIFEST_SUFFIX) for name in names if name.endswith(MANIFEST_SUFFIX)}
    )


def let_go(storage: Storage, name: str) -> bool:
    """Take a backup that is not there any more for gone by our own hand: whether it was missed."""
    with _named(storage, name):
        return entry.forgiven(load(), storage, name)


def orphans(storage: Storage) -> list[str]:
    """What lies beside a backup that is gone: it was deleted by a run that was killed, or searched meanwhile."""
    names = {file.name for file in storage.files()}
    beside = [(name, name.removesuffix(suffix)) for name in names for suffix in _BESIDE if name.endswith(suffix)]
    return sorted(name for name, of in beside if NAME.fullmatch(of) and of + MANIFEST_SUFFIX not in names)
