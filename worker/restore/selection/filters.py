"""How much of a backup is meant: by pattern, type, database, or a list of keys."""

from collections.abc import Callable, Iterator
from re import Pattern

from worker.arguments.selection import Selection
from worker.formats.entries import Entry, EntryStream, Passing
from worker.formats.key_text import key_bytes
from worker.server import globs

LONGEST_PREFIX = 64


def prefix_of(key: bytes) -> bytes:
    """What a key has up to its first colon; empty where it has none early on."""
    return key[: key.find(b":", 0, LONGEST_PREFIX) + 1]


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
    """The rule that decides by db, key and type whether an entry is meant: one that is named, or fits a pattern."""
    by_name, types = name_rule(selection), selection.types

    def wanted(entry: Entry) -> bool:
        return (types is None or entry.type in types) and by_name(entry.db, entry.key)

    return wanted


def name_rule(selection: Selection) -> Callable[[int | None, bytes], bool]:
    """The same by db and key alone; a key of an unknown db (None) is meant whatever the databases are."""
    match, exclude = _compiled(selection.match), _compiled(selection.exclude)
    keys = frozenset(map(key_bytes, selection.keys or ()))
    every = selection.keys is None and not match
    databases = selection.databases

    def wanted(db: int | None, key: bytes) -> bool:
        return (
            (databases is None or db is None or db in databases)
            and (every or key in keys or any(pattern.fullmatch(key) for pattern in match))
            and not any(pattern.fullmatch(key) for pattern in exclude)
        )

    return wanted


def _compiled(patterns: tuple[str, ...]) -> list[Pattern[bytes]]:
    return [globs.compiled(pattern.encode()) for pattern in patterns]
