"""Files that nobody sees and that are gone with whoever opened them."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from worker.errors import StorageError


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
