"""Storage that takes nothing: a folder that is read-only whoever asks, and one that is full."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """For as long as this lasts nobody writes into the folder. Root heeds no rights, so it gets a mount, or a flag."""
    if os.geteuid():
        folder.chmod(0o500)
        undo = ["chmod", "700", str(folder)]
    elif _done("mount", "--bind", str(folder), str(folder)):
        assert _done("mount", "-o", "remount,bind,ro", str(folder))
        undo = ["umount", "--lazy", str(folder)]
    elif _done("chattr", "+i", str(folder)):
        undo = ["chattr", "-i", str(folder)]
    else:
        pytest.skip("root can write everywhere here")
    try:
        assert not _is_writable(folder)
        yield
    finally:
        assert _done(*undo)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """For as long as this lasts the folder, which must be new, is a disk of that many bytes."""
    folder.mkdir()
    if os.geteuid() or not _done("mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)):
        pytest.skip("nothing can be mounted here")
    try:
        yield
    finally:
        assert _done("umount", "--lazy", str(folder))


def fill_up(folder: Path) -> None:
    """Take the last byte of the disk."""
    with (folder / "ballast").open("wb", buffering=0) as file:
        for size in (1 << 16, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue


def _is_writable(folder: Path) -> bool:
    try:
        (folder / "probe").touch()
    except OSError:
        return False
    return True


def _done(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
