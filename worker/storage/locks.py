"""Locks of files: they go with the process that holds them."""

import fcntl
import time
from typing import BinaryIO

from worker.errors import StorageError

LOCKED_SECONDS = 10
"""How long a lock is waited for that somebody else has: that takes moments, unless they are stopped."""
_WAIT_SECONDS = 0.05


def try_lock(file: BinaryIO | int, how: int = fcntl.LOCK_EX) -> bool:
    """Whether the file is ours now; `how` may be LOCK_SH."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_in_time(file: BinaryIO, what: str) -> None:
    """Lock it. StorageError where somebody else has it for longer than LOCKED_SECONDS; `what` is its name."""
    deadline = time.monotonic() + LOCKED_SECONDS
    while not try_lock(file):
        if time.monotonic() > deadline:
            raise StorageError(f"Somebody else holds {what}: try again when that has ended.")
        time.sleep(_WAIT_SECONDS)
