"""A file is the same however its strings are spelt and wherever it is cut in pieces: to who reads, counts and examines it."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.formats.rdb.samples import SAMPLES
from tests.formats.rdb.spelt import spellings
from tests.support.payloads import length, milliseconds, string
from worker.formats.entries import Entry
from worker.formats.rdb.codes import TYPE_OF
from worker.formats.rdb.payload import crc64
from worker.formats.rdb.reader import Reader
from worker.formats.rdb.reader.census import Census
from worker.formats.rdb.reader.soundness import Examiner
from worker.formats.tally import Tally

SIZES = (0, 1, 62, 63, 64, 65, 200, 300)
AT = 1_701_786_622_000
SKIPPED = b"\xfb" + length(5) + length(2) + b"\xfa" + string(b"a") + string(b"b")
"""What says how large a database's tables are, and a fact about the server."""


class Made(NamedTuple):
    """A file, and what is in it."""

    content: bytes
    entries: list[Entry]


def text(size: int) -> bytes:
    return (b"%04d" % size * 100)[:size]


def made() -> Made:
    entries: list[Entry] = []
    records: list[bytes] = []

    def add(key: bytes, spelt: bytes, payload: bytes) -> None:
        number = len(entries)
        at = (None, AT - 1, AT, AT + 1)[number % 4]
        records.append((b"" if at is None else b"\xfc" + milliseconds(at)) + payload[:1] + spelt + payload[1:])
        entries.append(Entry(0 if number < 20 else 3, key, at, TYPE_OF[payload[0]], payload))
        if number == 19:
            records.append(b"\xfe" + length(3) + SKIPPED)

    for size in SIZES:
        for spelt in spellings(text(size)):
            add(text(size), spelt, b"\x00" + string(b"v"))
            add(b"k", string(b"k"), b"\x00" + spelt)
            add(b"k", string(b"k"), b"\x04" + length(1) + spelt + spelt)
            add(b"k", string(b"k"), b"\x12" + length(1) + b"\x01" + spelt)
    for number in (b"\xc0\x7f", b"\xc1\x00\x80", b"\xc2\xff\xff\xff\x7f"):
        add(b"k", string(b"k"), b"\x00" + number)
    for name, payload in SAMPLES.items():
        if "rc" not in name:
            add(name.encode(), string(name.encode()), payload)
    begun = b"REDIS0014" + SKIPPED + b"\xfe\x00" + b"".join(records) + b"\xff"
    return Made(begun + int(crc64(begun)).to_bytes(8, "little"), entries)


FILE = made()


def pieces(size: int) -> Iterator[bytes]:
    return (FILE.content[start : start + size] for start in range(0, len(FILE.content), size))


@pytest.mark.parametrize("size", [1, 2, 7, 64, 997, 1 << 20])
def test_each_key_is_read_as_it_was_written(size: int) -> None:
    found = [entry for batch in Reader(pieces(size), values=True).batches() for entry in batch]
    assert found == FILE.entries
    named = [entry for batch in Reader(pieces(size), values=False).batches() for entry in batch]
    assert named == [entry._replace(payload=None) for entry in FILE.entries]


@pytest.mark.parametrize("size", [1, 2, 7, 64, 997, 1 << 20])
def test_a_census_counts_what_is_there_and_hands_on_every_byte(size: int) -> None:
    tally, counted = Tally(), Tally()
    census = Census(pieces(size), tally, AT)
    assert b"".join(census.chunks()) == FILE.content
    counted.add(FILE.entries)
    assert (tally.keys, tally.expiring, tally.by_db) == (counted.keys, counted.expiring, counted.by_db)
    gone = Counter(entry.db for entry in FILE.entries if entry.expires_at is not None and entry.expires_at <= AT)
    assert census.expired == gone


@pytest.mark.parametrize("size", [7, 997, 1 << 20])
def test_who_examines_it_sees_every_key(size: int) -> None:
    found = [entry for batch in Examiner(pieces(size)).batches() for entry in batch]
    assert [entry.key for entry in found] == [entry.key for entry in FILE.entries]


@pytest.mark.parametrize("size", [64, 1 << 20])
def test_a_file_cut_anywhere_is_no_shorter_file(size: int) -> None:
    for end in range(0, len(FILE.content), 211):
        cut = FILE.content[:end]
        chunks = (cut[start : start + size] for start in range(0, end, size))
        with pytest.raises(Exception, match=r"cut short|begins? with REDIS|missing"):
            list(Reader(chunks, values=False).batches())
