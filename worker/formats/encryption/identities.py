"""What opens encrypted backups, where there is anything that does: only where backups are read is it needed."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import pyrage

from worker.config.settings import Settings
from worker.errors import ArtifactError, SealedError
from worker.formats.encryption import keys
from worker.formats.encryption.pump import pumped
from worker.formats.encryption.recipients import Encryption, to

HOW = "Set BACKUP_AGE_IDENTITY_FILE to the file with the secret key where backups are read."
_NO_MATCH = "No matching keys"


def is_encrypted(head: bytes) -> bool:
    """Whether a file that begins so is one of age's."""
    return head.startswith(keys.AGE_FILE)


class Keys:
    """The secret keys of this process, if it has any; their file is read when the first backup is opened."""

    def __init__(self, file: str | None, passphrase: str | None) -> None:
        self._file, self._passphrase = file, passphrase

    @cached_property
    def _identities(self) -> list[Any]:
        return keys.read(self._file, self._passphrase) if self._file else []

    def require(self, name: str) -> None:
        """SealedError where there is none, UsageError where the file with it cannot be read."""
        if not self._identities:
            raise SealedError(f"{name} is encrypted, and this process has no key that opens it. {HOW}", of=name)

    def own(self) -> Encryption | None:
        """How to encrypt what only this process is to read; None where its keys do not tell their public half."""
        public = tuple(
            str(identity.to_public()) for identity in self._identities if isinstance(identity, pyrage.x25519.Identity)
        )
        return to(public) if public else None

    def decrypt(self, chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
        """What was encrypted. SealedError where no key here opens it, ArtifactError where it was changed or is cut short: by
        then much of it has been yielded, so whoever acts on it has checked the file before.
        """
        self.require(name)

        def work(reader: Any, writer: Any) -> None:
            try:
                pyrage.decrypt_io(reader, writer, self._identities)
            except (pyrage.DecryptError, OSError) as error:
                if _NO_MATCH in str(error):
                    raise SealedError(
                        f"{name} was encrypted to another key than those in the file of BACKUP_AGE_IDENTITY_FILE: name the "
                        "file with the secret key that belongs to it.",
                        of=name,
                    ) from None
                raise ArtifactError(
                    f"The encrypted data is damaged: it was changed, or is cut short ({str(error).rstrip('.')})."
                ) from None

        return pumped(work, chunks)


NONE = Keys(None, None)


def keys_of(settings: Settings) -> Keys:
    """As BACKUP_AGE_IDENTITY_FILE says."""
    return Keys(settings.backup_age_identity_file, settings.backup_age_passphrase)
