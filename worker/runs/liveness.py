"""Who may begin a run, and whether it lives.

A run is claimed once for each attempt, so that a message that is delivered twice starts it once. While it lives it holds
a lease; one that has lost its lease has been killed, and the reaper finds it.
"""

from datetime import timedelta
from typing import Any

from worker.broker import connection
from worker.broker.lease import LEASE_SECONDS
from worker.runs.listing import UNFINISHED, run_key

CLAIM_SECONDS = int(timedelta(days=8).total_seconds())
LEASE_MILLISECONDS = round(LEASE_SECONDS * 1000)

# A run that nobody remembers may be alive, where the broker has lost its memory.
_STAY_ALIVE = """
if redis.call('EXISTS', KEYS[1]) == 1 and redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 0 then return 0 end
if redis.call('PEXPIRE', KEYS[3], ARGV[2]) == 0 then redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[2]) end
return 1
"""


class Liveness:
    """The claims and leases of all runs. Every call raises BrokerUnavailableError when the broker takes too long."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def claim(self, identity: str, attempt: int) -> bool:
        """Whether this attempt is ours: true for the first who asks."""
        with connection.translated():
            return bool(self._client.set(_claim(identity, attempt), 1, nx=True, ex=CLAIM_SECONDS))

    def claimed(self, identity: str, attempt: int) -> bool:
        """Whether somebody has begun with this attempt."""
        with connection.translated():
            return bool(self._client.exists(_claim(identity, attempt)))

    def claim_slot(self, slot: str, identity: str) -> bool:
        """Whether a planned moment of the schedule is this run's: true for the first, and for it again."""
        key = f"{connection.PREFIX}slot:{slot}"
        with connection.translated():
            self._client.set(key, identity, nx=True, ex=CLAIM_SECONDS)
            return bool(self._client.get(key) == identity.encode())

    def alive(self, identity: str) -> bool:
        """Whether the process of this run has been heard of lately."""
        with connection.translated():
            return bool(self._client.exists(lease_key(identity)))

    def stay_alive(self, identity: str) -> bool:
        """Renew the lease of a run; False where somebody has ended it."""
        with connection.translated():
            keys = (run_key(identity), UNFINISHED, lease_key(identity))
            return bool(self._client.eval(_STAY_ALIVE, len(keys), *keys, identity, LEASE_MILLISECONDS))


def _claim(identity: str, attempt: int) -> str:
    return f"{connection.PREFIX}claim:{identity}:{attempt}"


def lease_key(identity: str) -> str:
    """Where a run shows that it lives."""
    return f"{connection.PREFIX}lease:{identity}"
