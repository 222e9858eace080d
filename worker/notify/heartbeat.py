"""Tells HEARTBEAT_URL of backups: that one begins, that it is good, or why it failed. What stays silent is noticed there.

A process of its own says so, and nobody waits for it: a backup is neither slower nor worse for a heartbeat that nobody hears.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import structlog

from worker import logs
from worker.config.settings import Settings
from worker.errors import BackupSystemError
from worker.notify.sending import Sender
from worker.progress import Progress, both

log = structlog.get_logger()

PAUSES = (0, 2, 10)
"""Seconds before each try."""
GONE_SECONDS = 120
LINES_TOLD = 20
START, GOOD, FAILED = "/start", "", "/fail"
_Verb = Callable[[Settings, Any, Progress], dict[str, Any]]


class Heartbeat:
    """One backup, as it is told of there."""

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._sender: Sender | None = None
        self._count = 0
        self._lines = logs.Lines()

    def around(self, verb: _Verb) -> _Verb:
        """The same verb, which tells that it begins when it has something to report: one that has nothing to do does not."""
        if self._address is None:
            return verb

        def begun(phase: str, current: int, total: int | None, unit: str) -> None:  # noqa: ARG001 - as it is called
            if self._sender is None:
                self.say(START)

        def told(settings: Settings, arguments: Any, progress: Progress) -> dict[str, Any]:
            self._lines = logs.current_lines()
            return verb(settings, arguments, both(progress, begun))

        return told

    def fail(self, error: BackupSystemError) -> None:
        """It failed: why, and the end of its log. No text of that, for it may name a key. It never raises."""
        self.say(FAILED, "\n".join([error.outside, *map(_bare, [*self._lines][-LINES_TOLD:])]))

    def say(self, then: str, text: str = "") -> None:
        """START, GOOD or FAILED, and words about it. It never raises."""
        if self._address is None:
            return
        with suppress(OSError):
            if self._sender is None:
                self._sender = Sender({"way": "heartbeat", "address": self._address, "pauses": PAUSES})
            self._sender.say({"then": then, "text": text})
            self._count += 1

    def over(self, patience: float) -> None:
        """Nothing more is to be said. A thread waits for what is being said, and we for so many seconds."""
        if self._sender is not None:
            thread = threading.Thread(
                target=_heard, args=(self._sender, self._count), name="heartbeat-url", daemon=True
            )
            thread.start()
            thread.join(patience)
            self._sender = None


def _bare(line: dict[str, Any]) -> str:
    """When, what, and how many."""
    numbers = [f"{name}={value}" for name, value in line.items() if type(value) in (int, float)]
    return " ".join([str(line.get("timestamp")), str(line.get("event")), *numbers])


def _heard(sender: Sender, count: int) -> None:
    sender.let_go()
    answers = [sender.answer(GONE_SECONDS) for _ in range(count + 1)][1:]
    for answer in answers:
        if answer is None or answer["why"] is not None:
            log.warning("heartbeat_not_heard", why=answer["why"] if answer else "slow")
    sender.wait(1)


@contextmanager
def told(settings: Settings, *, wanted: bool, patience: float = 0) -> Iterator[Heartbeat]:
    """A backup within; where it fails that is told with a sentence and the end of the log. Nothing is told where it is not `wanted`, nor of one
    that is tried again. Who ends with it may have `patience`, in seconds.
    """
    beat = Heartbeat(settings.heartbeat_url if wanted else None)
    try:
        yield beat
    except BackupSystemError as error:
        beat.fail(error)
        raise
    finally:
        beat.over(patience)
