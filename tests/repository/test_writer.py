"""A backup comes to be all at once: before its last step nobody sees it, and whatever goes wrong leaves nothing behind."""

import gzip
import hashlib
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.backups import files
from worker.errors import LostError
from worker.formats.compression import COMPRESSIONS
from worker.formats.encryption import PLAIN
from worker.repository import catalogue
from worker.repository.manifest import MANIFEST_SUFFIX, Origin
from worker.repository.writer import New, Writer, writing
from worker.storage import open_storage

NEW = New(datetime(2023, 12, 5, 14, 30, 22, tzinfo=UTC), "rdb", COMPRESSIONS["gzip"], PLAIN)
NAME = "redis_backup_20231205_143022.rdb.gz"
DUMP = [b"REDIS", b"", b"0009" * 1000]
TOLD: dict[str, Any] = {
    "rdb_version": 9,
    "consistency": "per-key",
    "engine": "scan",
    "source": Origin(),
    "keys": 1,
    "keys_by_db": {0: {"string": 1}},
    "expiring": 0,
}


def listed(folder: Path) -> list[str]:
    """The backups, and the artifacts that nobody would know what to do with."""
    found = catalogue.read(open_storage(str(folder)))
    return [one.name for one in found.backups] + found.problems


def shown(folder: Path) -> list[str]:
    return [name for name in files(folder) if not name.startswith(".")]


def make(folder: Path, work: Callable[[Writer], object]) -> None:
    with writing(open_storage(str(folder)), NEW) as writer:
        writer.write(iter(DUMP))
        work(writer)


def test_a_backup_is_there_once_it_is_committed_with_all_that_was_measured(tmp_path: Path) -> None:
    with writing(open_storage(str(tmp_path)), NEW) as writer:
        writer.write(iter(DUMP))
        assert shown(tmp_path) == []
        made = writer.commit("backup_created", **TOLD)
    stored = (tmp_path / NAME).read_bytes()
    assert (gzip.decompress(stored), files(tmp_path)) == (b"".join(DUMP), [NAME, NAME + MANIFEST_SUFFIX])
    assert (made.bytes.raw, made.bytes.stored) == (4005, len(stored))
    assert (made.sha256, made.compression) == (hashlib.sha256(stored).hexdigest(), "gzip")
    assert catalogue.read(open_storage(str(tmp_path))).backups == [made]


def test_a_file_that_is_compressed_already_is_taken_as_it_is(tmp_path: Path) -> None:
    file = gzip.compress(b"".join(DUMP), 1)
    with writing(open_storage(str(tmp_path)), NEW) as writer:
        writer.copy(iter([file[:9], file[9:]]), 4005)
        made = writer.commit("backup_adopted", **TOLD)
    assert (tmp_path / NAME).read_bytes() == file
    assert (made.bytes.raw, made.bytes.stored, made.sha256) == (4005, len(file), hashlib.sha256(file).hexdigest())


def test_what_is_not_committed_is_gone(tmp_path: Path) -> None:
    make(tmp_path, str)
    assert files(tmp_path) == []
    with pytest.raises(ZeroDivisionError):
        make(tmp_path, lambda _: 1 / 0)
    assert files(tmp_path) == []


def test_before_each_step_that_others_see_it_is_asked_whether_it_may_be_taken(tmp_path: Path) -> None:
    seen: list[list[str]] = []
    make(tmp_path, lambda writer: writer.commit("made", lambda: seen.append(shown(tmp_path)), **TOLD))
    assert seen == [[], [NAME]]
    assert listed(tmp_path) == [NAME]


@pytest.mark.parametrize("asked", [1, 2])
def test_nothing_is_left_where_it_may_not_be_taken(asked: int, tmp_path: Path) -> None:
    times: list[int] = []

    def prove() -> None:
        times.append(len(times))
        if len(times) == asked:
            raise LostError("Another may have been at work.")

    with pytest.raises(LostError):
        make(tmp_path, lambda writer: writer.commit("made", prove, **TOLD))
    assert (len(times), files(tmp_path)) == (asked, [])


def test_each_file_is_on_disk_before_it_is_seen_and_its_name_before_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def noted(name: str) -> None:
        real = getattr(os, name)

        def called(*told: Any) -> None:
            order.append(name)
            real(*told)

        monkeypatch.setattr(os, name, called)

    noted("fsync")
    noted("link")
    make(tmp_path, lambda writer: writer.commit("made", lambda: order.append("asked"), **TOLD))
    written, on_record = ["fsync", "asked", "link", "fsync"], ["fsync", "fsync"]
    assert order == [*written, *on_record, *written, *on_record]
