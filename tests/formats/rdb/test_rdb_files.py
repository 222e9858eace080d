"""RDB files that servers of 2014 to 2026 wrote, walked and decoded, against what those servers said of their keys."""

from collections.abc import Iterator

import pytest

from tests.formats.rdb import files as rdb
from tests.support.reading import settle
from worker.formats.entries import Entry
from worker.formats.rdb.reader import Reader
from worker.formats.rdb.values import decode

each_file = pytest.mark.parametrize("name", rdb.NAMES)


def _chunks(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def _decoded(name: str, chunk_size: int) -> list[rdb.Expected]:
    reader = Reader(_chunks(rdb.data(name), chunk_size), values=True)
    entries = [entry for batch in reader.batches() for entry in batch]
    assert reader.rdb_version
    return sorted(_as_expected(entry, reader.rdb_version) for entry in entries)


def _as_expected(entry: Entry, rdb_version: int) -> rdb.Expected:
    assert entry.payload
    value = settle(decode(entry.payload, rdb_version), entry.type)
    return rdb.Expected(entry.db, entry.key, entry.expires_at, entry.type, value)


def test_there_are_files_of_old_and_new_servers() -> None:
    assert {"redis-2.8.17", "redis-3.2.6", "redis-5.0.6", "redis-6.2.14", "redis-7.0.15", "redis-8.2.2"} <= set(
        rdb.NAMES
    )


@each_file
@pytest.mark.parametrize("chunk_size", [1 << 20, 509])
def test_every_key_of_the_file_decodes_to_what_its_server_said(name: str, chunk_size: int) -> None:
    assert _decoded(name, chunk_size) == sorted(rdb.expected(name))


@each_file
def test_the_files_hold_more_than_one_database_and_keys_that_expire(name: str) -> None:
    expected = rdb.expected(name)
    assert {one.db for one in expected} == {0, 3}
    assert any(one.expires_at for one in expected)
