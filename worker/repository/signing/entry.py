"""A manifest gets its number and its signature, and is on record before it is written; and again before it is deleted."""

from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from worker.config.settings import Settings
from worker.errors import ArtifactError, StorageError
from worker.repository.manifest import FORMAT, MANIFEST_SUFFIX, Manifest, from_json, sha256_of, to_signed
from worker.repository.signing import journal, keys, ledger
from worker.repository.signing.journal import Entry, Journal
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
    signer, signed = keys.own(settings), list[Signed]()

    def next_one(current: Journal) -> Journal:
        numbers = {"signer": signer.public, "chain": current.chain, "sequence": current.head + 1}
        written = manifest.model_copy(update={"format": FORMAT, "previous": current.previous, **numbers})
        signed.append(Signed(written, to_signed(written, signer)))
        return current.next(_entry_of(signed[-1]))

    now = _recorded(settings, storage, signer, signers, next_one)
    yield signed[-1]
    # The backup exists by now, whatever becomes of this: who looks next finds that it has arrived.
    with suppress(StorageError):
        journal.change(
            journal.shelf(settings, storage),
            lambda later: later.arrived(now.head, _entry_of(signed[-1])) if later.chain == now.chain else later,
        )


def _entry_of(signed: Signed) -> Entry:
    return Entry(name=signed.manifest.name, sha256=sha256_of(signed.text))


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
            _recorded(settings, storage, keys.own(settings), signers, lambda current: current.deleted(*number))
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


def _recorded(
    settings: Settings, storage: Storage, signer: Signer, signers: Signers, change_it: Callable[[Journal], Journal]
) -> Journal:
    """Change the journal of that key, which is begun where there is none; gives what it has become."""
    place = journal.shelf(settings, storage)
    kept = place.read()
    is_new = kept is None or kept.signer != signer.public
    # Before the journal is read again: what others of this machine add meanwhile is told there later.
    in_storage = None if kept is None else ledger.told_of(kept, storage)
    others = signers() if is_new and not settings.backup_trusted_keys else []

    def changed(now: Journal | None) -> Journal:
        if now is None or now.signer != signer.public or (in_storage and ledger.is_ahead(in_storage, now)):
            now = journal.begun(storage, signer, others, now)
        return change_it(now)

    return journal.put(place, changed)
