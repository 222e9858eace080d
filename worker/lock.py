"""One writer per source, one restore per target: whoever comes second waits a little, and is then told who is at work."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from worker import broker, logs
from worker.config import Settings
from worker.errors import BrokerUnavailableError, BusyError
from worker.lease import LEASE_SECONDS, Lease, renewed

WAIT_SECONDS, POLL_SECONDS = 5, 0.5
_LOCKS = f"{broker.PREFIX}lock:"

Check = Callable[[], None]
"""Raises BusyError when the lock is no longer ours; asked right before what cannot be taken back."""


@contextmanager
def held(settings: Settings, what: str, seconds: float = LEASE_SECONDS) -> Iterator[Check]:
    """Hold the lock on `what`, such as `source 127.0.0.1:6379`, for this run. BusyError when it stays taken.

    It outlives a process that was killed by `seconds` at most. Without a broker there is no lock: the verb must work on
    the day when the broker is what died.
    """
    owner = logs.current_run() or str(uuid.uuid4())
    lease = Lease(settings, _LOCKS + what, owner, seconds)
    with suppress(BrokerUnavailableError):
        _take(lease, what, owner)
    # Also where nobody could be asked: it is taken as soon as the broker is back, and given back at the end.
    with renewed(lease):
        yield lease.check


def _take(lease: Lease, what: str, owner: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while (holder := lease.holder()) != owner:
        if time.monotonic() > deadline:
            raise BusyError(f"Run {holder} is at work on the {what}: wait for its end, then try again.")
        time.sleep(POLL_SECONDS)


def give_up(settings: Settings, owner: str) -> None:
    """Free what a run held that was killed. Raises BrokerUnavailableError."""
    with broker.translated(), broker.client(settings) as client:
        for key in client.scan_iter(f"{_LOCKS}*"):
            Lease(settings, key.decode(), owner).give_back()
