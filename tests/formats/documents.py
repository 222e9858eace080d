"""Entries and their portable documents, and why a document is refused."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from worker.errors import FormatError
from worker.formats import portable
from worker.formats.entries import Consumer, EntriesAlone, Entry, Group, Opaque, Pending, Stream

STREAM = Stream(
    entries=[
        ("1-1", [(b"field", b"value"), (b"field", b"\xff")]),
        ("18446744073709551615-18446744073709551615", [(b"", b"")]),
    ],
    last_id="18446744073709551615-18446744073709551615",
    max_deleted_id="1-0",
    entries_added=7,
    groups=[
        Group(b"workers", "1-1", 3, [Consumer(b"ann", 5, 4, [Pending("1-1", 1701787822123, 2)]), Consumer(b"\x80")]),
        Group(b"idle", "0-0"),
    ],
)
SCORES = [(b"a", 0.1 + 0.2), (b"b", -0.0), (b"c", float("inf")), (b"d", float("-inf"))]
ENTRIES = [
    Entry(0, b"user:1", 1701787822123, "hash", None, [(b"name", b"Ann", None), (b"token", b"\xfe", 1701787899999)]),
    Entry(0, b"greeting", None, "string", None, b"hello\n\x00 \xe2\x80\xa8"),
    Entry(3, bytes(range(256)), None, "string", None, bytes(range(256))),
    Entry(3, b"", -1, "list", None, [b"a", b"", b"\xff"]),
    Entry(3, b"set", None, "set", None, [b"a", b"b"]),
    Entry(3, b"scores", None, "zset", None, SCORES),
    Entry(3, b"stream", None, "stream", None, STREAM),
    Entry(4, b"module", 5, "module", None, Opaque(b"\x07 what DUMP said")),
    Entry(4, b"new", None, "unknown", None, Opaque(b"text")),
]


@dataclass
class Given(EntriesAlone):
    """Entries of a test, as an EntryStream."""

    entries: list[Entry]
    libraries: list[bytes] = field(default_factory=list)
    rdb_version: int | None = None

    def batches(self) -> Iterator[list[Entry]]:
        yield []
        for start in range(0, len(self.entries), 4):
            yield self.entries[start : start + 4]


def document(entries: list[Entry], libraries: Iterable[bytes] = (), **header: object) -> bytes:
    return b"".join(portable.write(Given(entries, list(libraries)), header))


def read(*chunks: bytes) -> list[Entry]:
    return [entry for batch in portable.Reader(iter(chunks)).batches() for entry in batch]


def refusal(*chunks: bytes) -> str:
    with pytest.raises(FormatError) as caught:
        read(*chunks)
    return str(caught.value)


def with_row(**changes: Any) -> bytes:
    """A document whose one entry has these words: as they are, or left out where they are None."""
    row: dict[str, Any] = {"db": 0, "key": "k", "type": "string", "value": "v"} | changes
    line = json.dumps({word: shown for word, shown in row.items() if shown is not None})
    return b'{"format":"redis-backup","version":1,"keys":[\n' + line.encode() + b'\n],\n"functions":[],"count":1}\n'
