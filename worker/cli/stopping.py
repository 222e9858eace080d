"""Ctrl-C, and a SIGTERM: a run stops where nothing is on its way, so that it can tell exactly what it did."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from worker.errors import StoppedError
from worker.progress import Progress

SECONDS = 5
"""How long a run may take to reach such a place before it is interrupted; a second Ctrl-C does not wait."""
_SIGNALS = [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]


@contextmanager
def stoppable(progress: Progress) -> Iterator[Progress]:
    """A Progress that raises StoppedError once somebody has asked this process to stop. For the main thread."""
    asked = False

    def ask(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)

    def tell(phase: str, current: int, total: int | None, unit: str) -> None:
        if asked:
            # Awaiting what is on its way and removing what was begun may take as long once more.
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            raise StoppedError("Stopped.")
        progress(phase, current, total, unit)

    with _handled(ask):
        try:
            yield tell
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, former in before.items():
            with suppress(TypeError):
                signal.signal(number, former)
