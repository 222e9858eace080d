"""A key as text: in settings, arguments, pages and documents."""

import re
from typing import Annotated

from pydantic import Field

LONGEST_KEY = 65_536
"""Characters of a key that is named, as `key_text` writes it."""
KeyText = Annotated[str, Field(max_length=LONGEST_KEY)]

# So that the empty key can stand on a line of its own; the key of two quotes is written in another way then.
_EMPTY = {b"": '""', b'""': r"\x22\x22"}
_END_BLANKS = re.compile(r"^ +| +$")
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(\\))")


def key_text(key: bytes) -> str:
    """A key as text that `key_bytes` reads back: UTF-8, with other bytes, controls and blanks at its ends as `\\xNN`, and
    `\\` as `\\\\`; `""` is the empty key. It has no line end in it, and loses nothing where somebody strips it.
    """
    if key in _EMPTY:
        return _EMPTY[key]
    text = key.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    text = "".join(char if char.isprintable() else "".join(f"\\x{code:02x}" for code in char.encode()) for char in text)
    return _END_BLANKS.sub(lambda match: r"\x20" * len(match[0]), text)


def key_bytes(text: str) -> bytes:
    """The key that `key_text` wrote."""
    if text == _EMPTY[b""]:
        return b""
    return _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]) if match[1] else b"\\", text.encode())
