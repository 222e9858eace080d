"""One writer per source, one restore per target: whoever comes second waits a little, and is then told who is at work."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from worker import broker
from worker.config import Settings
from worker.errors import BrokerUnavailableError, BusyError
from worker.lease import POLL_SECONDS, Lease, renewed

Check = Callable[[], None]
"""Raises BusyError when the lock is no longer ours; asked right before what cannot be taken back."""


@contextmanager
def held(settings: Settings, what: str, owner: str, wait_seconds: float) -> Iterator[Check]:
    """Hold the lock on `what`, such as `source 127.0.0.1:6379`, for the run `owner`. BusyError when it stays taken.

    Without a broker there is no lock: the verb must work on the day when the broker is what died.
    """
    lease = Lease(settings, f"{broker.PREFIX}lock:{what}", owner)
    try:
        _take(lease, what, owner, wait_seconds)
    except BrokerUnavailableError:
        yield lease.check
        return
    with renewed(lease):
        yield lease.check


def _take(lease: Lease, what: str, owner: str, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while (holder := lease.holder()) != owner:
        if time.monotonic() > deadline:
            raise BusyError(f"Run {holder} is at work on the {what}: wait for its end, then try again.")
        time.sleep(POLL_SECONDS)
