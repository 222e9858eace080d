"""What a machine has signed into a storage, told there to all others: signed itself, and written before anything is deleted.

So who sees that a backup is not there any more reads here that its owner gave it up. It says nothing of any other storage: where
a copy of it lies, it counts for nothing.
"""

from contextlib import suppress
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from worker.config.settings import Settings
from worker.errors import NotFoundError, StorageError
from worker.repository import digest
from worker.repository.signing import journal, keys, seal
from worker.repository.signing.journal import Journal
from worker.repository.signing.keys import Signer
from worker.storage import Storage

PREFIX, SUFFIX = "redis_backup_ledger_", ".json"


class Ledger(BaseModel):
    """By number what should be there, and what may be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    signer: str
    chain: str
    storage: str
    """What tells this storage from others."""
    revision: int
    """How often it had changed."""
    head: int
    """The last number; what is not named of those up to it was given up."""
    live: dict[int, str]
    """The names of artifacts whose manifests lie there."""
    open: dict[int, str]
    """Of those that are being written or deleted: they may lie there or not."""
    elsewhere: dict[str, list[tuple[int, int]]]
    """Of other machines' numbers, by chain, those that this machine has deleted: the first and the last of each row."""


def ledger_of(kept: Journal) -> Ledger:
    """What others are to know of it."""
    names = [{number: entry.name for number, entry in part.items()} for part in (kept.live, kept.coming, kept.going)]
    return Ledger(
        signer=kept.signer,
        chain=kept.chain,
        storage=journal.of_place(kept.storage),
        revision=kept.revision,
        head=kept.head,
        live=names[0],
        open=names[1] | names[2],
        elsewhere=kept.elsewhere,
    )


def is_ledger(name: str) -> bool:
    """Whether a file of that name is one."""
    return name.startswith(PREFIX) and name.endswith(SUFFIX)


def name_of(chain: str) -> str:
    """The name of its file."""
    return f"{PREFIX}{chain}{SUFFIX}"


def read(storage: Storage, name: str) -> Ledger | None:
    """The ledger of that name, where it is one of this storage, and signed by whom it says; else None. StorageError."""
    try:
        signed = seal.apart(digest.opened(storage.read(name)) or b"")
        ledger = Ledger.model_validate_json(signed.document if signed else b"")
    except (NotFoundError, ValidationError):
        return None
    if signed is None or name != name_of(ledger.chain) or ledger.storage != journal.of_place(storage.place):
        return None
    return ledger if keys.is_signed(signed.content, signed.signature, ledger.signer) else None


def write(settings: Settings, storage: Storage) -> None:
    """Tell there what is on record here. StorageError."""
    signer = keys.own(settings)
    with journal.shelf(settings, storage).telling() as kept:
        if kept is not None and kept.signer == signer.public:
            _put(storage, ledger_of(kept), signer)


def _put(storage: Storage, ledger: Ledger, signer: Signer) -> None:
    text, name = seal.signed(ledger.model_dump_json(indent=2), signer), name_of(ledger.chain)
    try:
        storage.put(name, text, replace=True)
    except NotFoundError:
        storage.put(name, text)


def told_of(kept: Journal, storage: Storage) -> Ledger | None:
    """What the storage holds of it; None where nothing can be read."""
    with suppress(StorageError):
        return read(storage, name_of(kept.chain))
    return None


def is_ahead(told: Ledger, kept: Journal) -> bool:
    """Whether the storage knows more of it than this machine does, which was set back then: its numbers are given already."""
    return (told.chain, told.signer) == (kept.chain, kept.signer) and told.revision > kept.revision
