"""Identifies a process, so that others on its machine know for sure when it has ended."""

import os
import socket
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict

_PROC = Path("/proc")
_GONE = (b"Z", b"X")
"""States of a process that has ended, and that its parent has not asked for."""


class Process(BaseModel):
    """One process, as only those can judge it who see the same processes under the same numbers."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    host: str
    pid: int
    space: str
    """Where its number is valid: the machine's boot, and the namespaces of processes and of their times."""
    started: int
    """When it started, in ticks since boot; its number is used again later."""

    @property
    def is_dead(self) -> bool:
        """Whether it has ended for sure. One that was stopped has not, and of other machines or containers nobody knows."""
        if (self.host, self.space) != (socket.gethostname(), _space()):
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            pass  # of another user: it is there
        state, started = _stat(self.pid)
        return state in _GONE or (started is not None and started != self.started)


def this_process() -> Process | None:
    """The one that asks; None where the system does not tell enough of it."""
    space, (_, started) = _space(), _stat(os.getpid())
    if space is None or started is None:
        return None
    return Process(host=socket.gethostname(), pid=os.getpid(), space=space, started=started)


def _space() -> str | None:
    with suppress(OSError):
        if os.readlink(_PROC / "self") != str(os.getpid()):
            return None  # it is of other processes than we can see
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        processes = os.readlink(_PROC / "self/ns/pid")
        times = os.readlink(_PROC / "self/ns/time") if (_PROC / "self/ns/time").exists() else ""
        return f"{boot} {processes} {times}".strip()
    return None


def _stat(pid: int) -> tuple[bytes, int | None]:
    """State and start of a process: fields 3 and 22 of its `stat`, behind a name that may hold anything (proc(5))."""
    try:
        fields = (_PROC / f"{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return fields[0], int(fields[19])
    except (OSError, IndexError, ValueError):
        return b"", None
