"""A manifest gets its number and its signature, and is on record before it is written."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from worker.config.settings import Settings
from worker.errors import StorageError
from worker.repository.manifest import FORMAT, Manifest, sha256_of, to_signed
from worker.repository.signing import journal, keys
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
        place.write(current.next(Entry(name=manifest.name, sha256=sha256_of(text))))
    yield Signed(written, text)
    # The backup exists by now, whatever becomes of this: who looks next finds that it has arrived.
    with suppress(StorageError):
        journal.change(place, lambda now: now.arrived({current.head + 1}))


@contextmanager
def _current(settings: Settings, storage: Storage, signer: Signer, place: Shelf, signers: Signers) -> Iterator[Journal]:
    """The journal of that key, begun where there is none; nobody else changes it meanwhile."""
    kept = place.read()
    is_new = kept is None or kept.signer != signer.public
    # Looked up before the lock is taken, because a storage may need long for an answer.
    others = signers() if is_new and not settings.backup_trusted_keys else []
    with place.held():
        kept = place.read()
        if kept is None or kept.signer != signer.public:
            kept = journal.begun(storage, signer, others, kept)
        yield kept
