"""A JSON file that is signed: the last line before its digest is the signature of every byte before that line.

`head -n -3 FILE` is what was signed.
"""

import base64
import binascii
from typing import NamedTuple

from worker.repository import digest
from worker.repository.signing.keys import Signer

_LINE = b'  "signature": "%s"'
_LINE_BYTES = len(_LINE % (b"=" * 88))


class Signed(NamedTuple):
    """A file taken apart."""

    document: bytes
    """The JSON without its signature."""
    content: bytes
    """What was signed."""
    signature: bytes


def signed(document: str, signer: Signer) -> bytes:
    """The bytes of the file; `document` is a JSON object with a field or more, indented by two blanks."""
    content = document.removesuffix("\n}") + ",\n"
    signature = base64.b64encode(signer.sign(content.encode())).decode()
    return digest.sealed(f'{content}  "signature": "{signature}"\n}}')


def apart(document: bytes) -> Signed | None:
    """What `digest.opened` gives, taken apart; None where it bears no signature."""
    body = document.removesuffix(b"\n}")
    content, line = body[:-_LINE_BYTES], body[-_LINE_BYTES:]
    try:
        signature = base64.b64decode(line[len(b'  "signature": "') : -1], validate=True)
    except binascii.Error:
        return None
    if line != _LINE % base64.b64encode(signature) or not content.endswith(b",\n"):
        return None
    return Signed(content.removesuffix(b",\n") + b"\n}", content, signature)
