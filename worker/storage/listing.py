"""What lies in a folder, looked at no more than must be: a hundred thousand backups are two hundred thousand files.

The rule. Every look lists the names, so what is new or gone is seen at once, on every file system. A file is looked at when it
is new; when it is a document (DOCUMENT), of which one may take the place of another, and the folder has changed since the last
look; and in its turn: LOOKED_AT files with each look. So what somebody else changes in place, such as an artifact that is cut,
is seen at once in a folder of no more files, and in a larger one when all have had their turn.
"""

import os
import re
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

from worker.storage.interface import StoredFile

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")
LOOKED_AT = 5000
"""Files that are looked at where nothing tells of a change: about 20 ms."""
DOCUMENT = ".json"
"""Behind the names of what says something of other files."""
_FOLDERS = 8
"""That are remembered."""
_SETTLED_NS = 2 * 10**9
"""As long as that after a change the next one might bear the same time."""

Stamp = tuple[int, int, int, int]


class Listing:
    """One folder, from one look to the next."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._place: tuple[int, int] | None = None
        self._stamp: Stamp | None = None
        self._names = 0
        """As the system listed them: by their hash, for they are long."""
        self._known: dict[str, StoredFile] = {}
        self._by_name: list[StoredFile] = []
        self._documents: set[str] = set()
        """Of these the names that end with DOCUMENT."""
        self._unsettled: set[str] = set()
        """Those that had just been changed when they were seen."""
        self._turn = 0

    def look(self) -> list[StoredFile]:
        """Every finished file, by name. Raises OSError."""
        with self._lock:
            try:
                folder = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:
                return []
            try:
                self._look(folder)
            finally:
                os.close(folder)
            return [*self._by_name]

    def _look(self, folder: int) -> None:
        status = os.fstat(folder)  # before the names: what changes in between is seen by the next look
        stamp, listed = _stamp(status), os.listdir(folder)
        names = hash(tuple(listed))
        if self._place != (status.st_dev, status.st_ino):
            self._drop({*self._known})
        wanted = self._in_turn() | self._unsettled
        if stamp is None or stamp != self._stamp or names != self._names:
            here = set(listed)
            self._drop(self._known.keys() - here)
            wanted |= self._documents | {name for name in here - self._known.keys() if NAME.fullmatch(name)}
        self._enter(folder, wanted)
        self._place, self._stamp, self._names = (status.st_dev, status.st_ino), stamp, names

    def _in_turn(self) -> set[str]:
        begin = self._turn if self._turn < len(self._by_name) else 0
        self._turn = begin + LOOKED_AT
        return {file.name for file in self._by_name[begin : self._turn]}

    def _drop(self, gone: set[str]) -> None:
        for name in gone:
            del self._known[name]
        if gone:
            self._documents -= gone
            self._unsettled -= gone
            self._by_name = [file for file in self._by_name if file.name not in gone]

    def _enter(self, folder: int, names: set[str]) -> None:
        """Look at these."""
        seen = {file.name: file for file in self._seen(folder, names)}
        self._drop((names - seen.keys()) & self._known.keys())
        fresh = [file for name, file in seen.items() if name not in self._known]
        changed = {name for name, file in seen.items() if self._known.get(name) is not file}
        self._known |= seen
        self._documents.update(file.name for file in fresh if file.name.endswith(DOCUMENT))
        self._unsettled -= changed
        self._unsettled.update(name for name in changed if seen[name].version is None)
        if changed:
            self._by_name = [self._known[file.name] for file in self._by_name] + fresh
            self._by_name.sort()

    def _seen(self, folder: int, names: Iterable[str]) -> Iterable[StoredFile]:
        """The files of these names; one that is as it was is the same object."""
        now = time.time_ns()
        for name in names:
            try:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                continue  # deleted between the listing and the look at its size
            if stat.S_ISREG(status.st_mode):
                version, file = _version(status, now), self._known.get(name)
                if file is None or (file.size, file.version) != (status.st_size, version):
                    file = StoredFile(name, status.st_size, version)
                yield file


def _version(status: os.stat_result, now: int) -> int | None:
    """By when the file system last changed anything about it, for nobody can set that back; another file has another inode."""
    settled = now - status.st_ctime_ns > _SETTLED_NS
    return (status.st_ctime_ns << 64 | status.st_ino) << 64 | status.st_dev if settled else None


def _stamp(status: os.stat_result) -> Stamp | None:
    settled = time.time_ns() - max(status.st_ctime_ns, status.st_mtime_ns) > _SETTLED_NS
    return (status.st_dev, status.st_ino, status.st_ctime_ns, status.st_mtime_ns) if settled else None


_LISTINGS: OrderedDict[Path, Listing] = OrderedDict()
_LOCK = threading.Lock()


def listed(path: Path) -> list[StoredFile]:
    """Every finished file of a folder, by name. Raises OSError."""
    with _LOCK:
        listing = _LISTINGS.setdefault(path, Listing(path))
        _LISTINGS.move_to_end(path)
        while len(_LISTINGS) > _FOLDERS:
            _LISTINGS.popitem(last=False)
    return listing.look()
