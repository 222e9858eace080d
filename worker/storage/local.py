"""Where backups lie: a folder that never shows a file before it is whole and on disk.

A library's folder store would do, were it not that none of them syncs: after a power cut a manifest could stand beside
an artifact of zeros. What follows is write beside, sync, link.
"""

import errno
import fcntl
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from worker.errors import NotFoundError, StorageError
from worker.progress import Progress, Proof, silent, undisputed
from worker.storage.draft import FolderDraft, begin, held, same_file
from worker.storage.interface import Begun, StoredFile, Stream
from worker.storage.listing import NAME, listed
from worker.storage.locks import lock_in_time
from worker.storage.owned import sync

_PARTIAL = re.compile(r"\.(?P<name>.+)\.partial")
_DELETING = re.compile(r"\.(?P<name>.+)\.deleting")


@dataclass(frozen=True)
class Folder:
    """A folder of backups: files 0600, the folder 0700, no link is followed."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def place(self) -> str:
        """Its absolute path, without links."""
        return os.path.realpath(self.path)

    @property
    def readers(self) -> int:
        """Nothing is won by more."""
        return 1

    @property
    def exclusive(self) -> bool:
        """A link is never made over another."""
        return True

    def exists(self) -> bool:
        """Whether the folder is there."""
        return self.path.exists()

    @contextmanager
    def draft(self, names: Iterable[str], claim: str = "") -> Iterator[FolderDraft]:  # noqa: ARG002 - a lock tells who lives
        """Begin a file under the first of `names` that is free. It is gone afterwards unless it was published and kept.

        The draft holds a lock while its process lives: a draft without one was left behind by a killed run.
        """
        with _translated(self.path, "written"):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = next((draft for name in names if (draft := begin(self.path, name))), None)
            if draft is None:
                raise StorageError("No free name was found for a new file.")
            try:
                yield draft
            except BaseException:
                draft.withdraw()
                raise
            finally:
                draft.close()

    def put(self, name: str, content: bytes, *, replace: bool = False, prove: Proof = undisputed) -> None:
        """Write a small file at once. StorageError where it exists and is not to be replaced."""
        with self.draft([name] if not replace else [f"{name}.new"]) as draft:
            draft.write(content)
            if replace:
                draft.replace(name)
            else:
                draft.publish(prove)

    def open(self, name: str) -> Stream:
        """The file, to be read once. Raises what `fetch` does."""
        return Stream(self.fetch(name))

    def fetch(self, name: str, progress: Progress = silent, *, anew: bool = False) -> BinaryIO:  # noqa: ARG002 - it is here already
        """The file itself, for it is of this machine; it stays readable even when it is deleted meanwhile.

        NotFoundError where there is none, or a link, a folder or a pipe in its place.
        """
        return os.fdopen(self._opened(name), "rb")

    def part(self, name: str, start: int, size: int) -> bytes:
        """That many bytes of the file from there on."""
        with self.fetch(name) as file, _translated(self.path / name, "read", "file"):
            file.seek(start)
            return file.read(size)

    def hand_out(self, name: str) -> BinaryIO:
        """The same, for somebody else."""
        return self.fetch(name)

    def read(self, name: str, limit: int = 64 << 20) -> bytes:
        """A small file whole. StorageError where it is larger than `limit` bytes."""
        descriptor = self._opened(name)
        try:
            with _translated(self.path / name, "read", "file"):
                size = os.fstat(descriptor).st_size
                if size > limit:
                    raise StorageError(f"The file {name} in {self.path} is larger than any of its kind can be.")
                # Of that many bytes and not of `limit`, for which memory would be taken each time.
                content = os.read(descriptor, size)
                while len(content) < size and (more := os.read(descriptor, size - len(content))):
                    content += more
                return content
        finally:
            os.close(descriptor)

    def _opened(self, name: str) -> int:
        _check(name)
        with _translated(self.path / name, "read", "file"):
            try:
                # Not blocking, or a pipe would be waited for until somebody writes into it.
                descriptor = os.open(f"{self.path}/{name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except FileNotFoundError:
                raise NotFoundError(f"There is no file {name} in {self.path}.", of=name) from None
            except OSError as error:
                if error.errno not in (errno.ELOOP, errno.ENXIO):  # a link, a socket
                    raise
                raise _no_file(self.path / name) from None
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise _no_file(self.path / name)
            return descriptor

    def files(self) -> list[StoredFile]:
        """Every finished file, by name; drafts, links and folders are none."""
        with _translated(self.path, "listed"):
            return listed(self.path)

    @contextmanager
    def locked(self, record: str) -> Iterator[None]:
        """Nobody else writes beside `record`, nor deletes it, meanwhile. NotFoundError where there is no such file.

        StorageError where somebody else has it for longer than LOCKED_SECONDS.
        """
        with self.fetch(record) as file, _translated(self.path, "changed"):
            lock_in_time(file, str(self.path / record))
            if not same_file(self.path / record, file.fileno()):
                raise NotFoundError(f"The file {record} was deleted meanwhile.")
            yield

    def delete(self, record: str, files: list[str]) -> None:
        """Delete `record` and then the `files` it stands for. Killed in between, `sweep` ends it."""
        for name in (record, *files):
            _check(name)
        with _translated(self.path, "changed"):
            marker = self.path / f".{files[0]}.deleting" if files else self.path / f".{record}.deleting"
            # Held, so that a sweep does not take the marker for one that a killed run left.
            with self.fetch(record) as held:
                fcntl.flock(held, fcntl.LOCK_EX)
                try:
                    os.rename(self.path / record, marker)
                except FileNotFoundError:
                    raise NotFoundError(f"There is no file {record} in {self.path}.") from None
                sync(self.path)
                for name in files:
                    (self.path / name).unlink(missing_ok=True)
                marker.unlink(missing_ok=True)
                sync(self.path)

    def begun(self, name: str) -> Begun | None:
        """What was begun with that file and is not ended."""
        _check(name)
        if os.path.lexists(self.path / f".{name}.deleting"):
            return "deleting"
        return "writing" if same_file(self.path / name, self.path / f".{name}.partial") else None

    def sweep(self, owned: set[str], *, dry_run: bool = False) -> list[str]:
        """Remove what killed runs left: drafts, what they published without keeping, deletions begun. Gives the names.

        `owned` are the files that a manifest stands for: of those only the draft goes, never the file.
        """
        swept = []
        with _translated(self.path, "swept"):
            for entry in sorted(os.listdir(self.path)) if self.path.is_dir() else []:
                match = _PARTIAL.fullmatch(entry) or _DELETING.fullmatch(entry)
                if match is None:
                    continue
                with held(self.path / entry) as abandoned:
                    if abandoned and not dry_run:
                        self._clear(entry, match["name"], owned)
                    swept += [entry] if abandoned else []
            if swept and not dry_run:
                sync(self.path)
        return swept

    def _clear(self, entry: str, name: str, owned: set[str]) -> None:
        finished, left = self.path / name, self.path / entry
        if name not in owned and (entry.endswith(".deleting") or same_file(finished, left)):
            finished.unlink(missing_ok=True)
        left.unlink(missing_ok=True)

    def free_bytes(self) -> int:
        """What the file system still takes."""
        with _translated(self.path, "looked into"):
            folders = (self.path.absolute(), *self.path.absolute().parents)
            return shutil.disk_usage(next(folder for folder in folders if folder.exists())).free


def folder(url: str) -> Folder:
    """The folder of an address, which may be a plain path."""
    return Folder(Path(url.removeprefix("file://")))


def write_new(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file of somebody's own, that becomes visible whole or not at all. StorageError where it exists."""
    with Folder(path.parent).draft([path.name]) as draft:
        for chunk in chunks:
            draft.write(chunk)
        draft.publish()


def _check(name: str) -> None:
    if not NAME.fullmatch(name):
        raise NotFoundError(f"There is no file of the name {name[:130]!r}.")


def _no_file(path: Path) -> NotFoundError:
    return NotFoundError(f"There is no file {path}, but something else of that name: move it away.", of=path.name)


@contextmanager
def _translated(path: Path, done: str, what: str = "storage") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageError(
                f"The storage {path} is full ({error.strerror}): free some space, or keep fewer backups."
            ) from None
        raise StorageError(
            f"The {what} {path} cannot be {done} ({error.strerror}): check the folder and its rights.", of=path.name
        ) from None
