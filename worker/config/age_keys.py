"""Public keys that backups are encrypted to, as people write them: age's own and those of SSH; a mistyped one is told in words."""

import base64
import binascii
import hashlib
import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

MOST = 100
_AGE = re.compile(r"age1[02-9ac-hj-np-z]{58}")
_SSH = re.compile(r"(ssh-ed25519|ssh-rsa)\s+([A-Za-z0-9+/]+={0,2})(\s.*)?")
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def _recipients(value: object) -> object:
    """Keys with commas or line ends between; what stands behind an SSH key is its owner's name, and is left out."""
    if not isinstance(value, str):
        return value
    lines = [line.strip() for line in re.split(r"[,\n]", value)]
    recipients = tuple(_recipient(line) for line in lines if line and not line.startswith("#"))
    if len(recipients) > MOST:
        raise ValueError(f"must be {MOST} keys at most")
    return tuple(dict.fromkeys(recipients))


def _recipient(key: str) -> str:
    if _is_secret(key):
        raise ValueError("must be public keys, and one of these is a secret one: who has it reads every backup")
    if _AGE.fullmatch(key) and _is_bech32(key):
        return key
    if (ssh := _SSH.fullmatch(key)) and _is_of(ssh[1], ssh[2]):
        return f"{ssh[1]} {ssh[2]}"
    raise ValueError("must be whole public keys, age1... or ssh-ed25519 ... or ssh-rsa ..., with commas between")


def _is_secret(text: str) -> bool:
    return "AGE-SECRET-KEY-" in text.upper() or "PRIVATE KEY" in text


def _identity_file(value: str) -> str:
    if _is_secret(value) or "\n" in value:
        raise ValueError("must be the path of a file with the secret key, and not the key itself")
    return value


def _is_bech32(key: str) -> bool:
    """Whether its checksum is right (BIP 173): a mistyped key would encrypt to nobody."""
    prefix, _, data = key.rpartition("1")
    values = [ord(character) >> 5 for character in prefix] + [0] + [ord(character) & 31 for character in prefix]
    checksum = 1
    for value in values + [_BECH32.index(character) for character in data]:
        top, checksum = checksum >> 25, (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATORS):
            checksum ^= generator if top >> bit & 1 else 0
    return checksum == 1


def _is_of(kind: str, encoded: str) -> bool:
    """Whether the bytes of an SSH key say that they are of that kind, and are all there."""
    try:
        blob = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return False
    parts, rest = [], blob
    while len(rest) >= 4 and (size := int.from_bytes(rest[:4], "big")) <= len(rest) - 4:
        parts.append(rest[4 : 4 + size])
        rest = rest[4 + size :]
    return not rest and len(parts) == {"ssh-ed25519": 2, "ssh-rsa": 3}[kind] and parts[0] == kind.encode()


def fingerprint(recipient: str) -> str:
    """What people know a key by: an age key whole, one of SSH as `ssh-keygen -l` prints it."""
    kind, _, encoded = recipient.partition(" ")
    if not encoded:
        return recipient
    sha256 = hashlib.sha256(base64.b64decode(encoded)).digest()
    return f"{kind} SHA256:{base64.b64encode(sha256).decode().rstrip('=')}"


Recipients = Annotated[tuple[str, ...], BeforeValidator(_recipients)]
"""Read from text such as `age1..., ssh-ed25519 AAAA...`, each as `fingerprint` takes it."""
IdentityFile = Annotated[str, AfterValidator(_identity_file)]
"""A path, which may be shown; what it names is read when it is needed."""
