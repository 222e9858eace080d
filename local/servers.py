"""Which server runs here, on which port, with which data folder."""

import errno
import re
import socket
from collections.abc import Sequence
from pathlib import Path

from worker.errors import UsageError
from worker.formats.rdb.codes import FIRST_VALKEY_VERSION
from worker.server.scratch.programs import known

READY_WORDS = "Ready to accept connections"
# No message is lost over a restart, and none is evicted.
BROKER = ("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction")
# With a save point set, redis-server also saves when it is asked to end. And it need not wait 5 s for more replicas.
DEMO = ("--save", "60", "1", "--repl-diskless-sync-delay", "0")
_HEADER_BYTES = 9
_HEADER = re.compile(rb"REDIS(\d{4})|VALKEY(\d{3})")


def find(folder: Path | None = None) -> str:
    """The path of a server: the system's, else the one that comes as a wheel.

    With `folder` the first that loads the data there, which another may have written. UsageError where there is none.
    """
    programs = [*known()]
    if not programs:
        raise UsageError(
            "No redis-server or valkey-server (6.2 or newer) is on this machine, and none came along with the packages: "
            "install one (Debian, Ubuntu: apt install redis-server; macOS: brew install redis)."
        )
    versions = _versions(folder) if folder else []
    able = [program for program in programs if all(map(program.loads, versions))]
    if not able:
        raise UsageError(
            f"What lies in {folder} was written by another server than there is on this machine, which does not load it: "
            "install that one, or move the folder away."
        )
    return able[0].path


def _versions(folder: Path) -> list[int]:
    """Of which RDB versions the files of data are that a server has left there."""
    found = []
    for path in (*folder.glob("dump.rdb"), *folder.glob("appendonlydir/*.base.rdb")):
        with path.open("rb") as file:
            found.append(file.read(_HEADER_BYTES))
    # What is no RDB file, as one that was only begun, is for the server to judge.
    # What Redis wrote is Redis's, however high its number: Valkey's begin at 80.
    return [
        min(int(match[1]), FIRST_VALKEY_VERSION - 1) if match[1] else int(match[2])
        for header in found
        if (match := _HEADER.fullmatch(header))
    ]


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
