"""A real server of SFTP, Debian's sshd as this user on a port of its own, and folders of it."""

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.backups import eventually
from tests.support.servers import free_port
from worker.config.settings import load
from worker.storage import open_storage
from worker.storage.rclone.daemon import Daemon
from worker.storage.remote import Remote

_CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
UsePAM no
StrictModes no
PasswordAuthentication no
PermitRootLogin yes
MaxStartups 100
Subsystem sftp internal-sftp
"""


def program() -> str:
    """Who is not root may not have it on PATH."""
    found = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("sshd is not here (Debian: apt install openssh-server)")
    return found


@dataclass
class Sshd:
    """A server, with a key of its own and one that it lets in."""

    folder: Path
    port: int = 0
    known: Path | None = None
    """The file of known hosts that its key is added to, where it is not one of its own."""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        for name in ("host", "client"):
            self.make_key(name)
        shutil.copy(self.folder / "client.pub", self.folder / "authorized_keys")
        self.port = free_port()
        (self.folder / "config").write_text(_CONFIG.format(port=self.port, folder=self.folder))
        with self.known_hosts.open("a") as hosts:
            hosts.write(self.line_of("host"))

    @property
    def known_hosts(self) -> Path:
        return self.known or self.folder / "known_hosts"

    def make_key(self, name: str, passphrase: str = "") -> Path:
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(self.folder / name)]
        subprocess.run(command, check=True)
        return self.folder / name

    def line_of(self, name: str) -> str:
        """Of known hosts, with that key."""
        kind, key, *_ = (self.folder / f"{name}.pub").read_text().split()
        return f"[127.0.0.1]:{self.port} {kind} {key}\n"

    def start(self) -> None:
        if os.getuid() == 0:
            # What it gives up its rights in.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        command = [program(), "-D", "-f", str(self.folder / "config"), "-E", str(self.folder / "log")]
        self.processes.append(subprocess.Popen(command, start_new_session=True))
        assert eventually(self._listens), (self.folder / "log").read_text()

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
            process.wait(10)
        self.processes.clear()

    def address(self, folder: Path) -> str:
        return f"sftp://{getpass.getuser()}@127.0.0.1:{self.port}{folder}"

    @property
    def settings(self) -> dict[str, str]:
        """What a process must know to be let in."""
        return {"SFTP_KEY_FILE": str(self.folder / "client"), "SFTP_KNOWN_HOSTS_FILE": str(self.known_hosts)}


@pytest.fixture(scope="session")
def sftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    server = Sshd(tmp_path_factory.mktemp("sshd") / "it")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def sftp(sftp_server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    """The same, with the environment of a product that uses it, and a folder of this test's for files on their way."""
    for name, value in (sftp_server.settings | {"BACKUP_CACHE": str(tmp_path / "cache")}).items():
        monkeypatch.setenv(name, value)
    load.cache_clear()
    yield sftp_server
    load.cache_clear()


@pytest.fixture
def own_rclone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An rclone of this test's, which may be killed and told otherwise."""
    running: dict[Any, Daemon] = {}
    monkeypatch.setattr("worker.storage.rclone.daemon._running", running)
    yield
    for daemon in running.values():
        daemon.process.stop()


@pytest.fixture
def in_sftp(sftp: Sshd, tmp_path: Path) -> Remote:
    """A folder of this test's."""
    (tmp_path / "there").mkdir()
    storage = open_storage(sftp.address(tmp_path / "there"))
    assert isinstance(storage, Remote)
    return storage
