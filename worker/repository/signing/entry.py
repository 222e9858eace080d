"""A manifest gets its number and its signature, and is on record before it is written; and again before it is deleted."""

from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from worker.config.settings import Settings
from worker.errors import ArtifactError, StorageError
from worker.repository.manifest import FORMAT, MANIFEST_SUFFIX, Manifest, from_json, sha256_of, to_signed
from worker.repository.signing import journal, keys, ledger
from worker.repository.signing.journal import Entry, Journal, Shelf
from worker.repository.signing.keys import Signer
from worker.storage import Storage

Signers = Callable[[], list[str]]
"""Whose signatures lie in the storage."""


class Signed(NamedTuple):
    """A manifest and the bytes of its file."""

    manifest: Manifest
    text: bytes


@contextmanager
def entering(settings: Settings, storage: Storage, manifest: Manifest, signers: Signers) -> Iterator[Signed]:
    """Sign the manifest; within the block its file is written. StorageError where it cannot be signed, or put on record."""
    signer, place = keys.own(settings), journal.shelf(settings, storage)
    with _current(settings, storage, signer, place, signers) as current:
        numbers = {"signer": signer.public, "chain": current.chain, "sequence": current.head + 1}
        written = manifest.model_copy(update={"format": FORMAT, "previous": current.previous, **numbers})
        text = to_signed(written, signer)
        entry = Entry(name=manifest.name, sha256=sha256_of(text))
        place.write(current.next(entry))
    yield Signed(written, text)
    # The backup exists by now, whatever becomes of this: who looks next finds that it has arrived.
    with suppress(StorageError):
        journal.change(place, lambda now: now.arrived(current.head + 1, entry) if now.chain == current.chain else now)


@contextmanager
def removing(settings: Settings, storage: Storage, name: str, signers: Signers) -> Iterator[None]:
    """Within the block that backup is deleted by us, which is on record before it begins, here and there.

    Where that cannot be written, say for want of room, it is deleted all the same, and put on record after it.
    """
    text = storage.read(name + MANIFEST_SUFFIX)
    is_on_record = _put_on_record(settings, storage, name, text, signers)
    yield
    if not is_on_record:
        _put_on_record(settings, storage, name, text, signers)
    with suppress(StorageError):
        _forget(settings, storage, name)


def settle(settings: Settings, storage: Storage, present: Container[str]) -> None:
    """Put on record where what killed runs had on its way is by now; `present` has the names of all that have a manifest.

    Where that cannot be written, the next one does.
    """
    with suppress(StorageError):
        journal.change(journal.shelf(settings, storage), lambda now: now.settled(present))


def forgiven(settings: Settings, storage: Storage, name: str) -> bool:
    """Take what is gone for gone by our own hand: whether it was on record. StorageError where that cannot be written."""
    is_missed = _forget(settings, storage, name)
    if is_missed:
        ledger.write(settings, storage)
    return is_missed


def _forget(settings: Settings, storage: Storage, name: str) -> bool:
    place = journal.shelf(settings, storage)
    kept = place.read()
    if kept is None or not kept.numbers(name):
        return False
    journal.change(place, lambda now: now.left(now.numbers(name)))
    return True


def _put_on_record(settings: Settings, storage: Storage, name: str, text: bytes, signers: Signers) -> bool:
    """Whether it is on record that this backup goes, as far as it has a number."""
    place = journal.shelf(settings, storage)
    try:
        kept = place.read()
        if kept is not None and (numbers := kept.numbers(name)):
            journal.change(place, lambda now: now.leaving(numbers))
        elif (number := _of_another(text, name, kept)) is not None:
            with _current(settings, storage, keys.own(settings), place, signers) as current:
                place.write(current.deleted(*number))
        else:
            return True
        ledger.write(settings, storage)
    except StorageError:
        return False
    return True


def _of_another(text: bytes, name: str, kept: Journal | None) -> tuple[str, int] | None:
    """The chain of another machine, and its number there; None of what has none, or is ours and gone already."""
    with suppress(ArtifactError):
        manifest = from_json(name, text)
        if manifest.chain is not None and manifest.sequence is not None and manifest.chain != (kept and kept.chain):
            return manifest.chain, manifest.sequence
    return None


@contextmanager
def _current(settings: Settings, storage: Storage, signer: Signer, place: Shelf, signers: Signers) -> Iterator[Journal]:
    """The journal of that key, begun where there is none; nobody else changes it meanwhile."""
    kept = place.read()
    is_new = kept is None or kept.signer != signer.public
    # Before the journal is read again: what others of this machine add meanwhile is told there later.
    in_storage = None if kept is None else ledger.told_of(kept, storage)
    # Looked up before the lock is taken, because a storage may need long for an answer.
    others = signers() if is_new and not settings.backup_trusted_keys else []
    with place.held():
        kept = place.read()
        if kept is None or kept.signer != signer.public or (in_storage and ledger.is_ahead(in_storage, kept)):
            kept = journal.begun(storage, signer, others, kept)
        yield kept
