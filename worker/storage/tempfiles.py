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
    within = Path(tempfile.gettempdir())
    with on_disk():
        for left in within.glob(f"{PREFIX}*"):
            _remove_if_left(left)
        while not _locked(path := tempfile.mkdtemp(prefix=PREFIX, dir=within)):
            pass
    tempfile.tempdir = path
    # After those of multiprocessing's own, which have -100.
    Finalize(None, shutil.rmtree, (path,), {"ignore_errors": True}, exitpriority=-200)


def _locked(path: str) -> bool:
    """Lock a new folder for good; False where somebody who began as well has taken it for one that was left."""
    fcntl.flock(os.open(path, os.O_RDONLY | os.O_DIRECTORY), fcntl.LOCK_EX)
    return Path(path).exists()


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
