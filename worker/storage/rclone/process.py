"""One rclone beside this process: found, started, and gone with us, however we end."""

import shutil
import subprocess
import sysconfig
import tempfile
import time
from os import environ
from pathlib import Path

from worker.errors import StorageUnavailableError, UsageError
from worker.storage.tempfiles import on_disk

_START_SECONDS, _STOP_SECONDS = 30, 5
_LONGEST_SOCKET = 100
"""The path of a socket, as the system takes it, in bytes."""

# The pipe at our end closes with us, even where we are killed: then all in the group are killed, and the folder goes. Where
# rclone ends first, the same happens. setpriv has the kernel kill rclone where only this shell is killed.
_KEEPER = """
exec 3<&0
"$@" </dev/null 3<&- &
rclone=$!
(read -r _ <&3; rm -rf "$0"; kill -9 -$$) &
wait $rclone
rm -rf "$0"
kill -9 -$$
"""
_PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LANG", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")
_LIMITS = {
    "RCLONE_CONTIMEOUT": "10s",
    "RCLONE_TIMEOUT": "45s",
    "RCLONE_LOG_LEVEL": "ERROR",
    "RCLONE_ASK_PASSWORD": "false",
    "RCLONE_RC_SERVER_READ_TIMEOUT": "24h",
    "RCLONE_RC_SERVER_WRITE_TIMEOUT": "24h",
}


def program() -> str:
    """The path of rclone: that of its wheel, else the one on PATH. UsageError where there is none."""
    path = shutil.which("rclone", path=sysconfig.get_path("scripts")) or shutil.which("rclone")
    if path is None:
        raise UsageError(
            "Storages of sftp://, webdav://, gdrive:// and rclone:// need rclone, and there is none: "
            "pip install -r requirements-rclone.txt"
        )
    return path


class Process:
    """An rclone that listens on a socket which only this user can reach, with nothing of ours in its arguments."""

    def __init__(self, config: str, more: dict[str, str]) -> None:
        """`config`: the rclone.conf that it reads and keeps tokens in; empty: it knows what it is told, in memory."""
        with on_disk():
            folder = Path(tempfile.mkdtemp(prefix="rclone-"))
            if len(str(folder)) + len("/socket") > _LONGEST_SOCKET:
                folder.rmdir()
                folder = Path(tempfile.mkdtemp(prefix="rclone-", dir="/tmp"))
        self.socket = str(folder / "socket")
        command = [program(), "rcd", "--rc-serve", "--rc-no-auth", "--rc-addr", f"unix://{self.socket}"]
        if setpriv := shutil.which("setpriv"):
            command = [setpriv, "--pdeathsig", "KILL", *command]
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, str(folder), *command, f"--config={config}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_environment(config) | more,
            start_new_session=True,
        )

    @property
    def runs(self) -> bool:
        """Whether it does."""
        return self._process.poll() is None

    def wait(self) -> None:
        """Until it listens. StorageUnavailableError where it does not."""
        until = time.monotonic() + _START_SECONDS
        while not Path(self.socket).exists():
            if not self.runs or time.monotonic() > until:
                self.stop()
                raise StorageUnavailableError(
                    f"{program()} does not start, or is too old: pip install -r requirements-rclone.txt brings one that does."
                )
            time.sleep(0.005)

    def stop(self) -> None:
        """End it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _environment(config: str) -> dict[str, str]:
    """What rclone may know of ours: no secret is among it, and of rclone's own only where its rclone.conf is used."""
    proxies = [*_PROXIES, *map(str.lower, _PROXIES)]
    known = {name: environ[name] for name in (*_PASSED_ON, *proxies) if name in environ}
    if config:
        own = {
            name: value
            for name, value in environ.items()
            if name.startswith("RCLONE_") and not name.startswith("RCLONE_RC")
        }
        return known | own | _LIMITS
    return known | _LIMITS
