"""The key that this machine signs with: made once, by whoever comes first, and read by its user alone."""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import structlog

from worker.config.settings import Settings
from worker.config.signing_keys import as_text, from_text
from worker.errors import StorageError
from worker.storage.owned import made, sync

log = structlog.get_logger()

KEY_FILE = "signing-key.pem"
_MAKE = "openssl genpkey -algorithm ed25519 -out FILE"


@dataclass(frozen=True)
class Signer:
    """A secret key, and what its public half is called."""

    public: str
    """As `ed25519:...`."""
    _secret: Any = field(repr=False, compare=False)

    def sign(self, content: bytes) -> bytes:
        """The signature of these bytes: 64 of them."""
        signature: bytes = self._secret.sign(content)
        return signature

    def alias(self, name: bytes) -> str:
        """What to call something in a place that others read: 16 hexadecimal digits, the same for the same name.

        Nobody without the secret key can tell the name, or try names to see whether one fits.
        """
        secret = blake2b(self._secret.private_bytes_raw(), digest_size=32, person=b"alias").digest()
        return blake2b(name, key=secret, digest_size=8).hexdigest()


def own(settings: Settings) -> Signer:
    """The key of this machine; where there is none yet, it is made. StorageError where it cannot be read or made."""
    path = path_of(settings)
    if settings.backup_signing_key_file is None and not os.path.lexists(path):
        _make(path)
    return _read(path)


def own_public(settings: Settings) -> str | None:
    """Its public half; None where there is no key yet, or none that can be read."""
    path = path_of(settings)
    try:
        return _read(path).public if path.exists() else None
    except (StorageError, OSError):
        return None


def path_of(settings: Settings) -> Path:
    """The file with the secret key."""
    return Path(settings.backup_signing_key_file or Path(settings.backup_state) / KEY_FILE)


def is_signed(content: bytes, signature: bytes, public: str) -> bool:
    """Whether that key has signed these bytes."""
    # What speaks to OpenSSL is loaded only where there is something to check.
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415

    key = _public_key(public)
    if key is None:
        return False
    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=16)
def _public_key(public: str) -> Any:
    """What checks the signatures of that key; None where it is none."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    content = from_text(public)
    try:
        return Ed25519PublicKey.from_public_bytes(content) if content else None
    except ValueError:
        return None


def _make(path: Path) -> None:
    """Write a new key under a name of its own, and give it this one unless somebody else was first: then that one counts."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    content = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        with made(path, content) as beside, suppress(FileExistsError):
            os.link(beside, path)
            log.info("signing_key_made", file=str(path))
        sync(path.parent)
    except OSError as error:
        raise StorageError(
            f"No key to sign with could be made in {path.parent} ({error.strerror}), and nothing is stored unsigned: let this "
            "user write there, or name another folder by BACKUP_STATE."
        ) from None


def _read(path: Path) -> Signer:
    try:
        return _parsed(path.read_bytes())
    except OSError as error:
        raise StorageError(
            f"The key to sign with, {path}, cannot be read ({error.strerror}), and nothing is stored unsigned: let this user "
            f"read it, or make one with `{_MAKE}`."
        ) from None
    except (ValueError, TypeError):
        raise StorageError(
            f"The file {path} holds no key to sign with, and nothing is stored unsigned: bring back a copy of it, or move it "
            f"away and make another with `{_MAKE}`; what the old one has signed is then trusted by BACKUP_TRUSTED_KEYS."
        ) from None


@lru_cache(maxsize=4)
def _parsed(content: bytes) -> Signer:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        secret = load_pem_private_key(content, None)
    except UnsupportedAlgorithm:
        raise ValueError from None
    if not isinstance(secret, Ed25519PrivateKey):
        raise TypeError
    return Signer(as_text(secret.public_key().public_bytes_raw()), secret)
