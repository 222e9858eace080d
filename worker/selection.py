"""How much of a backup is meant: by pattern, type, database, or a list of keys."""

import re
from collections.abc import Callable, Iterator
from re import Pattern
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from worker import globs
from worker.config import Databases
from worker.entries import Entry, EntryStream

TypeName = Literal["string", "list", "set", "zset", "hash", "stream", "module"]

MOST_KEYS = 100_000
"""Keys that may be named one by one; all of them are held in memory."""


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Globs = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=4096)], ...], BeforeValidator(_several)]
"""One glob or several, as KEYS takes them."""


class Selection(BaseModel):
    """What of a backup is meant; all of it, where nothing is said."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    match: Globs = ()
    """Only keys that fit one of these."""
    exclude: Globs = ()
    """No key that fits one of these."""
    keys: Annotated[frozenset[str], Field(max_length=MOST_KEYS)] | None = None
    """Only these keys, each as `key_text` writes it."""
    types: frozenset[TypeName] | None = None
    databases: Databases = None

    @property
    def narrowed(self) -> bool:
        """Whether only a part of the backup is meant."""
        return bool(self.match or self.exclude) or any(
            part is not None for part in (self.keys, self.types, self.databases)
        )


class Selected:
    """An EntryStream less the keys that are not meant."""

    def __init__(self, stream: EntryStream, selection: Selection) -> None:
        self._stream, self._narrowed = stream, selection.narrowed
        self._wanted = _rule(selection)

    @property
    def rdb_version(self) -> int | None:
        """As the stream says."""
        return self._stream.rdb_version

    @property
    def libraries(self) -> list[bytes]:
        """As the stream says; none when only some keys are meant."""
        return [] if self._narrowed else self._stream.libraries

    def batches(self) -> Iterator[list[Entry]]:
        """Yield the stream's batches, narrowed."""
        for batch in self._stream.batches():
            yield [entry for entry in batch if self._wanted(entry)] if self._narrowed else batch


def _rule(selection: Selection) -> Callable[[Entry], bool]:
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
    return [globs.compiled(pattern.encode("utf-8", "surrogateescape")) for pattern in patterns]


_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(\\))")


def key_text(key: bytes) -> str:
    """A key as text that `key_bytes` reads back: UTF-8, with other bytes and controls as `\\xNN`, and `\\` as `\\\\`."""
    text = key.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else "".join(f"\\x{code:02x}" for code in char.encode()) for char in text)


def key_bytes(text: str) -> bytes:
    """The key that `key_text` wrote."""
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]) if found[1] else b"\\", text.encode())
