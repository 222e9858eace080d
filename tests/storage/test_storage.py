"""A folder of backups never shows a file before it is whole, follows no link, and reads nothing that is no file."""

import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.storage.folders import NAME, OTHER, shown
from tests.support.backups import files, settings_for, take
from tests.support.servers import Server
from worker.arguments.backups import BackupArguments
from worker.backups.backup import backup
from worker.errors import NotFoundError, StorageError
from worker.repository import catalogue
from worker.repository.manifest import MANIFEST_SUFFIX
from worker.storage import chunks_of, open_storage
from worker.storage.local import Folder


@pytest.fixture(autouse=True)
def ordinary_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nothing_is_seen_before_it_is_published(folder: Folder) -> None:
    with folder.draft([NAME]) as draft:
        draft.write(b"half ")
        assert shown(folder) == []
        draft.write(b"and half")
        with pytest.raises(NotFoundError):
            folder.open(NAME)
        draft.publish()
        assert folder.read(NAME) == b"half and half"
    assert files(folder.path) == [NAME]
    assert [(file.name, file.size) for file in folder.files()] == [(NAME, 13)]


def test_only_the_owner_may_read(folder: Folder) -> None:
    with folder.draft([NAME]) as draft:
        draft.write(b"secret")
        assert [mode(path) for path in folder.path.iterdir()] == [0o600]
        draft.publish()
    folder.put(NAME + MANIFEST_SUFFIX, b"{}")
    folder.put(NAME + MANIFEST_SUFFIX, b"{ }", replace=True)
    assert mode(folder.path) == 0o700
    assert {mode(path) for path in folder.path.iterdir()} == {0o600}


def test_what_was_not_published_is_gone(folder: Folder) -> None:
    with folder.draft([NAME]) as draft:
        draft.write(b"x")
    assert files(folder.path) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_what_was_published_is_taken_back_when_the_work_fails_afterwards(
    error: type[BaseException], folder: Folder
) -> None:
    def work() -> None:
        with folder.draft([NAME]) as draft:
            draft.publish()
            raise error

    with pytest.raises(error):
        work()
    assert files(folder.path) == []


def test_a_file_is_never_overwritten(folder: Folder) -> None:
    folder.put(NAME, b"first")
    with pytest.raises(StorageError, match="No free name"):
        folder.put(NAME, b"second")
    with folder.draft([OTHER]) as draft:
        (folder.path / OTHER).write_bytes(b"somebody was quicker")
        with pytest.raises(FileExistsError):
            draft.publish()
    assert folder.read(NAME) == b"first"
    assert folder.read(OTHER) == b"somebody was quicker"
    assert files(folder.path) == [NAME, OTHER]


def test_two_drafts_of_one_second_get_names_of_their_own(folder: Folder) -> None:
    with folder.draft([NAME, OTHER]) as one, folder.draft([NAME, OTHER]) as two:
        assert (one.name, two.name) == (NAME, OTHER)
        one.write(b"one")
        two.write(b"two")
        one.publish()
        two.publish()
    assert (folder.read(NAME), folder.read(OTHER)) == (b"one", b"two")


def test_replacing_shows_the_old_or_the_new_and_never_nothing(folder: Folder) -> None:
    folder.put(NAME, b"old")
    with folder.open(NAME) as opened:
        folder.put(NAME, b"new", replace=True)
        assert opened.read() == b"old"
    assert folder.read(NAME) == b"new"
    assert files(folder.path) == [NAME]


def test_a_file_that_is_being_read_survives_its_deletion(folder: Folder) -> None:
    folder.put(NAME, b"x" * 1_000_000)
    folder.put(NAME + MANIFEST_SUFFIX, b"{}")
    with folder.open(NAME) as file:
        folder.delete(NAME + MANIFEST_SUFFIX, [NAME])
        assert sum(map(len, chunks_of(file))) == 1_000_000
    assert files(folder.path) == []


def test_no_link_is_followed(folder: Folder, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"not yours")
    folder.put(OTHER, b"x")
    (folder.path / NAME).symlink_to(secret)
    assert shown(folder) == [OTHER]
    with pytest.raises(NotFoundError):
        folder.open(NAME)
    with pytest.raises(StorageError):
        folder.put(NAME, b"over it")
    assert secret.read_bytes() == b"not yours"


def test_a_draft_is_not_written_through_a_link(folder: Folder, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    folder.put(OTHER, b"x")
    (folder.path / f".{NAME}.partial").symlink_to(victim)
    with pytest.raises(StorageError):
        folder.put(NAME, b"x")
    assert not victim.exists()


def test_folders_and_odd_names_are_no_files(folder: Folder) -> None:
    folder.put(NAME, b"x")
    (folder.path / "lost+found").mkdir()
    (folder.path / "a_folder").mkdir()
    (folder.path / "Ünlesbar\n").write_bytes(b"x")
    (folder.path / "UPPER").write_bytes(b"x")
    assert shown(folder) == [NAME]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "..", ".", "", "a/b", ".hidden", "a\n", "a\x00b", "A", "a" * 129]
)
def test_a_name_that_leaves_the_folder_is_not_found(name: str, folder: Folder, tmp_path: Path) -> None:
    folder.put(NAME, b"x")
    with pytest.raises(NotFoundError):
        folder.open(name)
    with pytest.raises(NotFoundError):
        folder.read(name)
    with pytest.raises(NotFoundError):
        folder.delete(name, [NAME])
    with pytest.raises(NotFoundError):
        folder.delete(NAME, [name])
    assert files(folder.path) == [NAME]


def test_a_small_file_that_is_large_is_not_read_whole(folder: Folder) -> None:
    folder.put(NAME, b"x" * 100)
    with pytest.raises(StorageError, match="larger"):
        folder.read(NAME, limit=99)
    assert len(folder.read(NAME, limit=100)) == 100


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, _socket])
def test_what_is_no_file_is_not_found_and_not_waited_for(
    make: Callable[[Path], None], folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path may not be long
    make(Path(NAME))
    open_before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(NotFoundError, match=f"There is no file .*{NAME}, but something else of that name"):
        Folder(Path()).open(NAME)
    assert len(os.listdir("/proc/self/fd")) == open_before


def test_a_storage_that_cannot_be_looked_into_has_no_free_bytes_to_tell(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be looked into"):
        Folder(tmp_path / ("x" * 300) / "backups").free_bytes()


def test_a_folder_is_named_plainly_or_as_a_url(tmp_path: Path) -> None:
    assert open_storage(str(tmp_path)) == open_storage(f"file://{tmp_path}") == Folder(tmp_path)


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    missing = Folder(tmp_path / "missing")
    assert missing.files() == []
    assert missing.sweep(set()) == []
    assert missing.free_bytes() > 0
    assert files(tmp_path) == []


def test_a_file_in_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StorageError, match="storage"):
            Folder(place).put(NAME, b"x")


def test_a_read_only_folder_is_said(source: Server) -> None:
    with pytest.raises(StorageError, match=r"cannot be written|cannot be"):
        take(source, Path("/proc/backups"))


def test_two_runs_at_once_make_two_backups(source: Server, tmp_path: Path) -> None:
    source.client().set("k", "v")
    nested: list[dict[str, Any]] = []

    def another(phase: str, current: int, total: int | None, unit: str) -> None:
        if not nested:
            nested.append({})
            nested[0] = take(source, tmp_path)

    outer = backup(settings_for(source, tmp_path), BackupArguments(), another)
    assert outer["name"] != nested[0]["name"]
    assert len(catalogue.read(Folder(tmp_path)).backups) == 2
