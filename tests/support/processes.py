"""The product's own programs as real processes: what they print, how they end, and what they leave behind."""

import contextlib
import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from celery import Celery

from tests.support import forks
from tests.support.backups import Given
from tests.support.forks import Fork, forkable
from tests.support.servers import Server
from worker.config.settings import WebSettings, load
from worker.formats.entries import Entry
from worker.formats.rdb import writer

ROOT = forks.ROOT
BIN = Path(sys.executable).parent
PYTHON = (sys.executable, "-m", "worker")
CELERY = (forks.CELERY, "-A", "worker")
CANARY = "canary-5e1f7"
"""The password in every URL: wherever it turns up, a secret got out."""

WAIT_SECONDS = 60


def environment(**settings: str) -> dict[str, str]:
    """This machine's environment with these settings of ours and no others, and what signs as this process does; the code is
    found from any folder."""
    ours = {name.upper() for name in WebSettings.model_fields} - {"BACKUP_STATE"}
    kept = {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in ours}
    return kept | {"PYTHONPATH": str(ROOT), "PATH": f"{BIN}:{kept.get('PATH', os.defpath)}"} | settings


def with_password(server: Server, password: str = CANARY, user: str = "", scheme: str = "redis") -> str:
    return f"{scheme}://{user}:{password}@127.0.0.1:{server.port}/0"


def command(server: Server, *words: str | int) -> Any:
    """The reply to any command, as it is."""
    client: Any = server.client()
    client.response_callbacks.clear()
    return client.execute_command(*words)


def let_in(server: Server, acl: str, user: str = "lean") -> str:
    """Make a user with these rights and no others: the URL to come in by."""
    command(server, "ACL", "SETUSER", user, "reset", "on", f">{CANARY}", *acl.split())
    return with_password(server, user=user)


@dataclass(frozen=True)
class Ended:
    """A process that came to its end."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Standard output, which must be one JSON document and nothing else."""
        return json.loads(self.out)


