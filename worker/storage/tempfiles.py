"""Files that nobody sees and that are gone with whoever opened them; and a folder that goes with its process."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.util import Finalize
from pathlib import Path
from typing import BinaryIO

from worker.errors import StorageError

PREFIX = "redis-backup-"
_OWN_BYTES = len(PREFIX) + 12
"""Of the path of a folder, behind the one that it lies in, and of a file in it."""


def temporary() -> BinaryIO:
    """An unnamed file that is gone when it is closed."""
    with on_disk():
        return tempfile.TemporaryFile()


@contextmanager
def on_disk() -> Iterator[None]:
    """What is done within to a temporary file fails as StorageError, in words."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"The folder for temporary files cannot be written ({error.strerror}): free some space, or set TMPDIR."
        ) from None


def own_folder() -> None:
    """Give this process and its children a folder of their own for all temporary files, within TMPDIR.

    Multiprocessing makes folders (`pymp-*`) there that stay when it is killed, and nobody can tell whose they were. So
    the folder is locked as long as one of these processes lives, and what is not locked any more is removed here.
    """
    sweep()
    path, _ = _new_folder(tempfile.gettempdir())
    tempfile.tempdir = path
    # After those of multiprocessing's own, which have -100.
    Finalize(None, shutil.rmtree, (path,), {"ignore_errors": True}, exitpriority=-200)


def sweep() -> None:
    """Remove the folders whose processes have ended without that."""
    with on_disk():
        for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            _remove_if_left(left)


@contextmanager
def locked_folder(longest: int) -> Iterator[tuple[Path, int]]:
    """A folder that only this user enters, and the descriptor of its lock: it stays until all have closed that, and the next
    `sweep` removes it then. Where its path would have more bytes than `longest` it lies in /tmp. StorageError.
    """
    within = tempfile.gettempdir()
    with on_disk():
        path, lock = _new_folder(within if len(os.fsencode(within)) + _OWN_BYTES <= longest else "/tmp")  # noqa: S108
    try:
        yield Path(path), lock
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _new_folder(within: str) -> tuple[str, int]:
    """A locked one, and the descriptor of the lock."""
    with on_disk():
        while True:
            path = tempfile.mkdtemp(prefix=PREFIX, dir=within)
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Somebody who began as well may have taken it for one that was left.
            if Path(path).exists():
                return path, lock
            os.close(lock)


def _remove_if_left(path: Path) -> None:
    # Anybody may have put something of that name there.
    with suppress(OSError):
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            if os.fstat(folder).st_uid == os.getuid():
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(folder)
