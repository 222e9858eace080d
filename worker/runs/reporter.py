"""Progress of a task, as its Celery state: never in the way of the job, whatever becomes of the result backend."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

EVERY_SECONDS = 1.0
JOIN_SECONDS = 10.0

Meta = dict[str, Any]


class Reporter:
    """A Progress that stores the latest word once a second, from a thread of its own with a client of its own."""

    def __init__(self, store: Callable[[Meta], None], keep: Callable[[Meta], None] = lambda _: None) -> None:
        """`keep` hears the last word of all, at the end."""
        self._store, self._keep = store, keep
        self._latest: Meta | None = None
        self._began: tuple[str, float, int] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def __call__(self, phase: str, current: int, total: int | None, unit: str) -> None:
        """Remember the progress; the thread reports it."""
        self._latest = {"phase": phase, "current": current, "total": total, "unit": unit}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(JOIN_SECONDS)
        if self._latest is not None:
            self._keep({**self._latest, "rate": self._rate(self._latest)})

    def _run(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            latest = self._latest
            if latest is None:
                continue
            # A result backend that is away must neither fail nor slow the job.
            with suppress(Exception):
                self._store({**latest, "rate": self._rate(latest)})

    def _rate(self, latest: Meta) -> float | None:
        """Units a second since the first report of this phase; None until the second one."""
        now = time.monotonic()
        if self._began is None or self._began[0] != latest["phase"]:
            self._began = (latest["phase"], now, latest["current"])
            return None
        _, since, count = self._began
        done: int = latest["current"] - count
        return round(done / max(now - since, 1e-3), 1)
