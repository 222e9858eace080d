"""Which keys there are: every one that was added is found, no other, and none of it weighs on the memory."""

import os
import random
import resource
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.errors import StorageError
from worker.restore.selection import keyset
from worker.restore.selection.keyset import KeySet


@pytest.fixture
def keys() -> Iterator[KeySet]:
    with KeySet() as made:
        yield made


def test_what_was_added_is_there_and_nothing_else(keys: KeySet) -> None:
    keys.add(0, [b"one", b"", b"\xff\x00", b"one"])
    keys.add(3, [b"three"])
    assert keys.missing(0, [b"one", b"two", b"", b"\xff\x00", b"three"]) == [b"two", b"three"]
    assert keys.missing(3, [b"one", b"three"]) == [b"one"]
    assert keys.missing(1, [b"one"]) == [b"one"]


def test_of_an_empty_set_everything_is_missing(keys: KeySet) -> None:
    assert keys.missing(0, [b"one"]) == [b"one"]
    assert keys.missing(0, []) == []


def test_any_keys_in_any_databases(keys: KeySet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyset, "HELD", 100)
    chosen = random.Random(7)  # noqa: S311
    every = [(chosen.randrange(4), chosen.randbytes(chosen.randrange(6))) for _ in range(20_000)]
    added = set(every[::2])
    for db, key in every[::2]:
        keys.add(db, [key])
    for db in range(4):
        asked = [key for at, key in every if at == db]
        assert keys.missing(db, asked) == [key for key in asked if (db, key) not in added]


def test_after_a_question_nothing_is_added(keys: KeySet) -> None:
    keys.missing(0, [b"one"])
    with pytest.raises(ValueError, match="takes no more keys"):
        keys.add(0, [b"one"])


def test_many_keys_are_held_in_little_memory(keys: KeySet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyset, "HELD", 1 << 14)

    def names(start: int) -> list[bytes]:
        return [b"session:%d" % number for number in range(start, start + 1000)]

    tracemalloc.start()
    for start in range(0, 100_000, 1000):
        keys.add(0, names(start))
    found = [keys.missing(0, names(start)) for start in range(0, 102_000, 1000)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [len(missing) for missing in found] == [0] * 100 + [1000] * 2
    # A set of them takes eleven.
    assert peak < 1_500_000


def test_a_collision_keeps_a_key_and_never_loses_one(keys: KeySet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyset, "hash", lambda _: 7, raising=False)
    keys.add(0, [b"one"])
    assert keys.missing(0, [b"one", b"another"]) == []


def test_nothing_is_left_open_or_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = os.listdir("/proc/self/fd")
    with KeySet() as made:
        made.add(0, [b"one"])
        made.missing(0, [b"one"])
        assert os.listdir(tmp_path) == []
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_temporary_folder_without_room_is_said(keys: KeySet) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    keys.add(0, [b"%d" % number for number in range(100_000)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        with pytest.raises(StorageError, match=r"folder for temporary files cannot be written.*TMPDIR"):
            keys.missing(0, [b"one"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
