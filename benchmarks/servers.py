"""redis-server processes of our own on free ports, and which programs this machine has."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from benchmarks.results import Round
from benchmarks.timing import FailedError, end_group, used_by
from local import servers as local
from worker.server.scratch import programs

POLL_SECONDS = 0.005
UP_SECONDS = 300
QUIET = ("--save", "", "--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0")
_DEBUG_SINCE = 7
"""From this release on DEBUG must be allowed; before, it always is."""


def tool(name: str) -> str | None:
    """The path of a program; the system's before what a wheel brought into our own environment."""
    own = Path(sys.executable).parent
    folders = [folder for folder in os.get_exec_path() if Path(folder).resolve() != own.resolve()]
    return shutil.which(name, path=os.pathsep.join([*folders, str(own)]))


def version(program: str) -> str:
    """What a program says of its version, in its own words."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    return said.strip().splitlines()[0] if said.strip() else "unknown"


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    """One redis-server; `rdb` is the file that it begins with."""

    def __init__(self, folder: Path, rdb: Path | None = None) -> None:
        binary = local.find()
        folder.mkdir(parents=True)
        self.folder, self.port = folder, free_port()
        command = local.command(binary, self.port, folder, QUIET)
        if rdb is not None:
            command += ["--dbfilename", "given.rdb"]
            os.link(rdb, folder / "given.rdb")
        if int(version(binary).partition("v=")[2].partition(".")[0] or 0) >= _DEBUG_SINCE:
            command += ["--enable-debug-command", "local"]
        began = time.perf_counter()
        with (folder / "server.log").open("wb") as log:
            self.process = subprocess.Popen(
                command, env=programs.environment(), stdout=log, stderr=log, start_new_session=True
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        self.starting = used_by(self.process.pid).model_copy(update={"seconds": time.perf_counter() - began})
        """What it took until it had loaded its file."""

    def _wait(self) -> None:
        deadline = time.monotonic() + UP_SECONDS
        with self.client() as client:
            while time.monotonic() < deadline:
                if self.process.poll() is not None:
                    raise FailedError(f"redis-server ended: {(self.folder / 'server.log').read_text()[-300:]}")
                try:
                    # Whoever took our port in the meantime answers as well.
                    if client.ping() and self._is_ours(client):
                        return
                except (redis.BusyLoadingError, redis.ConnectionError):
                    time.sleep(POLL_SECONDS)
        raise FailedError("redis-server does not answer.")

    def _is_ours(self, client: "redis.Redis") -> bool:
        told: Any = client.info("server")
        return bool(told["process_id"] == self.process.pid)

    @property
    def url(self) -> str:
        """Its address as a setting."""
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> "redis.Redis":
        """A client with plain replies."""
        return redis.Redis(port=self.port, protocol=2, socket_timeout=UP_SECONDS)

    def ask(self, *words: str | bytes | int) -> Any:
        """The reply to a command."""
        with self.client() as client:
            return client.execute_command(*words)

    @property
    def keys(self) -> int:
        """How many there are."""
        return int(self.ask("DBSIZE"))

    def digest(self) -> bytes:
        """DEBUG DIGEST: equal on two servers exactly when their data is."""
        return bytes(self.ask("DEBUG", "DIGEST"))

    def stop(self) -> None:
        """End it, its snapshots too, and take its files away."""
        end_group(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def running(folder: Path, rdb: Path | None = None) -> Iterator[Server]:
    """A server for a while."""
    server = Server(folder, rdb)
    try:
        yield server
    finally:
        server.stop()


def loading(folder: Path, rdb: Path) -> Round:
    """What a server takes to load a file at its start."""
    with running(folder, rdb) as server:
        return server.starting
