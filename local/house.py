"""All that runs: servers first, then those who use them; the other way round at the end."""

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

import redis
from honcho.environ import parse_procfile

from local import dashboard, kept, servers
from local.children import POLL_SECONDS, Child, Program, Screen, stop
from local.options import Options
from worker.broker import heartbeat
from worker.config import settings
from worker.errors import BrokerUnavailableError
from worker.server.scratch import programs

UP_SECONDS = 60
# A job that runs may finish: a worker that is asked to end takes no new one.
STOP_SECONDS = 60
_ROOT_WARNING = "ignore:You're running the worker with superuser privileges"
_ROLES = {"worker": "jobs", "quick": "quick", "questions": "questions", "stream": "stream", "beat": "beat"}


class Stopped(Exception):  # noqa: N818  no error: somebody asked for the end, or a child came to its own
    """Time to stop; `code` is our exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class House:
    """The servers and processes of one run; each step raises Stopped as soon as there is a reason to."""

    def __init__(self, root: Path, options: Options, screen: Screen) -> None:
        self.root, self.options, self.screen = root, options, screen
        self.servers: list[Child] = []
        self.processes: list[Child] = []
        self._asked, self._hurry = threading.Event(), threading.Event()
        self._asked_at = 0.0
        signal.signal(signal.SIGINT, self.ask_to_stop)
        signal.signal(signal.SIGTERM, self.ask_to_stop)
        # A run that was started with nohup is meant to outlive its terminal.
        outlives = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        if not outlives:
            signal.signal(signal.SIGHUP, self.ask_to_stop)
        self._terminal = sys.stdin.isatty() and not outlives

    @property
    def password(self) -> str:
        """What our broker asks for."""
        return kept.secret(self.root / settings.LOCAL_BROKER_PASSWORD)

    def ask_to_stop(self, number: int, _frame: FrameType | None) -> None:
        """Signal handler: stop; on a second Ctrl-C, at once."""
        now = time.monotonic()
        # The same Ctrl-C may come twice, once to our group and once handed on by make.
        if self._asked.is_set() and number == signal.SIGINT and now - self._asked_at > 1:
            self._hurry.set()
        if not self._asked.is_set():
            self._asked_at = now
            self._asked.set()

    def watch(self) -> None:
        """Wait a moment; raise Stopped when somebody asked for it or a child has ended."""
        # make keeps a SIGHUP to itself, so a closed terminal is also looked for.
        if self._asked.wait(POLL_SECONDS) or (self._terminal and not sys.stdin.isatty()):
            raise Stopped(0)
        for child in [*self.servers, *self.processes]:
            code = child.ended()
            if code is not None:
                child.last_words()
                self.screen.say(f"{child.name} has ended (exit code {code}), so the rest is stopped too.")
                raise Stopped(code)

    def start_servers(self) -> None:
        """Start what the person did not bring along. UsageError when a port is taken or no server is installed."""
        web = settings.load_web()
        servers.check_free(web.port, "--port", dashboard.host(web))
        wanted: list[tuple[str, int, Sequence[str], str]] = []
        if self.options.own_broker:
            servers.check_free(self.options.broker_port, "--broker-port")
            wanted.append(("broker", self.options.broker_port, servers.BROKER, self.password))
        if self.options.own_source:
            servers.check_free(self.options.source_port, "--source-port")
            wanted.append(("demo", self.options.source_port, servers.DEMO, ""))
        for name, port, flags, password in wanted:
            folder = self.root / "var" / name
            command = servers.command(servers.find(folder), port, folder, flags)
            program = Program(command, programs.environment(), f"requirepass {password}\n" if password else "")
            child = Child(name, program, self.screen, ready=servers.READY_WORDS)
            self.servers.append(child)
        while not all(server.ready.is_set() for server in self.servers):
            self.watch()
        if self.options.own_broker:
            # The signs of life of a run that has just ended would be taken for those of this one.
            with redis.Redis(port=self.options.broker_port, password=self.password, socket_timeout=30) as broker:
                broker.delete(*map(heartbeat.key, _ROLES.values()))

    def start_processes(self) -> None:
        """Start what the Procfile names, with this venv's programs before all others."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        # A wall of it in front of the password, where there is nobody but root.
        env["PYTHONWARNINGS"] = ",".join(filter(None, [env.get("PYTHONWARNINGS"), _ROOT_WARNING]))
        env |= {"PATH": f"{Path(sys.executable).parent}:{env.get('PATH', os.defpath)}", "PYTHONUNBUFFERED": "1"}
        if settings.load().log_format == "auto" and sys.stdout.isatty():
            # They write to us, and it is we who know that there is a terminal.
            env["LOG_FORMAT"] = "text"
        followed = settings.load().backup_stream_seconds > 0
        for name, line in parse_procfile((self.root / "Procfile").read_text()).processes.items():
            if name == "stream" and not followed:
                continue
            # exec: what we ask to end is then the program itself, not a shell around it.
            command = ["/bin/sh", "-c", f"exec {line}"]
            self.processes.append(Child(name, Program(command, dashboard.told(name, env)), self.screen))

    def wait_until_up(self) -> list[str]:
        """Wait for a sign of life of each process; the names of those that gave none in time."""
        missing = [child.name for child in self.processes]
        deadline = time.monotonic() + UP_SECONDS
        while missing and time.monotonic() < deadline:
            self.watch()
            with suppress(BrokerUnavailableError):
                missing = [name for name in missing if not self._lives(name)]
        return missing

    def _lives(self, name: str) -> bool:
        if name == "web":
            return dashboard.answers(settings.load_web())
        return heartbeat.alive(_ROLES[name])

    def stop(self) -> None:
        """End all. The servers go last, so that nobody misses them, and always have the time to save."""
        if self.processes:
            self.screen.say("Stopping; a job that runs may finish. Ctrl-C again stops it at once.")
        stop(self.processes, STOP_SECONDS, self._hurry)
        stop(self.servers, STOP_SECONDS, threading.Event())
