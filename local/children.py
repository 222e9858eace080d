"""Child processes with their output under one roof, stopped in order, none left behind."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle

from honcho.colour import get_colours
from honcho.printer import Message, Printer

POLL_SECONDS = 0.1
# What a log line for people begins with; the screen has a time of its own.
_STAMP = re.compile(rb"^\d\d:\d\d:\d\d ")


class Screen:
    """One output for all: every line behind the time and the name of who said it, in colours on a terminal."""

    def __init__(self) -> None:
        self._printer = Printer(sys.stdout, width=len("questions"))
        self._colours = cycle(get_colours())
        self._lock = threading.Lock()

    def colour(self) -> str:
        """The next child's colour."""
        return str(next(self._colours))

    def line(self, name: str, text: bytes | str, colour: str | None = None) -> None:
        """Show one line. A terminal that was closed is no reason to stop half-way through stopping."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._printer.write(Message("line", text, datetime.now(), name, colour))

    def say(self, text: str) -> None:
        """Show text of our own, without a name before it."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            print(text, flush=True)


@dataclass(frozen=True)
class Program:
    """What is to run, and in which environment."""

    command: Sequence[str]
    env: Mapping[str, str]
    told: str = ""
    """What it reads from standard input, a few lines at most: no list of processes shows it."""


class Child:
    """One process in a session of its own, so that Ctrl-C in the terminal reaches only us and we choose the order."""

    def __init__(self, name: str, program: Program, screen: Screen, *, ready: str = "") -> None:
        """`ready`: the words that say it is up; a child that has them keeps quiet unless it fails."""
        self.name, self._screen, self._ready_words = name, screen, ready.encode()
        self.ready = threading.Event()
        self._tail: deque[bytes] = deque(maxlen=20)
        self._process = subprocess.Popen(
            program.command,
            env=program.env,
            stdin=subprocess.PIPE if program.told else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._tell(program.told)
        self._colour = screen.colour()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _tell(self, words: str) -> None:
        if self._process.stdin is not None:
            # One that has ended already says why itself.
            with contextlib.suppress(BrokenPipeError), self._process.stdin as stdin:
                stdin.write(words.encode())

    def _read(self) -> None:
        for line in self._process.stdout or ():
            if not self._ready_words:
                self._screen.line(self.name, _STAMP.sub(b"", line), self._colour)
                continue
            self._tail.append(line)
            if self._ready_words in line:
                self.ready.set()

    def ended(self) -> int | None:
        """None while it runs, else its exit code as a shell would say it."""
        if self._process.returncode is None and self._process.poll() is not None:
            # A worker that was killed outright leaves its pool behind, which would wait for it for ever.
            self._signal_group(signal.SIGKILL)
        code = self._process.returncode
        return 128 - code if code is not None and code < 0 else code

    def last_words(self) -> None:
        """Show what a quiet child said last."""
        self._reader.join(1)
        for line in self._tail:
            self._screen.line(self.name, line, self._colour)

    def terminate(self) -> None:
        """Ask it to end. Only its leader is asked: a pool process that got SIGTERM too would drop its job."""
        if self.ended() is None:
            self._process.terminate()

    def kill(self) -> None:
        """End it and all that it started."""
        if self.ended() is None:
            self._signal_group(signal.SIGKILL)
            self._process.wait()
        self._reader.join(1)

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def stop(children: Sequence[Child], seconds: float, hurry: threading.Event) -> None:
    """Ask all to end, wait up to `seconds` (or until `hurry`), end the rest by force."""
    for child in children:
        child.terminate()
    deadline = time.monotonic() + seconds
    while any(child.ended() is None for child in children) and time.monotonic() < deadline and not hurry.is_set():
        time.sleep(POLL_SECONDS)
    for child in children:
        child.kill()
