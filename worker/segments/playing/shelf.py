"""Folders of what took long to make, one for each moment: several who want the same wait for one, and what nobody reads goes.

A folder is whole once its manifest is in it. Whoever makes or reads it holds its lock, which goes with their process.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from worker.config.settings import Settings
from worker.progress import Progress
from worker.repository.manifest import MANIFEST_SUFFIX
from worker.repository.signing import journal
from worker.storage import open_storage
from worker.storage.cache import Cache
from worker.storage.locks import try_lock

MOST_KEPT, MOST_SECONDS = 8, 24 * 3600
"""How many are kept that nobody reads, and for how long after the last one who did."""
_WAIT_SECONDS = 0.1
_FOLDER = "moments"

Make = Callable[[Path], None]


@dataclass(frozen=True)
class Shelf:
    """All of them, in the cache's folder; they may take as much besides as the cache may."""

    cache: Cache
    settings: Settings

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self.cache.folder / _FOLDER

    @contextmanager
    def held(self, key: str, make: Make, progress: Progress) -> Iterator[Path]:
        """The folder of that key until the end of the block: made by us, by somebody else, or before."""
        descriptor = self._claimed(key, make, progress)
        try:
            yield self.folder / key
        finally:
            os.close(descriptor)

    def _claimed(self, key: str, make: Make, progress: Progress) -> int:
        """A descriptor of the folder, locked for reading."""
        path = self.folder / key
        while True:
            with self.cache.usable():
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
                descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                if _is_made(path) and _locked(path, descriptor, fcntl.LOCK_SH) and _is_made(path):
                    _touch(path, time.time())
                    return descriptor
                if not _is_made(path) and _locked(path, descriptor, fcntl.LOCK_EX):
                    self._fill(path, make)
            except BaseException:
                os.close(descriptor)
                raise
            # Between making and reading it may have been swept: then it is made again.
            os.close(descriptor)
            if not _is_made(path):
                progress("waiting", 0, None, "")
                time.sleep(_WAIT_SECONDS)

    def _fill(self, path: Path, make: Make) -> None:
        """Make it, where nobody has meanwhile. What is not whole in the end goes."""
        if _is_made(path):
            return
        self.sweep()
        _empty(path)
        try:
            make(path)
        finally:
            if not _is_made(path):
                shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """An empty folder of our own until the end of the block, which nobody sweeps."""
        with self.cache.usable():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = -1
            while descriptor < 0:
                path = Path(tempfile.mkdtemp(dir=self.folder))
                descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
                if not _locked(path, descriptor, fcntl.LOCK_EX):
                    os.close(descriptor)
                    descriptor = -1
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            os.close(descriptor)

    def made(self) -> list[Path]:
        """The folders of all that are whole, the one that was read last before the others."""
        return [path for _, path in sorted(self._there(), reverse=True) if _is_made(path)]

    @contextmanager
    def reading(self, path: Path) -> Iterator[bool]:
        """Whether it is there until the end of the block."""
        with ExitStack() as block:
            is_there = False
            with suppress(OSError):
                descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                block.callback(os.close, descriptor)
                is_there = _locked(path, descriptor, fcntl.LOCK_SH) and _is_made(path)
            yield is_there

    def keep(self, key: str, seconds: float) -> None:
        """Treat what there is as if it were read so many seconds from now, so that it stays as long."""
        _touch(self.folder / key, time.time() + seconds)

    def sweep(self) -> None:
        """Remove what a killed run left, what was read long ago, and the oldest of those that are too many or too large."""
        kept = sorted(self._there(), reverse=True)
        held = 0
        for place, (read_at, path) in enumerate(kept):
            held += _size(path)
            is_old = time.time() - read_at > MOST_SECONDS
            if place >= MOST_KEPT - 1 or held > self.cache.limit or is_old or not _is_made(path):
                self._throw_out(path)

    def _there(self) -> Iterator[tuple[float, Path]]:
        with suppress(OSError):
            for entry in os.scandir(self.folder):
                with suppress(OSError):
                    yield entry.stat(follow_symlinks=False).st_mtime, Path(entry.path)

    def _throw_out(self, path: Path) -> None:
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if _locked(path, descriptor, fcntl.LOCK_EX):
                    shutil.rmtree(path, ignore_errors=True)
                    signed = journal.shelf(self.settings, open_storage(str(path))).path
                    for left in signed.parent.glob(f"{signed.stem}.*"):
                        left.unlink(missing_ok=True)
            finally:
                os.close(descriptor)


def _locked(path: Path, descriptor: int, how: int) -> bool:
    """Whether it is ours now, and still the folder of that name."""
    if not try_lock(descriptor, how):
        return False
    with suppress(OSError):
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    return False


def _touch(path: Path, at: float) -> None:
    with suppress(OSError):
        if path.stat().st_mtime < at:
            os.utime(path, (at, at))


def _is_made(path: Path) -> bool:
    with suppress(OSError):
        return any(name.endswith(MANIFEST_SUFFIX) and not name.startswith(".") for name in os.listdir(path))
    return False


def _empty(path: Path) -> None:
    for entry in path.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _size(path: Path) -> int:
    with suppress(OSError):
        return sum(entry.stat(follow_symlinks=False).st_size for entry in os.scandir(path))
    return 0
