"""What is on disk before what: after a power cut nothing is listed that is not whole, and nothing half-deleted comes back."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from worker.storage.local import Folder

NAME, RECORD = "redis_backup_20231205_143022.rdb", "redis_backup_20231205_143022.rdb.manifest.json"


def _shown(argument: Any) -> str:
    """A file by its name, the folder as such; an open one by what it is."""
    if isinstance(argument, int):
        return "folder" if stat.S_ISDIR(os.fstat(argument).st_mode) else "file"
    return Path(argument).name


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of the disk, in its order."""
    asked: list[str] = []

    def noted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            asked.append(" ".join([name, *map(_shown, arguments[:1])]))
            return real(*arguments, **more)

        return call

    for name in ("fsync", "link", "rename", "unlink"):
        monkeypatch.setattr(os, name, noted(name, getattr(os, name)))
    return asked


def test_a_file_is_on_disk_before_it_is_shown_and_its_name_before_anybody_is_told(
    tmp_path: Path, calls: list[str]
) -> None:
    Folder(tmp_path).put(NAME, b"content")
    assert calls == ["fsync file", f"link .{NAME}.partial", "fsync folder", f"unlink .{NAME}.partial"]


def test_what_takes_the_place_of_a_file_is_on_disk_before_that_one_goes(tmp_path: Path, calls: list[str]) -> None:
    folder = Folder(tmp_path)
    folder.put(NAME, b"old")
    calls.clear()
    folder.put(NAME, b"new", replace=True)
    assert calls[:3] == ["fsync file", f"rename .{NAME}.new.partial", "fsync folder"]


def test_that_a_backup_is_gone_is_on_disk_before_its_files_go(tmp_path: Path, calls: list[str]) -> None:
    folder = Folder(tmp_path)
    folder.put(NAME, b"artifact")
    folder.put(RECORD, b"manifest")
    calls.clear()
    folder.delete(RECORD, [NAME])
    assert calls == [
        f"rename {RECORD}",
        "fsync folder",
        f"unlink {NAME}",
        f"unlink .{NAME}.deleting",
        "fsync folder",
    ]
