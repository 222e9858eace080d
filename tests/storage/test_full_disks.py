"""A disk that fails or is full leaves what was there and nothing else."""

import contextlib
import errno
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.storage.folders import NAME, OTHER, record
from tests.support.backups import bring_back, files, killed, take
from tests.support.servers import Server
from tests.support.states import assert_same, state
from worker.errors import StorageError
from worker.repository.manifest import MANIFEST_SUFFIX
from worker.storage.local import Folder


@contextlib.contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, call: str, number: int) -> Iterator[None]:
    """The operating system fails this call."""

    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        yield


@pytest.mark.parametrize("call", ["write", "fsync", "link"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_disk_that_fails_leaves_nothing(
    call: str, number: int, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(folder, OTHER)
    with failing(monkeypatch, call, number), pytest.raises(StorageError) as caught:
        record(folder, NAME)
    assert ("is full" in str(caught.value)) == (number in (errno.ENOSPC, errno.EDQUOT))
    assert files(folder.path) == [OTHER, OTHER + MANIFEST_SUFFIX]


def large(server: Server) -> Server:
    for number in range(4):
        server.client().set(f"key:{number}", os.urandom(1 << 20))
    return server


def test_a_file_that_may_not_grow_leaves_nothing_of_a_backup(source: Server, tmp_path: Path) -> None:
    large(source)
    said = tmp_path / "said"

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        try:
            take(source, tmp_path / "backups")
        except StorageError as error:
            said.write_text(str(error))

    assert not killed(work)
    assert "is full" in said.read_text()
    assert files(tmp_path / "backups") == []


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "tiny"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("to mount a small file system is not permitted here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_leaves_what_was_there_and_nothing_else(source: Server, tiny: Path) -> None:
    source.client().set("small", "x")
    take(source, tiny)
    kept = {name: (tiny / name).read_bytes() for name in files(tiny)}
    before = state(source)
    large(source)
    with pytest.raises(StorageError, match="is full"):
        take(source, tiny)
    assert {name: (tiny / name).read_bytes() for name in files(tiny)} == kept
    source.client().flushall()
    bring_back(source, tiny)
    assert_same(source, before)


def test_a_disk_with_plainly_too_little_room_is_refused_at_once(source: Server, tiny: Path) -> None:
    source.client().set("half", os.urandom(700_000))
    take(source, tiny)
    before = files(tiny)
    full_syncs = source.client().info("stats")["sync_full"]
    with pytest.raises(StorageError, match=r"bytes free, and the last backup took"):
        take(source, tiny)
    assert source.client().info("stats")["sync_full"] == full_syncs
    assert files(tiny) == before
