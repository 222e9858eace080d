"""Which redis-server runs here, on which port, with which data folder."""

import errno
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from worker.errors import UsageError

READY_WORDS = "Ready to accept connections"
# No message is lost over a restart, and none is evicted.
BROKER = ("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction")
# With a save point set, redis-server also saves when it is asked to end. And it need not wait 5 s for more replicas.
DEMO = ("--save", "60", "1", "--repl-diskless-sync-delay", "0")
_OLDEST = (6, 2)


def find() -> str:
    """The path of a redis-server: the system's, else the one in the venv. UsageError where there is none."""
    own = Path(sys.executable).parent
    folders = [folder for folder in os.get_exec_path() if Path(folder).resolve() != own.resolve()]
    for folder in [*folders, str(own)]:
        for name in ("redis-server", "valkey-server"):
            path = shutil.which(name, path=folder)
            if path and _version(path) >= _OLDEST:
                return path
    raise UsageError(
        "No redis-server (6.2 or newer) is on this machine: install one (Debian, Ubuntu: apt install redis-server; "
        "macOS: brew install redis). On Linux x86-64 with Python 3.11 or 3.12 one comes along with the packages."
    )


def _version(path: str) -> tuple[int, ...]:
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    match = re.search(r"v=(\d+)\.(\d+)\.(\d+)", said)
    return tuple(map(int, match.groups())) if match else ()


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
    """The server's command line; its data folder is made here."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), *flags]


def environment() -> dict[str, str]:
    """What a server needs to know: nothing of ours, least of all a password in somebody's URL."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
