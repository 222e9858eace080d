"""Targets that are a replica of ours for a moment, and how each becomes a primary again.

They are remembered in the broker, for the case that whoever made it one is killed together with all that watched over it:
the next `reap`, or the next restore into that target, then ends it.
"""

import time
from contextlib import suppress
from math import inf

from pydantic import BaseModel, ConfigDict, ValidationError
from redis.exceptions import BusyLoadingError, RedisError

from worker import broker
from worker.config import Settings
from worker.connection import Endpoint
from worker.errors import BackupSystemError, BrokerUnavailableError
from worker.facts import info, keyspace
from worker.redirection import Redirection
from worker.runs import open_runs
from worker.wire import Wire, raised

POLL_SECONDS = 0.2
_KEYS = f"{broker.PREFIX}standin:"


class Standin(BaseModel):
    """A target, of what it is a replica, and what tells afterwards which data it holds."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    run: str | None
    target: str | None
    """Its name in REDIS_TARGETS; None for REDIS_URL."""
    address: str
    host: str
    port: int
    """Where its primary listens: we."""
    replication_id: str
    """The primary's; the target takes it over once it has loaded all."""
    keys: int
    """What the target held before, in all databases."""
    expiring: int
    """How many of them could go by themselves."""
    server: str = ""
    """Its run id: another one afterwards means that it was started anew."""
    backup_keys: int = 0
    backup_expiring: int = 0


def remember(settings: Settings, standin: Standin) -> None:
    """Before the target becomes a replica. A broker that is away remembers nothing, and that is no reason to stop."""
    with suppress(BrokerUnavailableError), broker.translated(), broker.client(settings) as client:
        client.set(_KEYS + standin.address, standin.model_dump_json())


def forget(settings: Settings, standin: Standin) -> None:
    """Once it is a primary again."""
    with suppress(BrokerUnavailableError), broker.translated(), broker.client(settings) as client:
        client.delete(_KEYS + standin.address)


def remembered(settings: Settings) -> list[Standin]:
    """All of them. Raises BrokerUnavailableError."""
    with broker.translated(), broker.client(settings) as client:
        texts = [client.get(key) for key in client.scan_iter(f"{_KEYS}*")]
    found = []
    for text in texts:
        with suppress(ValidationError):
            found.append(Standin.model_validate_json(text or b""))
    return found


def end(endpoint: Endpoint, standin: Standin, patience: float) -> str | None:
    """Make the target a primary again, and say which data it holds; None when it did not answer for `patience` seconds.

    While it loads it cannot be told, so that is waited for, however long it takes.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            with Wire(endpoint) as wire:
                raised(wire.try_(b"REPLICAOF", b"NO", b"ONE"))
                # Nobody has written there yet: a replica takes no writes.
                return _told(info(wire), standin, most=standin.keys)
        except BusyLoadingError:
            deadline = time.monotonic() + patience
        except (RedisError, OSError):
            if time.monotonic() > deadline:
                return None
        time.sleep(POLL_SECONDS)


def _told(said: dict[str, str], standin: Standin, most: float = inf) -> str:
    again = f"The target at {standin.address} is a primary again"
    # A replica takes its primary's id over when it has loaded all, and keeps it as its second one when it is promoted.
    if standin.replication_id in (said.get("master_replid"), said.get("master_replid2")):
        return f"{again}, and holds the backup."
    now = sum(counts["keys"] for counts in keyspace(said).values())
    is_old = standin.keys - standin.expiring <= now <= most
    if standin.server and said.get("run_id") != standin.server:
        is_new = standin.backup_keys - standin.backup_expiring <= now <= standin.backup_keys
        return f"{again}. It was started anew meanwhile, and {_started_with(is_old=is_old, is_new=is_new)}."
    if is_old:
        return f"{again}, and holds what it held before."
    return f"{again}, but not all of what it held before is there: run the restore again."


def _started_with(*, is_old: bool, is_new: bool) -> str:
    """Its replication id is new, so only the number of keys tells whether the file had taken the place of its own."""
    if is_old != is_new:
        return "by the number of keys it holds the backup" if is_new else "holds what it had saved before"
    return "holds the backup, or what it had saved before: run the restore again"


def end_left(settings: Settings, *, run: str | None = None, address: str | None = None) -> list[str]:
    """End what a killed run has left: this run's, or at this address, or of all runs that are not alive; in sentences.

    Whoever names an address holds the lock on it, so that nobody is at work there. Raises BrokerUnavailableError.
    """
    ended = []
    for standin in remembered(settings):
        left = (
            standin.address == address
            or (standin.run is not None and standin.run == run)
            or (address is run is None and not _is_alive(settings, standin))
        )
        if left and (words := _ended(settings, standin)):
            _tell(settings, standin, words)
            ended.append(words)
    return ended


def _tell(settings: Settings, standin: Standin, words: str) -> None:
    """The story of its run goes on to this end, where the target was away when that was told."""
    with suppress(BrokerUnavailableError), open_runs(settings) as runs:
        run = runs.get(standin.run or "")
        if run is not None and run.ended and run.state != "SUCCESS":
            runs.put(run.model_copy(update={"error": f"{run.error} {words}"}))


def _is_alive(settings: Settings, standin: Standin) -> bool:
    with open_runs(settings) as runs:
        return standin.run is not None and runs.alive(standin.run)


def _ended(settings: Settings, standin: Standin) -> str | None:
    """A target that is away is tried again the next time; one that has another primary by now is not ours to touch."""
    with suppress(BackupSystemError):
        endpoint = Redirection(target=standin.target).endpoint(settings)
        with endpoint.translated("asking whether it is still a replica of ours"), Wire(endpoint) as wire:
            said = info(wire)
        if (said.get("master_host"), said.get("master_port")) == (standin.host, str(standin.port)):
            words = end(endpoint, standin, patience=0)
        else:
            words = _told(said, standin) if said["role"] == "master" else ""
        if words is not None:
            forget(settings, standin)
        return words
    return None
