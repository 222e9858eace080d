"""An old backup encrypted to the present public keys: a new one is made and verified, and only then the old one goes."""

import time
from collections.abc import Iterator
from typing import Any

import structlog

from worker.arguments.backups import ReencryptArguments
from worker.backups.adopt import LEFT_OUT
from worker.broker import lock
from worker.config.settings import Settings
from worker.errors import NotFoundError, RefusedError, SealedError, UsageError
from worker.formats.compression import COMPRESSIONS
from worker.formats.encryption import HOW, PLAIN, Encryption, Keys, encryption_of, keys_of
from worker.progress import Progress, reported
from worker.repository import artifact, catalogue
from worker.repository.check import check
from worker.repository.manifest import LATER, Manifest
from worker.repository.sound import Damage
from worker.repository.writer import New, writing
from worker.storage import Storage, chunks_of, open_storage

log = structlog.get_logger()

_ANEW = {"format", "name", "created_at", "data_format", "bytes", "sha256", "compression", "encryption", "warnings"}
_MEASURED = {"duration_seconds", "tool_version"}
"""Fields of a manifest that are not as the old one says: these are measured, and what is known later has yet to be."""


def reencrypt(settings: Settings, arguments: ReencryptArguments, progress: Progress) -> dict[str, Any]:
    """Write the backup anew, encrypted as the settings say, verify that, and delete the old one: the names of both.

    UsageError where nothing is to be encrypted, NotFoundError, RefusedError for what undoes a restore or is needed to undo one,
    SealedError where it is encrypted and no key here opens it, ArtifactError where it is not whole. Nothing is gone then.
    """
    storage, keys, encryption = open_storage(settings.backup_storage), keys_of(settings), encryption_of(settings)
    if encryption is PLAIN:
        raise UsageError(
            "There is nobody to encrypt to: set BACKUP_AGE_RECIPIENTS to a public key, as keygen makes one."
        )
    if arguments.name == catalogue.LATEST:
        raise NotFoundError("Name the backup in full, as `python -m worker list` does.")
    with lock.held(settings, f"storage {storage.place}") as lease:
        old = catalogue.get(storage, arguments.name)
        _check_free(storage, old)
        with storage.fetch(old.name, progress) as file:
            check(file, old, keys, progress)
            stored = reported(chunks_of(file), progress, "encrypting", old.bytes.stored)
            made = _write(storage, old, encryption, artifact.decrypted(stored, old, keys), progress)
        _verify(storage, made, keys, progress)
        lease.prove()
        catalogue.remove(storage, old.name)
    log.info("backup_encrypted", name=made.name, replaced=old.name)
    return {"name": made.name, "replaced": old.name, "keys": made.keys, "recipients": list(encryption.recipients or ())}


def _check_free(storage: Storage, old: Manifest) -> None:
    """RefusedError for what others go by under its name."""
    if old.kind == "undo":
        raise RefusedError(
            f"{old.name} is kept to undo a restore, and goes by itself: delete it to be rid of it sooner."
        )
    if undos := catalogue.undos_with(storage, old.name):
        raise RefusedError(
            f"{old.name} is needed to undo a restore with {undos[0].name}: encrypt it when that has gone, or delete that first."
        )


def _write(
    storage: Storage, old: Manifest, encryption: Encryption, packed: Iterator[bytes], progress: Progress
) -> Manifest:
    """The same compressed dump, encrypted; the manifest says what the old one did."""
    clock = time.monotonic() - old.duration_seconds
    new = New(old.created_at, old.data_format, COMPRESSIONS[old.compression], encryption, clock)
    fields = {name: getattr(old, name) for name in Manifest.model_fields if name not in _ANEW | _MEASURED | LATER}
    with writing(storage, new) as writer:
        writer.copy(packed, old.bytes.raw)
        return writer.commit("backup_created", progress=progress, **fields, warnings=_warnings(old))


def _warnings(old: Manifest) -> list[str]:
    """Less what names a key: of an adopted file that is the sentence on its damaged values."""
    if not old.damaged:
        return old.warnings
    kept = [warning for warning in old.warnings if not warning.startswith(LEFT_OUT)]
    damage = Damage(old.damaged)
    return [f"{LEFT_OUT} {damage.words_without_keys}.", *kept]


def _verify(storage: Storage, made: Manifest, keys: Keys, progress: Progress) -> None:
    """Read the new one to its end; where that cannot be it is taken back."""
    try:
        with storage.fetch(made.name, progress, anew=True) as file:
            check(file, made, keys, progress, walked=True)
    except BaseException as error:
        catalogue.remove(storage, made.name)
        if isinstance(error, SealedError):
            raise SealedError(
                f"No key here opens what was encrypted, so it could not be verified, and nothing was replaced. {HOW}"
            ) from None
        raise
