"""A key that is ours for as long as we renew it: how a run shows that it lives, and how two runs stay out of each other's way."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from worker import broker
from worker.config import Settings
from worker.errors import BrokerUnavailableError, BusyError

LEASE_SECONDS = 60.0
RENEWALS = 4
"""Times that a lease is renewed while it would last."""
AGAIN_SECONDS, JOIN_SECONDS = 1, 10

# A key that has vanished, with a broker that lost its memory, is taken again; one that somebody else holds is lost.
_RENEW = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return holder end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
"""
_GIVE_BACK = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class Lease:
    """One key, held by `owner`."""

    def __init__(self, settings: Settings, key: str, owner: str, seconds: float = LEASE_SECONDS) -> None:
        self.every_seconds = seconds / RENEWALS
        self._settings, self._key, self._owner, self._seconds = settings, key, owner, seconds
        # Moments on the monotonic clock: of the last renewal, and of the last doubt.
        self._renewed = self._asked = time.monotonic() - seconds

    def holder(self) -> str:
        """Take or renew it, and say who holds it now. Raises BrokerUnavailableError."""
        began = time.monotonic()
        with broker.translated(), broker.client(self._settings) as client:
            found: Any = client.eval(_RENEW, 1, self._key, self._owner, str(round(self._seconds * 1000)))
        holder: str = found.decode()
        if holder == self._owner:
            self._renewed = began
        return holder

    def check(self) -> None:
        """BusyError when somebody else has taken it, while this process stood still. Quick: it asks only when in doubt.

        A broker that is away has no answer: then it counts as ours, for nobody else can take it either.
        """
        now = time.monotonic()
        if now - self._renewed < self._seconds / 2 or now - self._asked < self.every_seconds:
            return
        self._asked = now
        with suppress(BrokerUnavailableError):
            holder = self.holder()
            if holder != self._owner:
                raise BusyError(
                    f"Run {holder} has taken the place of this one, which could not be heard of for a while."
                )

    def give_back(self) -> None:
        """Let others have it."""
        with suppress(BrokerUnavailableError), broker.translated(), broker.client(self._settings) as client:
            client.eval(_GIVE_BACK, 1, self._key, self._owner)


@contextmanager
def renewed(lease: Lease) -> Iterator[None]:
    """Renew the lease in a thread, and give it back at the end."""
    end = threading.Event()

    def renew() -> None:
        pause = lease.every_seconds
        while not end.wait(pause):
            try:
                lease.holder()
                pause = lease.every_seconds
            except BrokerUnavailableError:
                # Soon again: when the broker is back, whoever looks for the lease must find it.
                pause = AGAIN_SECONDS

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join(JOIN_SECONDS)
        lease.give_back()