def run(
    *command: str,
    env: dict[str, str],
    cwd: Path,
    answer: str = "",
    preexec: Callable[[], None] | None = None,
    forked: bool = True,
) -> Ended:
    """Run a command to its end; `answer` is all that it reads from standard input. Programs of ours are forks, where they can
    be, unless it is the start itself that is looked at.
    """
    if forked and preexec is None and forkable(command, env):
        return _run_forked(command, env, cwd, answer)
    done = subprocess.run(
        command, env=env, cwd=cwd, input=answer, capture_output=True, text=True, check=False, preexec_fn=preexec
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def _run_forked(command: tuple[str, ...], env: dict[str, str], cwd: Path, answer: str) -> Ended:
    with tempfile.TemporaryDirectory() as folder:
        given, out, err = (Path(folder) / name for name in ("in", "out", "err"))
        for stream, text in ((given, answer), (out, ""), (err, "")):
            stream.write_text(text)
        process = Fork(command, env, cwd, (given, out, err), session=False)
        try:
            code = process.wait()
        except BaseException:
            process.kill()
            raise
        return Ended(code, out.read_text(), err.read_text())


@dataclass
class Shell:
    """`python -m worker` with a source and a storage, and by default with no broker at all."""

    source: str
    storage: Path
    folder: Path
    nowhere: str = f"redis://:{CANARY}@127.0.0.1:1/0"
    forked: bool = True

    def __call__(
        self, *arguments: str, answer: str = "", preexec: Callable[[], None] | None = None, **settings: str
    ) -> Ended:
        env = environment(REDIS_URL=self.source, BACKUP_STORAGE=str(self.storage), CELERY_BROKER_URL=self.nowhere)
        given, command = env | settings, (*PYTHON, *arguments)
        return run(*command, env=given, cwd=self.folder, answer=answer, preexec=preexec, forked=self.forked)


def listing(folder: Path) -> dict[str, str]:
    """Every file in a folder, hidden ones too, with the sha256 of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def damaged_dump(key: bytes = b"damaged") -> bytes:
    """An RDB file with a good key and one that walks well and that no server takes: its listpack is no listpack."""
    nonsense = b"this is no listpack"
    entries = [
        Entry(0, b"unharmed", None, "string", b"\x00\x01x"),
        Entry(0, key, None, "hash", b"\x10" + bytes([len(nonsense)]) + nonsense),
    ]
    return b"".join(writer.write(Given(entries, rdb_version=9), {}))


def eventually(found: Callable[[], Any], what: str | Callable[[], str], seconds: float = WAIT_SECONDS) -> Any:
    """The first true answer of `found`, asked again and again; `what` may be found out when it was in vain."""
    deadline = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < deadline, f"waited in vain for {what if isinstance(what, str) else what()}"
        time.sleep(0.02)
    return answer


class Background:
    """A long-running process of ours and its children, forked as by `run`; what it says goes to files."""

    def __init__(
        self, *command: str, env: dict[str, str], cwd: Path, name: str = "process", forked: bool = True
    ) -> None:
        self._out, self._err = cwd / f"{name}.out", cwd / f"{name}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process: Fork | subprocess.Popen[bytes]
            if forked and forkable(command, env):
                self.process = Fork(command, env, cwd, (Path(os.devnull), self._out, self._err), session=True)
                return
            self.process = subprocess.Popen(
                command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )

    @property
    def said(self) -> str:
        """All of it, standard error first."""
        return self._err.read_text() + self._out.read_text()

    def _lines(self) -> list[str]:
        """Standard error from its first structured line on: before it Celery may warn whoever runs it as root."""
        _, brace, lines = ("\n" + self._err.read_text()).partition("\n{")
        return [line for line in (brace + lines).splitlines(keepends=True) if line.strip() and line.endswith("\n")]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The structured log lines."""
        return [json.loads(line) for line in self._lines() if line.startswith("{")]

    @property
    def plain(self) -> list[str]:
        """What stands between them and should not."""
        return [line for line in self._lines() if not line.startswith("{")]

    def event(self, event: str, /, **having: Any) -> dict[str, Any]:
        """The first event of that name with those values, waited for."""

        def found() -> Any:
            return [one for one in self.events if one.get("event") == event and having.items() <= one.items()]

        first: dict[str, Any] = eventually(found, f"{event} {having} in the log:\n{self.said}")[0]
        return first

    def wait_until_it_says(self, words: str) -> None:
        def said() -> bool:
            assert self.process.poll() is None, f"it has ended:\n{self.said}"
            return words in self.said

        eventually(said, f"{words!r} in:\n{self.said}")

    def pids(self) -> list[int]:
        """The process and its children."""
        return [pid for pid in _pids() if _session(pid) == self.process.pid]

    def command_lines(self) -> str:
        """What `ps` shows of them, their environment not included; a fork shows what it was forked from."""
        assert not isinstance(self.process, Fork), "nothing of its own is shown"
        lines = []
        for pid in self.pids():
            with contextlib.suppress(OSError):
                lines.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode())
        return "\n".join(lines)

    def stop(self) -> None:
        """Kill all of it."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def holder(pids: list[int], pattern: str) -> int | None:
    """Which of these processes has a file open whose name fits the pattern."""
    for pid in pids:
        with contextlib.suppress(OSError):
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if Path(os.readlink(descriptor)).match(pattern):
                        return pid
    return None


@dataclass(frozen=True)
class Sent:
    """A task that was sent; its result is read where the worker writes it, so that no backend need be there to ask."""

    id: str
    backend: Server

    @property
    def meta(self) -> dict[str, Any]:
        """State, result, and what else Celery stores; PENDING where it has stored nothing."""
        try:
            stored = self.backend.client().get(f"celery-task-meta-{self.id}")
        except redis.ConnectionError:
            stored = None
        meta: dict[str, Any] = (
            json.loads(stored) if isinstance(stored, bytes) else {"status": "PENDING", "result": None}
        )
        return meta

    @property
    def state(self) -> str:
        """As Celery calls it."""
        return str(self.meta["status"])

    @property
    def error(self) -> str:
        """`Kind: sentence` of a task that failed, or that is tried again."""
        told = self.meta["result"]
        return f"{told['exc_type']}: {' '.join(told['exc_message'])}"

    def wait_for(self, *states: str) -> str:
        """The first of these states to come; another end is an error."""

        def come() -> str:
            meta = self.meta
            assert meta["status"] in states or meta["status"] not in ("SUCCESS", "FAILURE"), meta
            return meta["status"] if meta["status"] in states else ""

        return str(eventually(come, f"{states} of task {self.id}"))

    def result(self) -> Any:
        """What the task returned, waited for."""
        self.wait_for("SUCCESS")
        return self.meta["result"]


def sender(env: dict[str, str]) -> Celery:
    """Somebody who sends tasks, by the product's own celeryconfig.py read in that environment, and hears no results."""
    before = dict(os.environ)
    load.cache_clear()
    try:
        os.environ.update(env)
        spec = importlib.util.spec_from_file_location("celeryconfig_of_a_test", ROOT / "celeryconfig.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        os.environ.clear()
        os.environ.update(before)
        load.cache_clear()
    app = Celery("sender", set_as_current=False)
    app.config_from_object(module)
    app.conf.result_backend = "disabled://"
    return app
