"""To whom a backup is encrypted: to nobody, or to public keys; a table's members have the same shape."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyrage

from worker.config.age_keys import fingerprint
from worker.config.settings import Settings
from worker.errors import StorageError, UsageError
from worker.formats.encryption.pump import pumped

SUFFIX = ".age"


@dataclass(frozen=True)
class Encryption:
    """What becomes of a compressed dump on its way into storage."""

    suffix: str
    encrypt: Callable[[Iterator[bytes]], Generator[bytes]]
    recipients: tuple[str, ...] | None
    """What the public keys are known by; empty where nobody knows them, None where nothing is encrypted."""


def _unchanged(chunks: Iterator[bytes]) -> Generator[bytes]:
    yield from chunks


PLAIN = Encryption("", _unchanged, None)
KEPT = Encryption(SUFFIX, _unchanged, ())
"""Of a file that comes encrypted already, and that nobody tells the recipients of."""


def encryption_of(settings: Settings) -> Encryption:
    """As BACKUP_AGE_RECIPIENTS says. UsageError where one of the keys is none."""
    return to(settings.backup_age_recipients) if settings.backup_age_recipients else PLAIN


def to(recipients: tuple[str, ...]) -> Encryption:
    """To these public keys. UsageError where one is none."""
    parsed = [_parsed(recipient) for recipient in recipients]
    shown = tuple(map(fingerprint, recipients))
    return Encryption(SUFFIX, partial(_encrypted, parsed), shown)


def _parsed(recipient: str) -> Any:
    kind = pyrage.ssh if recipient.startswith("ssh-") else pyrage.x25519
    try:
        return kind.Recipient.from_str(recipient)
    except pyrage.RecipientError:
        raise UsageError(
            f"The setting BACKUP_AGE_RECIPIENTS is wrong: nothing can be encrypted to {fingerprint(recipient)}."
        ) from None


def _encrypted(recipients: list[Any], chunks: Iterator[bytes]) -> Generator[bytes]:
    def work(reader: Any, writer: Any) -> None:
        try:
            pyrage.encrypt_io(reader, writer, recipients)
        except pyrage.EncryptError as error:
            raise StorageError(f"The backup could not be encrypted: {error}.") from None

    return pumped(work, chunks)
