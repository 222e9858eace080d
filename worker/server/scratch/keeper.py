"""The small process beside a scratch server: it starts it, and ends it and removes its folder when it hears nothing more of us.

It hears of us by a pipe that only we hold: however we end, by a kill -9 too, the pipe ends with us. Should it be killed
itself, the server gets a SIGKILL from the kernel, and what is left of the folder goes with the next look for what was left.
Nothing of the rest of this program is imported: it has to be there at once.
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
STARTED = "started"
END_SECONDS = 10


def keep(order: dict[str, Any]) -> None:
    """Start the command of the order in its folder, and keep it until standard input ends; then neither is there any more."""
    folder, server = Path(order["folder"]), None
    try:
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                order["command"],
                cwd=folder,
                env=order["environment"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_dies_with_its_parent,  # noqa: PLW1509 - this process has no other thread by then
            )
        _say({"pid": server.pid})
        threading.Thread(target=_tell_of_its_end, args=(server,), daemon=True).start()
        sys.stdin.read()
    finally:
        if server is not None:
            _end(server)
        shutil.rmtree(folder, ignore_errors=True)


def _dies_with_its_parent() -> None:
    """In the server, before it becomes one."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # Where memory becomes short it is the first to go.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _tell_of_its_end(server: subprocess.Popen[bytes]) -> None:
    _say({"ended": server.wait()})


def _say(what: dict[str, int]) -> None:
    with suppress(OSError):
        os.write(1, f"{json.dumps(what)}\n".encode())


def _end(server: subprocess.Popen[bytes]) -> None:
    server.kill()
    with suppress(subprocess.TimeoutExpired):
        server.wait(END_SECONDS)


if __name__ == "__main__":
    # Ctrl-C and SIGTERM are for whoever uses the server, whose end we hear of.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with suppress(ValueError):
        keep(json.loads(sys.stdin.readline()))
    # Nothing is left to tidy up.
    os._exit(0)
