"""The life of a scratch server: empty, on a socket that only we reach, bounded, and gone at the end whatever happens."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast
from urllib.parse import quote

from redis.exceptions import RedisError

from worker.errors import ScratchError
from worker.server.endpoint import SCRATCH, Endpoint
from worker.server.scratch import keeper
from worker.server.scratch.programs import Program, environment
from worker.server.wire import Wire
from worker.storage.tempfiles import locked_folder, sweep

START_SECONDS, POLL_SECONDS, END_SECONDS = 30, 0.02, 20
MOST_BYTES_OF_A_PATH = 100
"""Of a Unix socket; a system allows 104 or 108."""
FEWEST_DATABASES = 16
_LOG_BYTES = 64 << 10


@dataclass(frozen=True)
class Wanted:
    """What it is to be like."""

    program: Program
    max_memory: int
    """In bytes; 0 for no limit."""
    databases: int = FEWEST_DATABASES
    aof: Path | None = None
    """A folder with an AOF that it loads; nothing of that expires then. None where it begins empty."""


class Scratch:
    """One that runs."""

    def __init__(self, program: Program, socket: Path, process: subprocess.Popen[bytes]) -> None:
        self.program, self._process = program, process
        self._log = socket.with_name("log")
        self.endpoint = Endpoint(f"unix://{quote(str(socket))}", SCRATCH, hurried=True)
        self._said, self._ended = b"", False

    @property
    def has_ended(self) -> bool:
        """Whether the server ended before it was to."""
        answers = cast(IO[bytes], self._process.stdout)
        while not self._ended and select.select([answers], [], [], 0)[0]:
            chunk = os.read(answers.fileno(), 1024)
            self._said += chunk
            self._ended = not chunk or b'"ended"' in self._said
        return self._ended

    @property
    def log(self) -> str:
        """The end of what it has written into its log. It may quote what it was given: nothing to show as it is."""
        with suppress(OSError), self._log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_BYTES))
            return file.read().decode("utf-8", "replace")
        return ""

    def answers(self) -> bool:
        """Whether it is at our service, within a second."""
        with suppress(RedisError, OSError), Wire(self.endpoint.within(1)) as wire:
            wire.ask(b"PING")
            return True
        return False

    def wait(self) -> None:
        """Until it answers. ScratchError where it does not come up."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and not self.has_ended:
            if self.answers():
                return
            time.sleep(POLL_SECONDS)
        raise ScratchError(
            f"The scratch server ({self.program}) did not start: look whether `{self.program.path} --version` runs, and "
            "whether the folder for temporary files (TMPDIR) has room."
        )


def _until_it_answers(scratch: "Scratch") -> None:
    scratch.wait()


@contextmanager
def running(wanted: Wanted, ready: Callable[[Scratch], None] = _until_it_answers) -> Iterator[Scratch]:
    """A server that holds nothing, or what its AOF has, and writes nothing to disk, until the end of the block. `ready` waits
    for it to be at our service.

    ScratchError where it does not start, StorageError where the folder for temporary files takes nothing.
    """
    sweep()
    with locked_folder(MOST_BYTES_OF_A_PATH) as (folder, lock):
        socket = folder / "s"
        order = {"command": _command(wanted, folder, socket), "environment": environment(), "folder": str(folder)}
        process = _kept(order, lock)
        try:
            scratch = Scratch(wanted.program, socket, process)
            ready(scratch)
            yield scratch
        finally:
            _end(process)


def _kept(order: Mapping[str, object], lock: int) -> subprocess.Popen[bytes]:
    """The process that keeps it. The folder stays locked for as long as that lives."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", keeper.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        pass_fds=(lock,),
        start_new_session=True,
    )
    with suppress(OSError):
        orders = cast(IO[bytes], process.stdin)
        orders.write(json.dumps(order).encode() + b"\n")
        orders.flush()
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        cast(IO[bytes], process.stdin).close()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        # The kernel ends the server then.
        process.kill()
        process.wait()
    cast(IO[bytes], process.stdout).close()


def _command(wanted: Wanted, folder: Path, socket: Path) -> list[str]:
    """No network, nothing on disk: what it loads as a replica it loads from the wire."""
    return [
        wanted.program.path,
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
        *("--save", "", "--daemonize", "no", "--repl-diskless-load", "on-empty-db"),
        *("--maxmemory", str(wanted.max_memory), "--maxmemory-policy", "noeviction"),
        *("--databases", str(max(FEWEST_DATABASES, wanted.databases))),
        *(_empty(folder) if wanted.aof is None else _loading(wanted.program, wanted.aof)),
    ]


def _empty(folder: Path) -> list[str]:
    return ["--dir", str(folder), "--appendonly", "no"]


def _loading(program: Program, aof: Path) -> list[str]:
    """A replica leaves it to its primary what expires; and where that would be, nobody ever listens."""
    return [
        *("--dir", str(aof), "--appendonly", "yes", "--replicaof", "127.0.0.1", "0"),
        *("--aof-load-truncated", "no", "--auto-aof-rewrite-percentage", "0"),
        *("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"),
        *(("--enable-debug-command", "local") if program.guards_debug else ()),
    ]
