"""A small process beside a mirror: when that is killed, it makes the target a primary again, at once and without a broker.

It is told the target on standard input, where no `ps` shows its password, and then waits there for `done`.
"""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self, cast

from worker.errors import BackupSystemError

if TYPE_CHECKING:
    from worker.restore.mirror.promotion import Demotion

PATIENCE_SECONDS = 60
_WATCHING, _DONE = "watching\n", "done"
_ROOT = Path(__file__).parents[3]


class Watchdog:
    """That process; it begins with the `with`, as it takes a moment to start, and ends with it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
            start_new_session=True,
        )
        self._to, self._from = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._to.write(_DONE)
            self._to.close()
        self._process.wait()
        self._from.close()

    def watch(self, url: str, demotion: "Demotion") -> None:
        """From now on this target becomes a primary again, should our process end before the `with` does."""
        with suppress(OSError):
            self._to.write(json.dumps({"url": url, "demotion": asdict(demotion)}) + "\n")
            self._to.flush()
        if self._from.readline() != _WATCHING:
            raise BackupSystemError(
                "Nothing was changed, for the process that watches over a mirror did not start: is there memory for it?"
            )


def watch(orders: IO[str], answers: IO[str]) -> None:
    """The life of that process."""
    with suppress(ValueError):
        target = json.loads(orders.readline())
        answers.write(_WATCHING)
        answers.flush()
        if orders.read() != _DONE:
            _end(target["url"], target["demotion"])


def _end(url: str, demotion: dict[str, Any]) -> None:
    # The mirror waits until this process has started: what hardly ever is needed is imported when it is.
    from worker.restore.mirror.promotion import Demotion, end  # noqa: PLC0415
    from worker.server.endpoint import TARGET, Endpoint  # noqa: PLC0415

    end(Endpoint(url, TARGET), Demotion(**demotion), PATIENCE_SECONDS)


if __name__ == "__main__":
    # Ctrl-C and SIGTERM are for the mirror, whose end we hear of.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    watch(sys.stdin, sys.stdout)
    # The mirror waits for us, and nothing is left to tidy up.
    os._exit(0)
