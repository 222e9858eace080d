"""A file that is being written: nobody sees it before it is whole and on disk, and a killed run's is known as such.

It holds a lock while its process lives: a draft without one was left behind.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from worker.errors import NotFoundError
from worker.progress import Progress, Proof, silent, undisputed
from worker.storage.locks import try_lock
from worker.storage.owned import sync


def begin(folder: Path, name: str) -> "FolderDraft | None":
    """A draft of that name, in the place of one that a killed run left; None where the name is taken."""
    partial = _partial(folder, name)
    try:
        descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        with held(partial) as abandoned:
            # Of two files that are one a killed run has published the draft: only prune knows what to do with it.
            again = abandoned and not same_file(partial, folder / name)
            if again:
                partial.unlink(missing_ok=True)
        return begin(folder, name) if again else None
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    draft = FolderDraft(folder, name, descriptor)
    # A sweep that came between those two lines has taken the draft for an abandoned one.
    if os.path.lexists(folder / name) or not same_file(partial, descriptor):
        draft.close()
        return None
    return draft


class FolderDraft:
    """A file that is being written and that nobody sees yet."""

    def __init__(self, folder: Path, name: str, descriptor: int) -> None:
        self.name = name
        self._folder, self._descriptor = folder, descriptor
        self._partial, self._final = _partial(folder, name), folder / name
        self._published = False

    def write(self, chunk: bytes) -> None:
        """Append to the draft."""
        view = memoryview(chunk)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def publish(self, prove: Proof = undisputed, progress: Progress = silent) -> None:  # noqa: ARG002 - it is here already
        """Show the file under its name, whole and on disk; the draft stays until `close`, so that a kill leaves a trace."""
        os.fsync(self._descriptor)
        prove()
        os.link(self._partial, self._final)
        self._published = True
        sync(self._folder)

    def check(self) -> None:
        """Nobody takes it over as long as its lock is held."""

    def replace(self, name: str) -> None:
        """Take the place of the file `name`, whole and on disk, in one step."""
        os.fsync(self._descriptor)
        if not os.path.lexists(self._folder / name):
            raise NotFoundError(f"The file {name} was deleted meanwhile.")
        os.rename(self._partial, self._folder / name)
        sync(self._folder)

    def withdraw(self) -> None:
        """Take back what was published: the work it belonged to has failed."""
        if self._published:
            with suppress(OSError):
                self._final.unlink(missing_ok=True)

    def close(self) -> None:
        """End the draft; only what was published and not withdrawn remains."""
        with suppress(OSError):
            self._partial.unlink(missing_ok=True)
        with suppress(OSError):
            os.close(self._descriptor)


def _partial(folder: Path, name: str) -> Path:
    return folder / f".{name}.partial"


def same_file(path: Path, other: Path | int) -> bool:
    """Whether two paths, or a path and an open file, are one file under two names."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(other) if isinstance(other, int) else os.lstat(other))
    except OSError:
        return False


@contextmanager
def held(left: Path) -> Iterator[bool]:
    """Whether the process that held this file is gone, and its lock with it; while we look, it is ours."""
    try:
        descriptor = os.open(left, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        yield False
        return
    try:
        yield try_lock(descriptor)
    finally:
        os.close(descriptor)
