"""Places that backups are brought to: a server of S3 and one of SFTP, of this machine, each of a folder."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Protocol

from benchmarks.loaded import Loaded
from benchmarks.servers import free_port, tool
from benchmarks.timing import FailedError, end_group

KEY, SECRET, BUCKET = "a-key", "a-secret-of-benchmarks", "bucket"
UP_SECONDS = 20
_SSHD = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/client.pub
UsePAM no
StrictModes no
PasswordAuthentication no
PermitRootLogin yes
Subsystem sftp internal-sftp
"""


class Site(Protocol):
    """One of them."""

    @property
    def folder(self) -> Path:
        """What belongs to it; the cache of ours as well."""
        ...

    @property
    def settings(self) -> dict[str, str]:
        """The product's."""
        ...

    def new(self) -> tuple[str, str]:
        """An address that nothing was written to, and what the names of its objects begin with."""
        ...

    def address(self, prefix: str) -> str:
        """The address of what begins with that."""
        ...

    def of_rclone(self, name: str) -> str:
        """That object, as rclone calls it."""
        ...

    def object(self, name: str) -> Path:
        """Its file."""
        ...


@dataclass(frozen=True)
class S3:
    """`rclone serve s3` of a folder: an object is a file there. It remembers what it saw in a folder."""

    folder: Path
    port: int
    prefixes: Iterator[str] = field(default_factory=lambda: map(str, count(1)))

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def keys(self) -> dict[str, str]:
        """The usual names of what opens it."""
        return {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}

    @property
    def settings(self) -> dict[str, str]:
        """The product's."""
        return self.keys | {"AWS_ENDPOINT_URL": self.endpoint, "BACKUP_CACHE": str(self.folder / "cache")}

    def new(self) -> tuple[str, str]:
        """An address that nothing was written to, and what the names of its objects begin with."""
        prefix = next(self.prefixes)
        return self.address(prefix), prefix

    def address(self, prefix: str) -> str:
        """The address of what begins with that."""
        return f"s3://{BUCKET}/{prefix}"

    def of_rclone(self, name: str) -> str:
        """That object, as rclone calls it."""
        remote = f"s3,provider=Rclone,endpoint='{self.endpoint}',access_key_id={KEY},secret_access_key={SECRET}"
        return f'":{remote}:{BUCKET}/{name}"'

    def object(self, name: str) -> Path:
        """Its file."""
        return self.folder / "served" / BUCKET / name


@dataclass(frozen=True)
class Sftp:
    """`sshd` of this user, with a key of its own and one that it lets in."""

    folder: Path
    port: int
    prefixes: Iterator[str] = field(default_factory=lambda: map(str, count(1)))

    @property
    def settings(self) -> dict[str, str]:
        """The product's."""
        files = {"SFTP_KEY_FILE": self.folder / "client", "SFTP_KNOWN_HOSTS_FILE": self.folder / "known_hosts"}
        return {name: str(path) for name, path in files.items()} | {"BACKUP_CACHE": str(self.folder / "cache")}

    def new(self) -> tuple[str, str]:
        """An address that nothing was written to, whose folder is there, and what the names of its objects begin with."""
        prefix = next(self.prefixes)
        self.object(prefix).mkdir()
        return self.address(prefix), prefix

    def address(self, prefix: str) -> str:
        """The address of what begins with that."""
        return f"sftp://{getpass.getuser()}@127.0.0.1:{self.port}{self.object(prefix)}"

    def of_rclone(self, name: str) -> str:
        """That object, as rclone calls it."""
        login = f"host=127.0.0.1,port={self.port},user={getpass.getuser()},key_file={self.folder / 'client'}"
        return f'":sftp,{login},known_hosts_file={self.folder / "known_hosts"}:{self.object(name)}"'

    def object(self, name: str) -> Path:
        """Its file."""
        return self.folder / "served" / name


@contextmanager
def served_s3(loaded: Loaded) -> Iterator[S3]:
    """A server of S3, for a while."""
    s3 = S3(loaded.place.new_folder("s3"), free_port())
    s3.object("").mkdir(parents=True)
    command = [str(tool("rclone")), "serve", "s3", "--addr", f"127.0.0.1:{s3.port}", "--auth-key", f"{KEY},{SECRET}"]
    with _running([*command, str(s3.folder / "served")], s3.folder, s3.port):
        yield s3


@contextmanager
def served_sftp(loaded: Loaded) -> Iterator[Sftp]:
    """A server of SFTP, for a while."""
    sftp = Sftp(loaded.place.new_folder("sftp"), free_port())
    sftp.object("").mkdir()
    for name in ("host", "client"):
        made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(sftp.folder / name)]
        subprocess.run(made, check=True)
    kind, key, *_ = (sftp.folder / "host.pub").read_text().split()
    (sftp.folder / "known_hosts").write_text(f"[127.0.0.1]:{sftp.port} {kind} {key}\n")
    config = sftp.folder / "config"
    config.write_text(_SSHD.format(port=sftp.port, folder=sftp.folder))
    if os.getuid() == 0:
        # What it gives up its rights in.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with _running([str(sshd()), "-D", "-f", str(config)], sftp.folder, sftp.port):
        yield sftp


def sshd() -> str | None:
    """The path of the program, which is not on everybody's PATH."""
    return shutil.which("sshd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")


@contextmanager
def _running(command: Sequence[str], folder: Path, port: int) -> Iterator[None]:
    env = dict(os.environ) | {"RCLONE_CONFIG": os.devnull}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait(port, command[0])
        yield
    finally:
        end_group(process)


def _wait(port: int, program: str) -> None:
    deadline = time.monotonic() + UP_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise FailedError(f"{Path(program).name} does not answer.")
