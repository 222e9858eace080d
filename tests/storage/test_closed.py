"""What is opened is closed: a worker that runs for months must not run out of file descriptors."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from worker.errors import BackupSystemError, StorageError
from worker.restore.selection.keyset import KeySet
from worker.storage import open_storage
from worker.storage.local import Folder

NAME, OTHER = "redis_backup_20231205_143022.rdb", "redis_backup_20231205_143023.rdb"
RECORD = f"{NAME}.manifest.json"


def put(folder: Folder) -> None:
    folder.put(RECORD, b"new", replace=True)


def put_what_is_there(folder: Folder) -> None:
    folder.put(RECORD, b"again")


def begin_and_give_up(folder: Folder) -> None:
    with folder.draft([OTHER]) as draft:
        draft.write(b"content")
        raise StorageError("It failed.")


def find_a_free_name(folder: Folder) -> None:
    with folder.draft([NAME, OTHER]) as draft, folder.draft([OTHER, "redis_backup_20231205_143024.rdb"]):
        draft.write(b"content")


def write_where_somebody_was_killed(folder: Folder) -> None:
    (folder.path / f".{OTHER}.partial").write_bytes(b"half")
    with folder.draft([OTHER]) as draft:
        draft.write(b"content")


def read(folder: Folder) -> None:
    assert folder.read(NAME) == b"content"
    with folder.open(NAME) as stream, folder.fetch(NAME) as file:
        assert stream.read() == file.read()


def look_for_what_is_not_there(folder: Folder) -> None:
    folder.read("redis_backup_20200101_000000.rdb")


def read_what_is_too_large(folder: Folder) -> None:
    folder.read(NAME, limit=1)


def lock(folder: Folder) -> None:
    with folder.locked(RECORD):
        folder.put(RECORD, b"new", replace=True)


def delete(folder: Folder) -> None:
    folder.put(OTHER, b"content")
    folder.put(f"{OTHER}.manifest.json", b"{}")
    folder.delete(f"{OTHER}.manifest.json", [OTHER])


def sweep(folder: Folder) -> None:
    (folder.path / f".{OTHER}.partial").write_bytes(b"half")
    assert folder.sweep({NAME, RECORD}) == [f".{OTHER}.partial"]


def list_them(folder: Folder) -> None:
    assert NAME in [one.name for one in folder.files()]


def know_keys(_: Folder) -> None:
    with KeySet() as keys:
        keys.add(0, [b"%d" % number for number in range(1000)])
        assert keys.missing(0, [b"7", b"x"]) == [b"x"]


WORK: tuple[Callable[[Folder], None], ...] = (
    put,
    put_what_is_there,
    begin_and_give_up,
    find_a_free_name,
    write_where_somebody_was_killed,
    read,
    look_for_what_is_not_there,
    read_what_is_too_large,
    lock,
    delete,
    sweep,
    list_them,
    know_keys,
)


def opened() -> set[str]:
    """The descriptors of this process, each with what it is."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found.add(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")
    return {one for one in found if "/proc/" not in one}


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="nobody tells what is open here")
@pytest.mark.parametrize("work", WORK, ids=lambda work: work.__name__)
def test_afterwards_no_more_files_are_open_than_before(work: Callable[[Folder], None], tmp_path: Path) -> None:
    folder = open_storage(str(tmp_path))
    assert isinstance(folder, Folder)
    folder.put(NAME, b"content")
    folder.put(RECORD, b"{}")
    before = opened()
    for _ in range(2):
        with suppress(BackupSystemError):
            work(folder)
    assert opened() == before
