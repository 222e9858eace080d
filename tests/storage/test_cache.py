"""Files of a bucket on this machine: fetched once for all, never thrown out while they are read, and bounded."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.support.backups import eventually, kill_myself, killed
from worker.errors import StorageError
from worker.storage.cache import Cache

Fill = Callable[[BinaryIO], None]


def filling(content: bytes, calls: list[bytes] | None = None) -> Fill:
    def fill(file: BinaryIO) -> None:
        file.write(content)
        if calls is not None:
            calls.append(content)

    return fill


def half(file: BinaryIO) -> None:
    """A process that is killed on the way."""
    file.write(b"half")
    file.flush()
    kill_myself()


def sizes(cache: Cache) -> list[int]:
    return sorted(path.stat().st_size for path in cache.folder.iterdir() if not path.name.endswith(".lock"))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", 100)


def test_what_was_fetched_is_there_for_the_next_one(cache: Cache) -> None:
    calls: list[bytes] = []
    for _ in range(2):
        with cache.fetch("a", 10, filling(b"0123456789", calls)) as file:
            assert (file.read(), file.seek(2), file.read(2)) == (b"0123456789", 2, b"23")
    assert calls == [b"0123456789"]
    with cache.fetch("a", 10, filling(b"9876543210", calls), anew=True) as file:
        assert file.read() == b"9876543210"
    with cache.fetch("a", 10, filling(b"", calls)) as file:
        assert file.read() == b"9876543210"
    assert cache.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o077 for path in cache.folder.iterdir()} <= {0, 0o044}


def test_what_was_read_longest_ago_makes_room(cache: Cache) -> None:
    for name, age in (("a", 3), ("b", 2), ("c", 1)):
        cache.fetch(name, 40, filling(name.encode() * 40)).close()
        for path in cache.folder.iterdir():
            os.utime(path, (0, path.stat().st_mtime - age * 100))
    calls: list[bytes] = []
    assert sizes(cache) == [40, 40]
    for name in ("c", "b"):
        cache.fetch(name, 40, filling(b"x", calls)).close()
    assert calls == []


def test_what_is_being_read_is_not_thrown_out(cache: Cache) -> None:
    with cache.fetch("a", 60, filling(b"a" * 60)) as file:
        cache.fetch("b", 60, filling(b"b" * 60)).close()
        calls: list[bytes] = []
        cache.fetch("a", 60, filling(b"x", calls)).close()
        assert (calls, file.read()) == ([], b"a" * 60)


def test_what_is_larger_than_all_of_it_is_there_while_it_is_open(cache: Cache) -> None:
    with cache.fetch("a", 101, filling(b"a" * 101)) as file:
        assert len(file.read()) == 101
        assert sizes(cache) == []


def test_one_fetch_serves_all_who_come_meanwhile(cache: Cache) -> None:
    begun, go_on, calls = threading.Event(), threading.Event(), list[bytes]()
    read: list[bytes] = []

    def slowly(file: BinaryIO) -> None:
        calls.append(b"")
        begun.set()
        assert go_on.wait(60)
        file.write(b"content")

    def fetch() -> None:
        with cache.fetch("a", 7, slowly) as file:
            read.append(file.read())

    threads = [threading.Thread(target=fetch) for _ in range(3)]
    threads[0].start()
    assert begun.wait(60)
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert (read, calls) == ([b"content"] * 3, [b""])


def test_a_fetch_that_fails_leaves_nothing_and_is_the_next_ones_to_do(cache: Cache) -> None:
    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise StorageError("It broke off.")

    with pytest.raises(StorageError, match=r"It broke off\."):
        cache.fetch("a", 7, fail)
    assert sizes(cache) == []
    with cache.fetch("a", 7, filling(b"content")) as file:
        assert file.read() == b"content"


def test_a_fetch_that_is_killed_is_the_next_ones_to_do(cache: Cache) -> None:
    assert killed(lambda: cache.fetch("a", 7, half))
    assert sizes(cache) == [4]
    with cache.fetch("a", 7, filling(b"content")) as file:
        assert file.read() == b"content"
    assert sizes(cache) == [7]


def test_what_a_killed_fetch_left_goes_when_room_is_made(cache: Cache) -> None:
    assert killed(lambda: cache.fetch("a", 7, half))
    cache.fetch("b", 7, filling(b"content")).close()
    assert sizes(cache) == [7]


def test_what_is_locked_is_waited_for(cache: Cache) -> None:
    order: list[str] = []

    def other() -> None:
        with cache.locked("record"):
            order.append("other")

    thread = threading.Thread(target=other)
    with cache.locked("record"):
        thread.start()
        order.append("we")
    thread.join(60)
    assert order == ["we", "other"]
    assert eventually(lambda: not thread.is_alive())


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="BACKUP_CACHE"):
        Cache(tmp_path / "file", 100).fetch("a", 7, filling(b"content"))
