"""A base and commands as the folder that a stock server loads with `--appendonly yes`.

Since Redis 7.0, and in every Valkey, `appendonlydir/` holds the base, the commands and a manifest that names both; before, one
file `appendonly.aof` is the base and then the commands, which later servers take over as well.
Source of the format: aof.c of Redis.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from worker.errors import StorageError, UsageError
from worker.progress import Progress, reported, silent
from worker.repository.manifest import Manifest
from worker.server.wire import pack
from worker.storage.owned import sync

NAME = "appendonly.aof"
FOLDER = "appendonlydir"
BASE, COMMANDS, MANIFEST = f"{NAME}.1.base.rdb", f"{NAME}.1.incr.aof", f"{NAME}.manifest"
_SAID = f"file {BASE} seq 1 type b\nfile {COMMANDS} seq 1 type i\n"
_FIRST_WITH_SEVERAL_FILES = (7, 0)
_SELECT = re.compile(rb"\*2\r\n\$6\r\nSELECT\r\n\$\d+\r\n(\d{1,9})\r\n", re.IGNORECASE)


@dataclass(frozen=True)
class Content:
    """What is written; both are read once."""

    base: Iterator[bytes]
    """A plain RDB file."""
    database: int
    """The one that is selected when the commands begin."""
    commands: Iterator[bytes]
    """Whole commands in each chunk, as the source sent them."""
    in_one_file: bool = False
    """As servers before Redis 7.0 want it."""


@dataclass(frozen=True)
class Written:
    """A folder, in bytes; and the highest database that a SELECT in it may name."""

    bytes: int
    database: int


def in_one_file(base: Manifest) -> bool:
    """Whether the server that this is a backup of keeps its AOF in one file."""
    release = tuple(int(part) for part in re.findall(r"\d+", base.source.version or "")[:2])
    return base.source.server == "redis" and release < _FIRST_WITH_SEVERAL_FILES


def write(folder: Path, content: Content, progress: Progress = silent) -> Written:
    """Write the folder, which is not there yet; it is seen once all of it is on disk.

    UsageError where there is something of that name, StorageError where it cannot be written.
    """
    if folder.exists():
        raise UsageError(f"{folder} exists already: name another folder, or move it away.")
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        beside.mkdir(mode=0o700, parents=True)
        written = _filled(beside, content, progress)
        beside.rename(folder)
        sync(folder.parent)
    except OSError as error:
        raise _unwritable(folder, error) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return written


def _filled(folder: Path, content: Content, progress: Progress) -> Written:
    commands = _Commands(content.database)
    base, sent = reported(content.base, progress, "reading", None), commands.watch(content.commands)
    streamed = reported(sent, progress, "reading", None)
    if content.in_one_file:
        with _synced(folder / NAME) as file:
            size = _put(file, base) + _put(file, commands.opening()) + _put(file, streamed)
    else:
        within = folder / FOLDER
        within.mkdir(mode=0o700)
        with _synced(within / BASE) as file:
            size = _put(file, base)
        with _synced(within / COMMANDS) as file:
            size += _put(file, commands.opening()) + _put(file, streamed)
        with _synced(within / MANIFEST) as file:
            file.write(_SAID.encode())
        sync(within)
    sync(folder)
    return Written(size, commands.highest)


class _Commands:
    """The commands on their way: which databases they select."""

    def __init__(self, database: int) -> None:
        self._database, self.highest = database, database

    def opening(self) -> Iterator[bytes]:
        """What has to be said before the first of them."""
        yield pack(b"SELECT", b"%d" % self._database)

    def watch(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The same chunks. A value may look like a SELECT: then `highest` is too high, which does no harm."""
        for chunk in chunks:
            yield chunk
            self.highest = max([self.highest, *map(int, _SELECT.findall(chunk))])


@contextmanager
def _synced(path: Path) -> Iterator[BinaryIO]:
    """A new file that only this user reads, on disk at the end of the block."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _put(file: BinaryIO, chunks: Iterator[bytes]) -> int:
    return sum(file.write(chunk) for chunk in chunks)


def _unwritable(folder: Path, error: OSError) -> StorageError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    why = "is full: free some space there" if full else "cannot be written: check its rights"
    return StorageError(f"The folder {folder.parent} {why} ({error.strerror}).")
