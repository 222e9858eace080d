"""Keys that manifests are signed with, as people write the public half: `ed25519:` and 32 bytes in base64."""

import base64
import binascii
import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

MOST = 100
KIND = "ed25519:"
_BYTES = 32


def as_text(public: bytes) -> str:
    """The 32 bytes of a public key, as people write it."""
    return KIND + base64.b64encode(public).decode()


def from_text(key: str) -> bytes | None:
    """The 32 bytes of a public key; None where that is none."""
    try:
        public = base64.b64decode(key.removeprefix(KIND), validate=True)
    except (binascii.Error, ValueError):
        return None
    return public if as_text(public) == key and len(public) == _BYTES else None


def _trusted(value: object) -> object:
    """Keys with commas, blanks or line ends between."""
    if not isinstance(value, str):
        return value
    keys = tuple(dict.fromkeys(filter(None, re.split(r"[,\s]+", value))))
    if len(keys) > MOST:
        raise ValueError(f"must be {MOST} keys at most")
    if not all(map(from_text, keys)):
        raise ValueError(
            "must be public keys, ed25519:..., as `python -m worker stats` prints one, with commas between"
        )
    return keys


def _key_file(value: str) -> str:
    if "PRIVATE KEY" in value or "\n" in value:
        raise ValueError("must be the path of a file with the secret key, and not the key itself")
    return value


TrustedKeys = Annotated[tuple[str, ...], BeforeValidator(_trusted)]
"""Read from text such as `ed25519:..., ed25519:...`."""
SigningKeyFile = Annotated[str, AfterValidator(_key_file)]
"""A path, which may be shown."""
