"""A JSON file that carries the sha256 of itself: of every byte before the line that holds it.

`head -n -2 FILE | sha256sum` prints what that line says, unless a byte of the file has changed.
"""

import hashlib

_END = b'  "digest": "%s"\n}\n'
_END_BYTES = len(_END % bytes(64))


def sealed(document: str) -> bytes:
    """The bytes of the file; `document` is a JSON object with a field or more, indented by two blanks."""
    body = document.removesuffix("\n}").encode() + b",\n"
    return body + _end(body)


def opened(text: bytes) -> bytes | None:
    """The document without its digest; None where it carries none, or is not what was written."""
    body = text[:-_END_BYTES]
    return body.removesuffix(b",\n") + b"\n}" if text == body + _end(body) else None


def _end(body: bytes) -> bytes:
    return _END % hashlib.sha256(body).hexdigest().encode()
