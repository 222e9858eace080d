"""Files of a remote storage on this machine: what is being written, what is being read, and what was read last.

All processes that have the same folder (BACKUP_CACHE) share it: what several want is fetched once, and nothing is thrown
out that somebody reads. Locks are those of files, so they go with the process that holds them.
"""

import errno
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from worker.config.settings import load
from worker.errors import StorageError
from worker.storage.draft import same_file
from worker.storage.locks import lock_in_time, try_lock

_PART, _LOCK = ".part", ".lock"
_WAIT_SECONDS = 0.1
_STALLED_SECONDS = 180
"""How long a fetch of somebody else's may bring nothing, before we go and fetch it ourselves."""

Fill = Callable[[BinaryIO], None]
Tell = Callable[[int], None]


def _unheard(_: int) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True)
class Cache:
    """A folder that holds at most so many bytes of what nobody reads at the moment."""

    folder: Path
    limit: int

    def spool(self) -> BinaryIO:
        """An unnamed file that is gone when it is closed."""
        with self.usable():
            return tempfile.TemporaryFile(dir=self.folder)

    def beside(self, kind: str, what: str) -> Path:
        """A folder for what is remembered of that for good: no matter how much is read, it is not thrown out."""
        return self.folder / kind / _key(what)[:16]

    def change(self, what: str) -> None:
        """Tell all processes of this folder that something was changed there."""
        path = self.beside("changed", what)
        with self.usable():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            path.write_text(f"{time.time_ns()} {os.getpid()}")

    def changed(self, what: str) -> int:
        """Another number whenever somebody has told that, in nanoseconds since the epoch; 0 where nobody has."""
        with suppress(OSError):
            return self.beside("changed", what).stat().st_mtime_ns
        return 0

    @contextmanager
    def locked(self, what: str) -> Iterator[None]:
        """One at a time of this machine. StorageError where it takes longer than LOCKED_SECONDS."""
        with self.usable():
            file = (self.folder / (_key(what)[:2] + _LOCK)).open("ab")
        with file:
            lock_in_time(file, what)
            yield

    def fetch(self, what: str, size: int, fill: Fill, tell: Tell = _unheard, *, anew: bool = False) -> BinaryIO:
        """The file of that content, filled by us, by somebody else, or long ago; it stays while it is open.

        With `anew` what is kept is not relied on. What is larger than the limit is kept while it is open only. While
        somebody else fills it, `tell` hears how many bytes there are.
        """
        kept = self.folder / _key(what)
        with self.usable():
            part = kept.with_name(kept.name + _PART)
            claimed = self._claimed(kept, part, tell, anew=anew) if size <= self.limit else None
            if claimed is None:
                return _filled(self.spool(), fill)
            file, is_kept = claimed
            if is_kept:
                return file
            try:
                self._make_room(size)
                file.truncate(0)
                _filled(file, fill)
                os.fsync(file.fileno())
                os.rename(part, kept)
                fcntl.flock(file, fcntl.LOCK_SH)
            except BaseException:
                with suppress(OSError):
                    part.unlink()
                file.close()
                raise
            return file

    def kept(self, what: str) -> BinaryIO | None:
        """The file of that content, where it was fetched."""
        with self.usable():
            return _opened(self.folder / _key(what))

    def _claimed(self, kept: Path, part: Path, tell: Tell, *, anew: bool) -> tuple[BinaryIO, bool] | None:
        """The file where it is kept, or one that is ours to fill, and which of these; None where somebody is stuck at it."""
        known, since = -1, time.monotonic()
        while True:
            if not anew and (file := _opened(kept)) is not None:
                return file, True
            file = part.open("a+b")
            if try_lock(file):
                if same_file(part, file.fileno()) and (anew or not kept.exists()):
                    return file, False
                if same_file(part, file.fileno()):
                    part.unlink()
            elif (size := os.fstat(file.fileno()).st_size) != known:
                # Whoever came for it anew is content with what somebody else is just fetching.
                known, since, anew = size, time.monotonic(), False
            file.close()
            tell(max(known, 0))
            if time.monotonic() - since > _STALLED_SECONDS:
                return None
            time.sleep(_WAIT_SECONDS)

    def _make_room(self, size: int) -> None:
        """Throw out what was read longest ago and is not being read, until there is room for that much more."""
        kept = []
        for entry in os.scandir(self.folder):
            with suppress(FileNotFoundError):
                if entry.is_file(follow_symlinks=False) and not entry.name.endswith(_LOCK):
                    status = entry.stat(follow_symlinks=False)
                    kept.append((status.st_mtime, status.st_size, entry.path))
        held = sum(size for _, size, _ in kept)
        for _, bytes_, path in sorted(kept):
            if (held + size > self.limit or path.endswith(_PART)) and _thrown_out(path):
                held -= bytes_

    @contextmanager
    def usable(self) -> Iterator[None]:
        """What is done within to a file of the folder fails in words."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            what = "is full" if full else "cannot be used"
            raise StorageError(
                f"The folder {self.folder}, where files on their way to and from the storage lie, {what} "
                f"({error.strerror}): {'free some space' if full else 'check its rights'}, or set BACKUP_CACHE to another."
            ) from None


def the_cache() -> Cache:
    """As the settings say."""
    settings = load()
    return Cache(Path(settings.backup_cache), settings.backup_cache_bytes)


def _key(what: str) -> str:
    return hashlib.sha256(what.encode()).hexdigest()


def _opened(kept: Path) -> BinaryIO | None:
    """The file, locked so that nobody throws it out; None where there is none."""
    with suppress(FileNotFoundError):
        file = kept.open("rb")
        if try_lock(file, fcntl.LOCK_SH) and same_file(kept, file.fileno()):
            os.utime(kept)
            return file
        file.close()
    return None


def _thrown_out(path: str) -> bool:
    with suppress(OSError), open(path, "rb") as file:
        if try_lock(file) and same_file(Path(path), file.fileno()):
            os.unlink(path)
            return True
    return False


def _filled(file: BinaryIO, fill: Fill) -> BinaryIO:
    try:
        fill(file)
        file.flush()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file
