"""The file that visits append to, in a folder of this machine: one for each source, and one visitor at a time.

What a visit appends is on disk when it ends. What one that was killed left behind the last whole frame is cut off by the next;
nothing of it was ever counted.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from worker.errors import ArtifactError, BusyError, StorageError
from worker.segments.frame import Frame, Opening, frames_of, line, opening_of
from worker.storage.owned import made, sync

GROWING, WHOLE = ".growing", ".whole"
"""Behind the name of the file that is appended to, and of those that are to go into storage."""
_LOCK = "lock"


@dataclass(frozen=True)
class Position:
    """How far the stream is at home."""

    history: str
    offset: int
    db: int | None
    after: str
    """The sha256 of the last frame."""
    until: int
    """When the stream stood there, in milliseconds."""


class Growing:
    """The folder of a source, for the one who visits it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path: Path | None = None
        self.opening: Opening | None = None
        self.position: Position | None = None
        """None where nothing was ever brought home."""

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._path.stat().st_size if self._path else 0

    def recover(self) -> None:
        """Find the file and its last whole frame, and cut off what follows that. ArtifactError where its start is damaged."""
        there = sorted(self.folder.glob(f"*{GROWING}"), key=_offset_of)
        if not there:
            return
        self._path = there.pop()
        for ended in there:
            # Whoever had begun the next one was killed.
            ended.replace(ended.with_suffix(WHOLE))
        with self._path.open("r+b") as file:
            self.opening = opening_of(file)
            self.position, end = position_after(self.opening), file.tell()
            if (last := _last_whole(file)) is not None:
                self.position, end = position_behind(last[0]), last[1] + last[0].stored
            if file.seek(0, os.SEEK_END) > end:
                file.truncate(end)
                os.fsync(file.fileno())

    def begin(self, opening: Opening) -> None:
        """Begin a file, where there is none."""
        moment = datetime.fromtimestamp(opening.since / 1000, UTC)
        path = self.folder / f"redis_stream_{moment:%Y%m%d_%H%M%S}_{opening.start}{GROWING}"
        with made(path, line(opening)) as beside:
            beside.replace(path)
            sync(self.folder)
        self._path, self.opening, self.position = path, opening, position_after(opening)

    def append(self, frames: list[tuple[Frame, bytes]]) -> None:
        """Add these, on disk when it returns. StorageError where there is no room: then nothing of them is there."""
        if self._path is None or self.position is None:
            raise StorageError("There is no file that the replication stream could be appended to.")
        with _room(self._path) as file:
            for frame, content in frames:
                file.write(line(frame) + content)
            file.flush()
            os.fsync(file.fileno())
        for frame, _ in frames:
            self.position = position_behind(frame)

    def end(self) -> None:
        """Nothing more comes into the file: it is to go into storage. One without a frame is of no use."""
        if self._path is None or self.opening is None or self.position is None:
            return
        if self.position.offset == self.opening.start:
            self._path.unlink()
        else:
            self._path.replace(self._path.with_suffix(WHOLE))
        sync(self.folder)
        self._path = self.opening = self.position = None

    def go_on(self) -> None:
        """End the file, and begin the next one where it ends: that first, so that the place to go on from is never lost."""
        position, opening, ended = self.position, self.opening, self._path
        if position is None or opening is None or ended is None or position.offset == opening.start:
            return
        changes = {"gap": "", "since": position.until, "db": position.db, "start": position.offset}
        self.begin(opening.model_copy(update={**changes, "after": position.after, "history": position.history}))
        ended.replace(ended.with_suffix(WHOLE))
        sync(self.folder)


def _offset_of(path: Path) -> int:
    """Where it begins, as its name says."""
    return int(path.stem.rpartition("_")[2])


def position_after(opening: Opening) -> Position:
    """Where a file begins."""
    return Position(opening.history, opening.start, opening.db, opening.after, opening.since)


def position_behind(frame: Frame) -> Position:
    """Where the stream is behind that frame."""
    return Position(frame.history, frame.end, frame.db_after, frame.sha256, frame.until)


def _last_whole(file: BinaryIO) -> tuple[Frame, int] | None:
    """The last frame that is whole, and its place. One in the midst that is damaged is passed over: what follows it is good."""
    there: list[tuple[Frame, int]] = []
    with suppress(ArtifactError):
        there.extend(frames_of(file))
    for frame, place in reversed(there):
        file.seek(place)
        if hashlib.sha256(file.read(frame.stored)).hexdigest() == frame.sha256:
            return frame, place
    return None


@contextmanager
def _room(path: Path) -> Iterator[BinaryIO]:
    """The file, to be appended to; as it was where that fails."""
    size = path.stat().st_size
    try:
        with path.open("ab") as file:
            yield file
    except OSError as error:
        with path.open("r+b") as file:
            file.truncate(size)
        raise StorageError(
            f"The folder {path.parent} takes nothing more of the replication stream ({error.strerror}): free some space."
        ) from None


@contextmanager
def alone(folder: Path) -> Iterator[Growing]:
    """The folder for this visitor alone, made where it is not there. BusyError where another one has it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StorageError(
            f"The folder {folder} cannot be used ({error.strerror}): see BACKUP_STREAM_FOLDER."
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise BusyError("Another visit is at work on this source.") from None
    try:
        yield Growing(folder)
    finally:
        os.close(lock)
