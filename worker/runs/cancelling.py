"""A run that somebody has cancelled stops where nothing is on its way, so that it can say exactly what it did."""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from worker.config.settings import Settings
from worker.errors import BrokerUnavailableError, CancelledError, StoppedError
from worker.progress import Progress
from worker.runs.store import open_runs

LOOK_SECONDS = 1
GRACE_SECONDS = 10
"""How long a run may take to reach such a place before it is interrupted, and then to end."""
JOIN_SECONDS = 10


class Cancelling:
    """Whether somebody has asked for this run to stop: a thread looks for that, and the work obeys it."""

    def __init__(self, settings: Settings, identity: str) -> None:
        self.by: str | None = None
        """Who has asked for it; None where nobody has."""
        self._settings, self._identity = settings, identity
        self._broken_off_at = math.inf

    def look(self) -> None:
        """Ask the broker; where it is away nothing is known, and it is asked again."""
        if self.by is None:
            with suppress(BrokerUnavailableError), open_runs(self._settings, seconds=LOOK_SECONDS) as runs:
                self.by = runs.cancelled_by(self._identity)
            self._broken_off_at = math.inf if self.by is None else time.monotonic() + GRACE_SECONDS

    def heed(self) -> None:
        """Raise CancelledError where somebody has asked. To be called where nothing is on its way."""
        if self.by is not None:
            self._broken_off_at = time.monotonic() + GRACE_SECONDS
            raise CancelledError(f"Cancelled by {self.by}.")

    def heeding(self, progress: Progress) -> Progress:
        """The same progress, which raises what `heed` raises; it is called between batches."""

        def tell(phase: str, current: int, total: int | None, unit: str) -> None:
            self.heed()
            progress(phase, current, total, unit)

        return tell

    @contextmanager
    def looked_for(self) -> Iterator[None]:
        """Look for it as long as this lasts. A main thread that does not come to heed it is interrupted, and then raises
        CancelledError as well.
        """
        end = threading.Event()
        thread = threading.Thread(target=self._look, args=(end, _interrupting()), name="cancelling", daemon=True)
        thread.start()
        try:
            yield
        except (StoppedError, KeyboardInterrupt) as error:
            if self.by is None or isinstance(error, CancelledError):
                raise
            raise self._broken_off(error) from None
        finally:
            end.set()
            thread.join(JOIN_SECONDS)

    def _broken_off(self, error: BaseException) -> CancelledError:
        words = [str(error) or "It was stopped before its end.", *getattr(error, "__notes__", [])]
        full = CancelledError(" ".join([f"Cancelled by {self.by}.", *words]))
        full.report = getattr(error, "report", None)
        return full

    def _look(self, end: threading.Event, interrupt: Callable[[], None]) -> None:
        while not end.wait(LOOK_SECONDS):
            self.look()
            if time.monotonic() > self._broken_off_at:
                self._broken_off_at = math.inf
                interrupt()


def _interrupting() -> Callable[[], None]:
    """What interrupts this thread wherever it waits, as Ctrl-C would, for a worker's process heeds no SIGINT; nothing where
    it is not the main one.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    # The handler stays: a shell that was stopped may have set an alarm of its own by now.
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    identity = threading.get_ident()
    return lambda: signal.pthread_kill(identity, signal.SIGALRM)
