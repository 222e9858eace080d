"""Our own programs as forks of a process that has imported their code: as real as others, but for the seconds of importing.

That process has no thread and nothing of a test's in it. There is one for each set of the settings that are read by
importing, and it ends with the tests.
"""

import atexit
import contextlib
import gc
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CELERY = str(Path(sys.executable).parent / "celery")
READ_BY_IMPORTING = "REDIS_BACKUP_"
IMPORTED = (
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.backends.redis",
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "kombu.transport.redis",
    "worker.tasks",
)

Streams = tuple[Path, Path, Path]
"""Standard input, which is there, and where output and errors go."""


def forkable(words: Sequence[str], env: Mapping[str, str]) -> bool:
    """Whether it is a program of this code, with nothing that only an interpreter that starts takes notice of."""
    ours = words[0] == CELERY or (words[0] == sys.executable and words[1] in ("-m", "-c"))
    return ours and env.get("PYTHONPATH") == str(ROOT) and "LD_PRELOAD" not in env


class Fork:
    """A process; of `subprocess.Popen` it has what tests use."""

    def __init__(
        self, words: Sequence[str], env: Mapping[str, str], cwd: Path, streams: Streams, *, session: bool
    ) -> None:
        told = {"words": words, "env": dict(env), "cwd": str(cwd), "streams": [*map(str, streams)], "session": session}
        self.returncode: int | None = None
        self._words = words
        self._server = _server(tuple(sorted(item for item in env.items() if item[0].startswith(READ_BY_IMPORTING))))
        self.pid = self._server.ask(told)
        self._ends = os.pidfd_open(self.pid)

    def poll(self) -> int | None:
        """How it ended; None as long as it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """How it ended, waited for; subprocess.TimeoutExpired after so many seconds."""
        if self.returncode is None:
            ended = select.poll()
            ended.register(self._ends, select.POLLIN)
            if not ended.poll(None if timeout is None else timeout * 1000):
                raise subprocess.TimeoutExpired(self._words, timeout or 0)
            os.close(self._ends)
            self.returncode = self._server.ask({"ended": self.pid})
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class _Server:
    """The process to fork from, asked one thing at a time."""

    def __init__(self, settings: tuple[tuple[str, str], ...]) -> None:
        self._asked = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            env=dict(os.environ) | dict(settings),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        atexit.register(self._end)

    def ask(self, question: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._asked:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def _end(self) -> None:
        self._process.communicate()


_server = cache(_Server)


def _serve() -> Callable[[], None]:
    """Fork for each question, until there are no more. Only a child comes back: with what it is to run."""
    with os.fdopen(os.dup(0), "rb") as questions, os.fdopen(os.dup(1), "wb") as answers:
        for question in map(json.loads, questions):
            if "ended" in question:
                answer = os.waitstatus_to_exitcode(os.waitpid(question["ended"], 0)[1])
            elif not (answer := _forked(question)):
                return partial(_run, question["words"])
            answers.write(b"%d\n" % answer)
            answers.flush()
    sys.exit()


def _forked(question: dict[str, Any]) -> int:
    """The pid of a child that is all that was asked for; 0 in the child."""
    ready, is_ready = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(ready)
        _become(**question)
        os.close(is_ready)
        return 0
    os.close(is_ready)
    os.read(ready, 1)
    os.close(ready)
    return pid


def _become(words: list[str], env: dict[str, str], cwd: str, streams: list[str], *, session: bool) -> None:
    if session:
        os.setsid()
    for number, (path, how) in enumerate(zip(streams, (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY), strict=True)):
        stream = os.open(path, how)
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()


def _run(words: list[str]) -> None:
    """What Python would do with such a command line."""
    if words[0] == CELERY:
        sys.argv = words
        import_module("celery.__main__").main()
        return
    how, program = words[1:3]
    sys.argv = [how, *words[3:]]
    if how == "-m":
        if "." in program:
            # It is to run as the program, also where others have imported it.
            sys.modules.pop(program, None)
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        exec(program, {"__name__": "__main__"})  # noqa: S102 - the test's own


if __name__ == "__main__":
    for name in (*IMPORTED, *map(import_module("worker.cli.verbs").module_of, import_module("worker.cli.verbs").VERBS)):
        import_module(name)
    # What has been imported is never looked through again, so that children share it.
    gc.collect()
    gc.freeze()
    _serve()()
