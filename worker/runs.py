"""All runs: what Celery forgets, kept in the broker's Redis under the task's id.

A run is claimed once for each attempt, so that a message that is delivered twice starts it once. While it lives it holds
a lease; one that has lost its lease has been killed, and the reaper finds it.
"""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import redis
from pydantic import ValidationError

from worker import broker
from worker.config import Settings
from worker.lease import LEASE_SECONDS
from worker.run import QUESTIONS, Run, State

KEPT_LONG, KEPT = 1000, 50
"""Runs of one operation that are remembered."""
PAGE = 200
CLAIM_SECONDS = int(timedelta(days=8).total_seconds())

_ID = re.compile(r'"id": "([^"]+)"')
_RUNS = broker.PREFIX + "runs"
_UNFINISHED = broker.PREFIX + "runs:unfinished"
_PLANNED = broker.PREFIX + "runs:planned:"
_BEAT = "beat "


@contextmanager
def open_runs(settings: Settings, seconds: float = 3, in_all: float = math.inf) -> Iterator["Runs"]:
    """The memory of runs; every call on it raises BrokerUnavailableError when the broker takes longer than that, or when
    all calls together have taken `in_all` seconds.
    """
    with broker.client(settings, seconds, in_all) as client:
        yield Runs(client)


class Runs:
    """All runs that are remembered."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client: Any = client

    def add(self, run: Run) -> bool:
        """Remember a run, unless it is remembered already. Whether it was new."""
        with broker.translated():
            new: bool = bool(self._client.set(_key(run.id), _dump(run), nx=True))
            if new:
                self._index(run)
            return new

    def put(self, run: Run) -> None:
        """Remember it as it is now, and give up its lease when it has ended."""
        with broker.translated():
            self._client.set(_key(run.id), _dump(run))
            self._index(run)

    def _index(self, run: Run) -> None:
        mine, planned, at = f"{_RUNS}:{run.operation}", _planned(run.asked_by), run.queued_at.timestamp()
        kept = KEPT if run.operation in QUESTIONS else KEPT_LONG
        with self._client.pipeline(transaction=True) as pipe:
            pipe.zadd(_RUNS, {run.id: at})
            pipe.zadd(mine, {run.id: at})
            if planned:
                pipe.zadd(planned, {run.id: at})
                pipe.zremrangebyrank(planned, 0, -1 - kept)
            pipe.srem(_UNFINISHED, run.id) if run.ended else pipe.sadd(_UNFINISHED, run.id)
            if run.ended:
                pipe.delete(lease_key(run.id))
            elif run.state == "STARTED":
                # In the same step: a broker that has lost its memory must not learn of a run without its lease.
                pipe.set(lease_key(run.id), run.id, ex=round(LEASE_SECONDS))
            pipe.zrange(mine, 0, -1 - kept)
            forgotten = pipe.execute()[-1]
            if forgotten:
                pipe.delete(*(_key(one.decode()) for one in forgotten))
                for index in (_RUNS, mine):
                    pipe.zrem(index, *forgotten)
                pipe.srem(_UNFINISHED, *forgotten)
                pipe.execute()

    def get(self, identity: str) -> Run | None:
        """The run of that id; None for an id that was never issued, or long forgotten."""
        with broker.translated():
            return _load(self._client.get(_key(identity)))

    def forget(self, identity: str) -> None:
        """A run that could not be queued after all leaves no trace."""
        with broker.translated():
            run = self.get(identity)
            with self._client.pipeline(transaction=True) as pipe:
                pipe.delete(_key(identity))
                pipe.zrem(_RUNS, identity)
                pipe.srem(_UNFINISHED, identity)
                if run is not None:
                    pipe.zrem(f"{_RUNS}:{run.operation}", identity)
                    if planned := _planned(run.asked_by):
                        pipe.zrem(planned, identity)
                pipe.execute()

    def each(self, operation: str | None = None) -> Iterator[Run]:
        """All runs, of one operation if that is said, newest first; read from the broker as they are taken."""
        return self._listed(f"{_RUNS}:{operation}" if operation else _RUNS)

    def planned(self, entry: str) -> Run | None:
        """The newest run that this entry of the schedule asked for; one that had nothing to do is not remembered."""
        return next((run for run in self._listed(f"{_PLANNED}{entry}") if not run.skipped), None)

    def _listed(self, index: str) -> Iterator[Run]:
        start = 0
        while True:
            with broker.translated():
                ids = self._client.zrevrange(index, start, start + PAGE - 1)
                found = self._client.mget([_key(one.decode()) for one in ids]) if ids else []
            yield from (run for text in found if (run := _load(text)) is not None)
            if len(ids) < PAGE:
                return
            start += PAGE

    def latest(self, operation: str, *, state: State | None = None) -> Run | None:
        """The newest run of that operation, in that state if one is said."""
        return next((run for run in self.each(operation) if state in (None, run.state)), None)

    def unfinished(self) -> list[Run]:
        """What waits or runs, oldest first."""
        with broker.translated():
            ids = sorted(self._client.smembers(_UNFINISHED))
            found = self._client.mget([_key(one.decode()) for one in ids]) if ids else []
        runs = [run for text in found if (run := _load(text)) is not None and not run.ended]
        return sorted(runs, key=lambda run: run.queued_at)

    def check_room(self) -> None:
        """Whether another run could be remembered: a broker that is full answers, and takes nothing."""
        with broker.translated():
            # A write that writes nothing, and is refused where a real one would be.
            self._client.setrange(f"{broker.PREFIX}probe", 0, b"")

    def claim(self, identity: str, attempt: int) -> bool:
        """Whether this attempt is ours: true for the first who asks."""
        with broker.translated():
            return bool(self._client.set(_claim(identity, attempt), 1, nx=True, ex=CLAIM_SECONDS))

    def claimed(self, identity: str, attempt: int) -> bool:
        """Whether somebody has begun with this attempt."""
        with broker.translated():
            return bool(self._client.exists(_claim(identity, attempt)))

    def claim_slot(self, slot: str, identity: str) -> bool:
        """Whether a planned moment of the schedule is this run's: true for the first, and for it again."""
        key = f"{broker.PREFIX}slot:{slot}"
        with broker.translated():
            self._client.set(key, identity, nx=True, ex=CLAIM_SECONDS)
            return bool(self._client.get(key) == identity.encode())

    def alive(self, identity: str) -> bool:
        """Whether the process of this run has been heard of lately."""
        with broker.translated():
            return bool(self._client.exists(lease_key(identity)))

    def waiting(self, queues: list[str]) -> set[str]:
        """The ids of the messages that wait in the broker's queues, as kombu writes them."""
        with broker.translated():
            texts = [text for queue in queues for text in self._client.lrange(queue, 0, -1)]
        return {identity for text in texts for identity in _ID.findall(text.decode(errors="replace"))}


def _planned(asked_by: str) -> str | None:
    """The index of an entry of the schedule: thousands of other runs do not push its last one out of sight."""
    return _PLANNED + asked_by.removeprefix(_BEAT) if asked_by.startswith(_BEAT) else None


def _claim(identity: str, attempt: int) -> str:
    return f"{broker.PREFIX}claim:{identity}:{attempt}"


def lease_key(identity: str) -> str:
    """Where a run shows that it lives."""
    return f"{broker.PREFIX}lease:{identity}"


def _key(identity: str) -> str:
    return f"{broker.PREFIX}run:{identity}"


def _dump(run: Run) -> bytes:
    return run.model_dump_json().encode()


def _load(text: bytes | None) -> Run | None:
    try:
        return None if text is None else Run.model_validate_json(text)
    except ValidationError:
        return None
