"""How much of a backup is meant: by pattern, type, database, or a list of keys."""

import re
from collections.abc import Callable, Iterator
from re import Pattern
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from worker import globs
from worker.entries import Entry, EntryStream, Passing
from worker.fields import Databases

TypeName = Literal["string", "list", "set", "zset", "hash", "stream", "vectorset", "module"]

MOST_KEYS = 100_000
"""Keys that may be named one by one; all of them are held in memory."""


MOST_GLOBS, LONGEST_GLOB = 100, 4096
LONGEST_KEY = 65_536
"""Characters of a key that is named, as `key_text` writes it."""


def _several(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, (list, tuple)):
        raise ValueError("must be a pattern, or a list of patterns")
    return value


_GLOB = {"type": "string", "minLength": 1, "maxLength": LONGEST_GLOB}
# The document of the API must say all that the validator takes.
_GLOBS_SCHEMA = {"anyOf": [_GLOB, {"type": "array", "maxItems": MOST_GLOBS, "items": _GLOB}]}
Globs = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=LONGEST_GLOB)], ...],
    Field(max_length=MOST_GLOBS),
    BeforeValidator(_several),
    WithJsonSchema(_GLOBS_SCHEMA),
]
"""One glob or several, as KEYS takes them."""
KeyText = Annotated[str, Field(max_length=LONGEST_KEY)]


class Selection(BaseModel):
    """What of a backup is meant; all of it, where nothing is said."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    match: Globs = ()
    """Only keys that fit one of these."""
    exclude: Globs = ()
    """No key that fits one of these."""
    keys: Annotated[frozenset[KeyText], Field(max_length=MOST_KEYS)] | None = None
    """Only these keys, each as `key_text` writes it."""
    types: Annotated[frozenset[TypeName], Field(min_length=1)] | None = None
    databases: Databases = None

    @property
    def narrowed(self) -> bool:
        """Whether only a part of the backup is meant."""
        return bool(self.match or self.exclude) or any(
            part is not None for part in (self.keys, self.types, self.databases)
        )


class Selected(Passing):
    """An EntryStream less the keys that are not meant."""

    def __init__(self, stream: EntryStream, selection: Selection) -> None:
        super().__init__(stream)
        self._narrowed, self._wanted = selection.narrowed, rule(selection)

    @property
    def libraries(self) -> list[bytes]:
        """As the stream says; none when only some keys are meant."""
        return [] if self._narrowed else self._stream.libraries

    def batches(self) -> Iterator[list[Entry]]:
        """Yield the stream's batches, narrowed."""
        for batch in self._stream.batches():
            yield [entry for entry in batch if self._wanted(entry)] if self._narrowed else batch


def rule(selection: Selection) -> Callable[[Entry], bool]:
    """What says of an entry, by its db, key and type, whether it is meant."""
    match, exclude = _compiled(selection.match), _compiled(selection.exclude)
    keys = None if selection.keys is None else frozenset(map(key_bytes, selection.keys))
    types, databases = selection.types, selection.databases

    def wanted(entry: Entry) -> bool:
        return (
            (databases is None or entry.db in databases)
            and (types is None or entry.type in types)
            and (keys is None or entry.key in keys)
            and (not match or any(one.fullmatch(entry.key) for one in match))
            and not any(one.fullmatch(entry.key) for one in exclude)
        )

    return wanted


def _compiled(patterns: tuple[str, ...]) -> list[Pattern[bytes]]:
    return [globs.compiled(pattern.encode()) for pattern in patterns]


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
    return _END_BLANKS.sub(lambda found: r"\x20" * len(found[0]), text)


def key_bytes(text: str) -> bytes:
    """The key that `key_text` wrote."""
    if text == _EMPTY[b""]:
        return b""
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]) if found[1] else b"\\", text.encode())
