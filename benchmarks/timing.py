"""Whole processes, timed by the operating system: seconds, processor time, and the peak of their memory."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.results import Round

STOPWATCH = Path(__file__).with_name("stopwatch.py")
# Without site-packages and the user's own environment: the leaner, the sooner it is out of the way.
LEAN = (sys.executable, "-I", "-S")
LAST_WORDS = 600


class FailedError(Exception):
    """A command that ended otherwise than well, with its last words."""


def timed(
    command: Sequence[str],
    folder: Path,
    *,
    env: Mapping[str, str] | None = None,
    output: Path | None = None,
    given: Path | None = None,
) -> Round:
    """Run a command to its end; its standard output goes to `output`, `given` is its standard input. FailedError."""
    with (
        tempfile.TemporaryDirectory(dir=folder) as own,
        (output or Path(os.devnull)).open("wb") as out,
        (given or Path(os.devnull)).open("rb") as stdin,
        Path(own, "errors").open("wb") as errors,
    ):
        result = Path(own, "result")
        watch = subprocess.Popen(
            [*LEAN, str(STOPWATCH), str(result), *command],
            env=env,
            cwd=folder,
            stdin=stdin,
            stdout=out,
            stderr=errors,
            start_new_session=True,
        )
        try:
            watch.wait()
        finally:
            end_group(watch)
        said = Path(own, "errors").read_bytes()[-LAST_WORDS:].decode("utf-8", "replace").strip()
        if not result.exists():
            raise FailedError(f"{command[0]}: {said}")
        told = json.loads(result.read_text())
        if told.pop("code"):
            raise FailedError(f"{' '.join(command)[:200]}: {said}")
        return Round(**told)


def end_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill whatever is left of a process that was started with a session of its own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def used_by(pid: int) -> Round:
    """What a process that still runs has used so far; `seconds` is for whoever asks to fill in."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return Round(seconds=0, user=int(fields[11]) / ticks, system=int(fields[12]) / ticks, peak=peak_of(pid))


def peak_of(pid: int) -> int:
    """The most memory that a process has had so far, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
