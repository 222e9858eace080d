"""A census counts what a reader reads, expiry above all: what it says of a dump decides about a mirror of it."""

import struct
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.support.payloads import length, milliseconds, string
from worker.formats.prefixes import Prefixes
from worker.formats.rdb.payload import crc64
from worker.formats.rdb.reader import Reader
from worker.formats.rdb.reader.census import Census
from worker.formats.tally import Tally

AT = 1_701_786_622_000
MOMENTS = [None, AT - 1, AT, AT + 1, AT - 999, AT + 1000]


def _expiry(at: int | None, *, in_seconds: bool) -> bytes:
    if at is None:
        return b""
    # Seconds are what servers before 2.6 wrote.
    return b"\xfd" + struct.pack("<i", at // 1000) if in_seconds else b"\xfc" + milliseconds(at)


def _dump(*, in_seconds: bool) -> bytes:
    """Keys of three databases, that expire before, at and after AT, or never."""
    body = b"REDIS0009"
    for db in (0, 3, 7):
        body += b"\xfe" + length(db)
        for number, at in enumerate(MOMENTS[db % 4 :] * (db + 1)):
            body += _expiry(at, in_seconds=in_seconds) + b"\0" + string(b"key:%d" % number) + string(b"value" * number)
    body += b"\xff"
    checksum: int = crc64(body)
    return body + checksum.to_bytes(8, "little")


def _pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


@pytest.mark.parametrize("size", [7, 64, 1 << 20])
@pytest.mark.parametrize("in_seconds", [False, True], ids=["milliseconds", "seconds"])
def test_a_census_counts_expiry_as_a_reader_reads_it(in_seconds: bool, size: int) -> None:
    content, tally, counted = _dump(in_seconds=in_seconds), Tally(), Tally()
    census = Census(_pieces(content, size), tally, AT)
    assert b"".join(census.chunks()) == content
    expired: Counter[int] = Counter()
    for batch in Reader(_pieces(content, size), values=False).batches():
        counted.add(batch)
        # As a restore has it: what expires at this very moment is not sent any more.
        expired.update(entry.db for entry in batch if entry.expires_at is not None and entry.expires_at <= AT)
    assert (tally.keys, tally.expiring, tally.by_db) == (counted.keys, counted.expiring, counted.by_db)
    assert tally.prefixes.largest() == counted.prefixes.largest() == Prefixes(counts={"key:": tally.keys})
    assert tally.expiring > 0
    assert census.expired == expired
    assert sorted(expired) == [0, 3, 7]


@pytest.mark.parametrize("size", [100, 5000, 1 << 16])
def test_of_many_keys_a_census_looks_at_some_however_large_their_values_are(size: int) -> None:
    names = [b"user:", b"cart:", b"page:"]
    body = b"REDIS0009" + b"".join(
        b"\0" + string(names[number * 2_654_435_761 % 2**32 % 3] + b"%d" % number) + string(b"v" * (number % 3 * 20))
        for number in range(30_000)
    )
    body += b"\xff"
    tally = Tally()
    for _ in Census(_pieces(body + crc64(body).to_bytes(8, "little"), size), tally).chunks():
        pass
    found = tally.prefixes.largest()
    assert tally.keys == 30_000
    assert not found.exact
    assert sorted(found.counts) == sorted(name.decode() for name in names)
    assert all(count == pytest.approx(10_000, rel=0.25) for count in found.counts.values()), found


SHARES = {0: ("user", 50_000), 1: ("session", 5000), 2: ("limit", 5000), 5: ("cart", 20_000), 9: ("count", 8000)}
"""Databases, each with keys of a prefix that is in no other, and how many."""


@pytest.mark.parametrize("size", [1000, 1 << 14, 1 << 17, 1 << 20])
@pytest.mark.parametrize("last", [5, 0])
def test_each_database_is_looked_at_however_the_file_is_cut(size: int, last: int) -> None:
    order = sorted(SHARES, key=lambda db: (db == last, db))
    body = (
        b"REDIS0009"
        + b"".join(
            b"\xfe"
            + bytes([db])
            + b"".join(
                b"\0" + string(b"%s:%d" % (SHARES[db][0].encode(), key)) + string(b"v") for key in range(SHARES[db][1])
            )
            for db in order
        )
        + b"\xff"
    )
    content = body + crc64(body).to_bytes(8, "little")
    tally, read = Tally(), Tally()
    assert b"".join(Census(_pieces(content, size), tally).chunks()) == content
    for batch in Reader(_pieces(content, size), values=False).batches():
        read.add(batch)
    for counted in (tally, read):
        found = counted.prefixes.largest()
        assert not found.exact
        expected = {f"{name}:": pytest.approx(number, rel=0.15) for name, number in SHARES.values()}
        assert found.counts == expected
