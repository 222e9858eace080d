"""A target that is a replica of ours for a moment becomes a primary again, and says which data it holds.

It is apart from `recovery` because the watchdog needs no more than this, and imports it only when it has to act.
"""

import time
from dataclasses import dataclass
from math import inf

from redis.exceptions import BusyLoadingError, RedisError

from worker.restore.mirror.password import take_back
from worker.server.endpoint import Endpoint
from worker.server.info import info, keyspace
from worker.server.replies import raised
from worker.server.wire import Wire

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Demotion:
    """A target that is made a replica of ours for a moment, and what tells afterwards which data it holds."""

    run: str | None
    target: str | None
    """Its name in REDIS_TARGETS; None for REDIS_URL."""
    address: str
    host: str
    port: int
    """Where its primary listens: we."""
    replication_id: str
    """The primary's replication id, which the target takes over once it has loaded all."""
    keys: int
    """What the target held before, in all databases."""
    expiring: int
    """How many of them could expire meanwhile."""
    server: str = ""
    """Its run id, which changes where it is restarted."""
    backup_keys: int = 0
    backup_expiring: int = 0
    password: str = ""
    """The digest of the password that the target may have got from us."""


def end(endpoint: Endpoint, demotion: Demotion, patience: float) -> str | None:
    """Make the target a primary again, and say which data it holds; None when it did not answer for `patience` seconds.

    One that is no replica of ours any more is not ours to touch. While it loads it cannot be told, so that is waited for,
    however long it takes.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            with Wire(endpoint) as wire:
                state = info(wire)
                take_back(wire, demotion.password)
                if state.get("role") == "master":
                    return data_held(state, demotion)
                if (state.get("master_host"), state.get("master_port")) != (demotion.host, str(demotion.port)):
                    return f"The target at {demotion.address} is a replica of another server by now: it was left alone."
                raised(wire.try_(b"REPLICAOF", b"NO", b"ONE"))
                # Nobody can have written there yet, because a replica takes no writes.
                return data_held(info(wire), demotion, most=demotion.keys)
        except BusyLoadingError:
            deadline = time.monotonic() + patience
        except (RedisError, OSError):
            if time.monotonic() > deadline:
                return None
        time.sleep(POLL_SECONDS)


def data_held(state: dict[str, str], demotion: Demotion, most: float = inf) -> str:
    """Which data it holds by what INFO says, in a sentence; `most` is how many keys the old data can be by now."""
    again = f"The target at {demotion.address} is a primary again"
    # A replica takes its primary's id over when it has loaded all, and keeps it as its second one when it is promoted.
    if demotion.replication_id in (state.get("master_replid"), state.get("master_replid2")):
        return f"{again}, and holds the backup."
    now = sum(counts["keys"] for counts in keyspace(state).values())
    is_old = demotion.keys - demotion.expiring <= now <= most
    if demotion.server and state.get("run_id") != demotion.server:
        is_new = demotion.backup_keys - demotion.backup_expiring <= now <= demotion.backup_keys
        return f"{again}. It was started anew meanwhile, and {_started_with(is_old=is_old, is_new=is_new)}."
    if is_old:
        return f"{again}, and holds what it held before."
    return f"{again}, but not all of what it held before is there: run the restore again."


def _started_with(*, is_old: bool, is_new: bool) -> str:
    """After a restart its replication id is new, so only the number of keys shows which data it holds."""
    if is_old != is_new:
        return "by the number of keys it holds the backup" if is_new else "holds what it had saved before"
    return "holds the backup, or what it had saved before: run the restore again"
