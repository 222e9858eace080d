"""Files of a bucket on this machine: fetched once for all, never thrown out while they are read, and bounded."""

import errno
import fcntl
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.support.backups import eventually, kill_myself, killed
from worker.errors import StorageError
from worker.storage.cache import Cache
from worker.storage.locks import try_lock

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


def test_who_comes_for_it_anew_is_content_with_what_somebody_else_is_fetching(cache: Cache) -> None:
    """He has seen them at it before they had brought a byte."""
    begun, seen, calls, told = threading.Event(), threading.Event(), list[bytes](), list[int]()

    def slowly(file: BinaryIO) -> None:
        begun.set()
        assert seen.wait(60)
        filling(b"content", calls)(file)

    def tell(size: int) -> None:
        told.append(size)
        seen.set()

    first = threading.Thread(target=lambda: cache.fetch("a", 7, slowly).close())
    first.start()
    assert begun.wait(60)
    with cache.fetch("a", 7, filling(b"another", calls), tell, anew=True) as file:
        assert file.read() == b"content"
    first.join(60)
    assert (calls, told[0], {*told} <= {0, 7}) == ([b"content"], 0, True)


def test_a_fetch_that_somebody_gives_up_while_we_come_is_ours(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """What we had opened by then is no file of the folder any more."""
    told: list[int] = []

    def given_up(file: BinaryIO, how: int = fcntl.LOCK_EX) -> bool:
        monkeypatch.undo()
        for part in cache.folder.glob("*.part"):
            part.unlink()
        return try_lock(file, how)

    monkeypatch.setattr("worker.storage.cache.try_lock", given_up)
    cache.fetch("a", 7, filling(b"content"), told.append).close()
    assert (told, sizes(cache)) == ([0], [7])


def test_what_somebody_has_fetched_while_we_come_is_not_fetched_again(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[bytes] = []

    def fetched(file: BinaryIO, how: int = fcntl.LOCK_EX) -> bool:
        monkeypatch.undo()
        (part,) = cache.folder.glob("*.part")
        part.with_suffix("").write_bytes(b"content")
        return try_lock(file, how)

    monkeypatch.setattr("worker.storage.cache.try_lock", fetched)
    with cache.fetch("a", 7, filling(b"x", calls)) as file:
        assert file.read() == b"content"
    assert (calls, sizes(cache)) == ([], [7])


def test_what_was_stuck_for_long_is_fetched_beside_it(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.storage.cache._STALLED_SECONDS", 0)

    def stuck(_: BinaryIO) -> None:
        with cache.fetch("a", 7, filling(b"content")) as file:
            read.append(file.read())

    read: list[bytes] = []
    cache.fetch("a", 7, stuck).close()
    assert read == [b"content"]


def test_what_is_read_makes_no_room_and_what_is_just_as_large_needs_none(cache: Cache) -> None:
    with cache.fetch("a", 40, filling(b"a" * 40)):
        for path in cache.folder.iterdir():
            os.utime(path, (0, 0))
        cache.fetch("b", 40, filling(b"b" * 40)).close()
        cache.fetch("c", 40, filling(b"c" * 40)).close()
        assert sizes(cache) == [40, 40]
        cache.fetch("d", 20, filling(b"d" * 20)).close()
        assert sizes(cache) == [20, 40, 40]
    cache.fetch("e", 100, filling(b"e" * 100)).close()
    assert sizes(cache) == [100]


def test_a_link_in_the_folder_is_none_of_its_files(cache: Cache, tmp_path: Path) -> None:
    cache.fetch("a", 7, filling(b"content")).close()
    (tmp_path / "large").write_bytes(b"x" * 99)
    (cache.folder / "link").symlink_to(tmp_path / "large")
    (cache.folder / "nowhere").symlink_to(tmp_path / "none")
    cache.fetch("b", 7, filling(b"content")).close()
    assert (cache.folder / "link").is_symlink()
    with cache.kept("a") or pytest.fail("It was thrown out.") as file:
        assert file.read() == b"content"
    assert cache.kept("c") is None


def test_a_change_is_told_to_all_who_have_the_folder(tmp_path: Path) -> None:
    cache, other = (Cache(tmp_path / "deep" / "cache", 100) for _ in range(2))
    assert cache.changed("a") == 0
    for _ in range(2):
        cache.change("a")
        assert other.changed("a") > 0
    assert cache.changed("b") == 0
    path = cache.beside("changed", "a")
    assert (path.parent.parent, len(path.name), path.parent.stat().st_mode & 0o777) == (cache.folder, 16, 0o700)
    assert path.read_text().split()[1] == str(os.getpid())


def test_a_lock_is_of_what_it_is_asked_for(cache: Cache) -> None:
    """These two would share one, were it told by the first sixteenth of a key alone."""
    with cache.locked("3"), cache.locked("4"):
        assert len([*cache.folder.glob("*.lock")]) == 2


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "is full (No space left on device): free some space, or set BACKUP_CACHE"),
        (errno.EDQUOT, "is full"),
        (errno.EACCES, "cannot be used (Permission denied): check its rights, or set BACKUP_CACHE"),
    ],
)
def test_a_full_folder_and_one_that_cannot_be_used_are_two_things(cache: Cache, number: int, words: str) -> None:
    def fail(_: BinaryIO) -> None:
        raise OSError(number, os.strerror(number))

    with pytest.raises(StorageError, match=re.escape(words)):
        cache.fetch("a", 7, fail)


def test_nothing_stays_open_of_what_failed(cache: Cache) -> None:
    def fail(file: BinaryIO) -> None:
        opened.append(file)
        raise StorageError("It broke off.")

    opened: list[BinaryIO] = []
    for size in (7, 101):
        with pytest.raises(StorageError, match="It broke off"):
            cache.fetch("a", size, fail)
    assert [file.closed for file in opened] == [True, True]
