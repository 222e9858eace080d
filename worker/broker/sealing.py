"""What the broker keeps for us and must not be able to read: sealed with a secret that it never has.

AES-256-GCM, with a key of its own for each run: HKDF-SHA256 (RFC 5869) of the secret and the run's id. What was sealed for
one run cannot be passed off as another's.
"""

import os
from pathlib import Path
from typing import Any

from worker.config.settings import Settings

OF_MAKE_RUN = Path("var/session-secret")
"""Where `make run` keeps the secret: a worker in a second terminal needs no settings."""
_NONCE_BYTES, _KEY_BYTES = 12, 32


def secret_of(settings: Settings) -> str | None:
    """SESSION_SECRET, or that of a `make run` in this folder; None where there is neither."""
    if settings.session_secret is not None:
        return settings.session_secret
    try:
        return OF_MAKE_RUN.read_text().strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def seal(secret: str, identity: str, data: bytes) -> bytes:
    """The data so that only who has the secret can read it, and only as that run's."""
    nonce = os.urandom(_NONCE_BYTES)
    sealed: bytes = _cipher(secret, identity).encrypt(nonce, data, None)
    return nonce + sealed


def unsealed(secret: str, identity: str, sealed: bytes) -> bytes | None:
    """What `seal` was given; None where it was another secret, another run, or is not what was written."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as below

    try:
        data: bytes = _cipher(secret, identity).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
    except (InvalidTag, ValueError):
        return None
    return data


def _cipher(secret: str, identity: str) -> Any:
    # 20 ms and 15 MB that most runs and every verb of the shell can do without.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    info = f"redis-backup values of run {identity}".encode(errors="replace")
    return AESGCM(HKDF(SHA256(), _KEY_BYTES, salt=None, info=info).derive(secret.encode()))
