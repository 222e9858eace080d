"""Files with secret keys: as `age-keygen` writes them, encrypted with a passphrase as `age -p` does, or of SSH."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyrage

from worker.errors import UsageError

MOST_BYTES = 1 << 20
AGE_FILE = (b"age-encryption.org/v1\n", b"-----BEGIN AGE ENCRYPTED FILE-----")
"""How a file of age begins, plain and as text."""


@dataclass(frozen=True)
class Made:
    """A new key: its public half, and the file with the secret one."""

    public: str
    content: bytes


def make(passphrase: str | None) -> Made:
    """A key of age, its file as `age-keygen` writes it, or protected as `age -p` does."""
    secret = pyrage.x25519.Identity.generate()
    public, at = str(secret.to_public()), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    content = f"# created: {at}\n# public key: {public}\n{secret}\n".encode()
    return Made(public, pyrage.passphrase.encrypt(content, passphrase) if passphrase else content)


def read(path: str, passphrase: str | None) -> list[Any]:
    """The keys in that file. UsageError says what is wrong with it, and never what is in it."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(MOST_BYTES)
    except OSError as error:
        raise _wrong(f"names a file that cannot be read: {path} ({error.strerror})") from None
    if content.startswith(AGE_FILE):
        content = _opened(content, passphrase)
    if b"PRIVATE KEY-----" in content:
        return [_ssh(content)]
    return _age(content)


# A passphrase is made slow to try: it takes a second or more, and every reading of a backup asks.
@lru_cache(4)
def _opened(content: bytes, passphrase: str | None) -> bytes:
    if not passphrase:
        raise _wrong("names a file that a passphrase protects: set BACKUP_AGE_PASSPHRASE as well")
    try:
        return bytes(pyrage.passphrase.decrypt(content, passphrase))
    except pyrage.DecryptError:
        raise UsageError(
            "The setting BACKUP_AGE_PASSPHRASE is wrong: it does not open the file of BACKUP_AGE_IDENTITY_FILE."
        ) from None


def _ssh(content: bytes) -> Any:
    try:
        return pyrage.ssh.Identity.from_buffer(content)
    except pyrage.IdentityError:
        raise _wrong(
            "names an SSH key that cannot be used: it must be of ed25519 or RSA, and have no passphrase of its own"
        ) from None


def _age(content: bytes) -> list[Any]:
    lines = [line.strip() for line in content.decode(errors="replace").splitlines()]
    secrets = [line for line in lines if line and not line.startswith("#")]
    if not secrets or not all(secret.startswith("AGE-SECRET-KEY-") for secret in secrets):
        raise _wrong("names a file that has no secret key of age or SSH in it")
    try:
        return [pyrage.x25519.Identity.from_str(secret) for secret in secrets]
    except pyrage.IdentityError:
        raise _wrong("names a file with a key that is not whole") from None


def _wrong(what: str) -> UsageError:
    return UsageError(f"The setting BACKUP_AGE_IDENTITY_FILE is wrong: it {what}.")
