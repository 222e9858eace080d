"""Small files of this machine's own, which only its user reads: each takes its place whole, or nothing is there of it."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def made(path: Path, content: bytes, *, lasting: bool = True) -> Iterator[Path]:
    """That content in a file beside `path`, to be given that name within; what is not given it goes. OSError.

    What is `lasting` is on disk by then: after a power cut there is never a name without its content.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Nobody alive writes a file of that name, and what a killed run left is written over.
    beside = path.with_name(f".{path.name}.{threading.get_native_id()}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        yield beside
    finally:
        beside.unlink(missing_ok=True)


def sync(folder: Path) -> None:
    """Bring the folder itself to disk: names that were added or removed."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
