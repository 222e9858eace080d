"""One writer per source, one restore per target: whoever comes second waits a little, and is then told who is at work."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from worker import logs
from worker.broker import connection
from worker.broker.lease import FENCES, LEASE_SECONDS, LOCKS, Lease, renewed
from worker.config.settings import Settings
from worker.errors import BrokerUnavailableError, BusyError

WAIT_SECONDS, POLL_SECONDS = 5, 0.5

# Nobody holds the next number: it only shows the last holder, if it still lives, that it has lost the lock.
_GIVE_UP = """
local last = redis.call('GET', KEYS[2])
local number, owner = string.match(last or '', '^(%d+) (.*)$')
if owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], string.format('%.0f ', number + 1))
if ARGV[2] == 'dead' and redis.call('GET', KEYS[1]) == last then redis.call('DEL', KEYS[1]) end
return 1
"""


@contextmanager
def held(settings: Settings, what: str, seconds: float | None = None) -> Iterator[Lease]:
    """Hold the lock on `what`, such as `source 127.0.0.1:6379`, for this run. BusyError when it stays taken.

    It outlives a process that was killed by `seconds` at most (LEASE_SECONDS by default). Without a broker there is no
    lock: the verb must work on the day when the broker is what died.
    """
    owner = logs.current_run() or str(uuid.uuid4())
    lease = Lease(settings, what, owner, seconds or LEASE_SECONDS)
    with suppress(BrokerUnavailableError):
        _take(lease)
    # Also where the broker was away: the lock is taken as soon as it is back, and given back at the end.
    try:
        with renewed(lease.renew, lease.every_seconds):
            yield lease
    finally:
        lease.give_back()


def _take(lease: Lease) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while (holder := lease.take()) is not None:
        if time.monotonic() > deadline:
            raise BusyError(f"Run {holder} is at work on the {lease.what}: wait for its end, then try again.")
        time.sleep(POLL_SECONDS)


def give_up(settings: Settings, owner: str, *, dead: bool) -> None:
    """See to it that a run that was given up goes on with nothing that it held. Raises BrokerUnavailableError.

    What it held is free at once where its process is known to be `dead`; else when its time is over, for until then it may
    be at work.
    """
    with connection.translated(), connection.client(settings) as client:
        for key in client.scan_iter(f"{FENCES}*"):
            what = key.decode().removeprefix(FENCES)
            client.eval(_GIVE_UP, 2, LOCKS + what, FENCES + what, owner, "dead" if dead else "")
