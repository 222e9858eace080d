"""All runs: what Celery forgets, kept in the broker's Redis under the task's id.

How a run ended is said once: each change is made only if nobody has ended it, or begun with a later attempt, by then.
"""

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property, partial
from operator import eq
from typing import Any

import redis
from redis.exceptions import WatchError

from worker.broker import bounded, connection, heartbeat
from worker.config.settings import Settings
from worker.errors import BusyError, NotFoundError, RefusedError
from worker.runs import listing, operations, ownership
from worker.runs.listing import MOST_UNFINISHED, UNFINISHED, loaded, run_key
from worker.runs.liveness import CLAIM_SECONDS, LEASE_MILLISECONDS, Liveness, lease_key
from worker.runs.ownership import Owner
from worker.runs.run import Run, State

_ID = re.compile(r'"id": "([^"]+)"')
CHANGE_TRIES = 20


@contextmanager
def open_runs(settings: Settings, seconds: float = 3, in_all: float = math.inf) -> Iterator["Runs"]:
    """The memory of runs; every call on it raises BrokerUnavailableError when the broker takes longer than that, or when
    all calls together have taken `in_all` seconds.
    """
    with connection.client(settings, seconds, in_all) as client:
        yield Runs(client, settings)


class Ours:
    """Of all runs those that are about our source, targets and storage; what waits, or was remembered without a word
    about that, among them.
    """

    def __init__(self, runs: "Runs", client: Any, owner: Owner) -> None:
        self._runs, self._client, self._owner = runs, client, owner

    def has(self, run: Run) -> bool:
        """Whether a run is one of them."""
        return self._owner.has(ownership.whose(run))

    def holds(self, run: Run) -> bool:
        """Whether the backups that it names, and what it kept to be undone with, lie in our storage."""
        return self._owner.has(ownership.lies(run))

    def each(self, operation: str) -> Iterator[Run]:
        """Those of one operation, newest first; read from the broker as they are taken."""
        return listing.of(self._client, operation, self._owner.has)

    def latest(self, operation: str, *, state: State | None = None) -> Run | None:
        """The newest of that operation, in that state if one is said."""
        return next((run for run in self.each(operation) if state in (None, run.state)), None)

    def planned(self, entry: str) -> Run | None:
        """The newest that this entry of the schedule asked for; one that had nothing to do is not remembered."""
        runs = listing.planned(self._client, entry, self._owner.has)
        return next((run for run in runs if not run.skipped), None)

    def unfinished(self) -> list[Run]:
        """What waits or runs, oldest first."""
        return [run for run in self._runs.unfinished() if self.has(run)]

    def rival(self, operation: str, arguments: dict[str, Any]) -> Run | None:
        """Anybody's run that excludes this one, because both have to be alone with the same thing; None where there is none."""
        if operations.of(operation).alone is None:
            return None
        subject = ownership.subject(self._runs.settings, operation, arguments)
        here = self._owner._replace(
            sources=frozenset({subject.get("source")}), targets=frozenset({subject.get("target")})
        )
        alike = (run for run in self._runs.unfinished() if run.operation == operation)
        return next((run for run in alike if here.has(ownership.locks(run))), None)


class Runs:
    """All runs that are remembered."""

    def __init__(self, client: "redis.Redis", settings: Settings) -> None:
        self._client: Any = client
        self.settings = settings
        self.liveness = Liveness(self._client)

    @cached_property
    def ours(self) -> Ours:
        """Those that are ours, by the settings of this process."""
        with connection.translated():
            hosts = bounded.names(self._client, heartbeat.HOSTS, 0, heartbeat.HOSTS_KEPT)
        return Ours(
            self,
            self._client,
            ownership.owner(self.settings, frozenset(host.decode(errors="replace") for host in hosts)),
        )

    def add(self, run: Run) -> bool:
        """Remember a run, unless it is remembered already. Whether it was new."""
        return self._change(run, lambda known: known is None)

    def put(self, run: Run) -> bool:
        """Remember it as it is now, and give up its lease when it has ended. False where it was ended, or begun anew, by
        somebody else: then nothing is changed.
        """
        return self._change(run, lambda known: known is None or _may_become(known, run))

    def interrupt(self, run: Run, error: str, repeat: Run | None) -> bool:
        """End a run that was killed, if nobody has told anything of it since it was looked at; with it the one in its place
        is remembered, so that there is one in any case, and one only. Whether it was so.
        """
        ended = run.model_copy(
            update={"state": "INTERRUPTED", "error": error, "outside": error, "ended_at": datetime.now(UTC)}
        )
        return self._change(ended, lambda known: known == run, repeat)

    def cancel(self, identity: str, by: str) -> Run:
        """Have a run end: one that waits does so now, one that runs when it comes to look; the run as it is now.

        Raises NotFoundError where there is none, and RefusedError where it has ended.
        """
        for _ in range(CHANGE_TRIES):
            run = self.get(identity)
            if run is None:
                raise NotFoundError("There is no run of that id: it was never asked for, or it is long forgotten.")
            if run.ended:
                raise RefusedError(f"The run has ended already ({run.state}): there is nothing to cancel.")
            if run.state == "STARTED":
                with connection.translated():
                    self._client.set(_cancel(identity), by, nx=True, ex=CLAIM_SECONDS)
                return run
            words = (
                f"Cancelled by {by} before it began." if run.state == "PENDING" else f"Cancelled by {by}. {run.error}"
            )
            changes = {"state": "CANCELLED", "error": words, "ended_at": datetime.now(UTC)}
            ended = run.model_copy(update=changes)
            if self._change(ended, partial(eq, run)):
                return ended
        raise BusyError("The run is changing all the time: try again.")

    def cancelled_by(self, identity: str) -> str | None:
        """Who wants this run to stop; None where nobody does."""
        with connection.translated():
            asked = self._client.get(_cancel(identity))
        return asked.decode() if asked else None

    def amend(self, identity: str, words: str) -> None:
        """Add words to the error of a run that has ended without success; its state stays."""
        known = self.get(identity)
        if known is not None and known.ended and known.state != "SUCCESS":
            amended = known.model_copy(update={"error": f"{known.error} {words}"})
            self._change(amended, lambda current: current == known)

    def _change(self, run: Run, allowed: Callable[[Run | None], bool], also: Run | None = None) -> bool:
        """Remember a run (and another, which is new) in one step, if what is known of it by then allows it."""
        key = run_key(run.id)
        with connection.translated(), self._client.pipeline(transaction=True) as pipe:
            # Others write this run once a second at most.
            for last in (*[False] * CHANGE_TRIES, True):
                pipe.watch(key)
                if not allowed(loaded(bounded.records(pipe, [key])[0])):
                    return False
                pipe.multi()
                for each in filter(None, (also, run)):
                    pipe.set(run_key(each.id), _dump(each))
                    _index(pipe, each)
                try:
                    answers = pipe.execute()
                    break
                except WatchError:
                    if last:
                        raise
            listing.forget_beyond(self._client, run, answers)
            return True

    def get(self, identity: str) -> Run | None:
        """The run of that id; None for an id that was never issued, or long forgotten."""
        with connection.translated():
            return loaded(bounded.records(self._client, [run_key(identity)])[0])

    def forget(self, identity: str) -> None:
        """A run that could not be queued after all leaves no trace."""
        with connection.translated():
            run = self.get(identity)
            with self._client.pipeline(transaction=True) as pipe:
                pipe.delete(run_key(identity))
                if run is not None:
                    listing.remove(pipe, run)
                pipe.execute()

    def each(self, operation: str | None = None) -> Iterator[Run]:
        """All runs, of one operation if that is said, newest first; read from the broker as they are taken."""
        return listing.each(self._client, operation)

    def unfinished(self) -> list[Run]:
        """What waits or runs, oldest first."""
        with connection.translated():
            ids = self._client.srandmember(UNFINISHED, MOST_UNFINISHED)
            texts = bounded.records(
                self._client, [run_key(identity.decode(errors="replace")) for identity in sorted(ids)]
            )
        runs = [run for text in texts if (run := loaded(text)) is not None and not run.ended]
        return sorted(runs, key=lambda run: run.queued_at)

    def check_room(self) -> None:
        """Whether another run could be remembered: a broker that is full answers, and takes nothing."""
        with connection.translated():
            # It writes nothing, and is refused where a real write would be.
            self._client.setrange(f"{connection.PREFIX}probe", 0, b"")

    def waiting(self, queues: list[str]) -> set[str]:
        """The ids of the messages that wait in the broker's queues, as kombu writes them."""
        with connection.translated():
            texts = [text for queue in queues for text in self._client.lrange(queue, 0, -1)]
        return {identity for text in texts for identity in _ID.findall(text.decode(errors="replace"))}


def _index(pipe: Any, run: Run) -> None:
    pipe.srem(UNFINISHED, run.id) if run.ended else pipe.sadd(UNFINISHED, run.id)
    if run.ended:
        pipe.delete(lease_key(run.id), _cancel(run.id))
    elif run.state == "STARTED":
        # In the same step, so that a broker that has lost its memory never has a run without its lease.
        pipe.set(lease_key(run.id), run.id, px=LEASE_MILLISECONDS)
    listing.add(pipe, run)


def _may_become(known: Run, run: Run) -> bool:
    """Whether it may go on like that. Noting the same end again is allowed, because the broker's answer may have been lost."""
    same_end = (known.state, known.ended_at) == (run.state, run.ended_at)
    return (not known.ended or same_end) and known.attempt <= run.attempt


def _cancel(identity: str) -> str:
    return f"{connection.PREFIX}cancel:{identity}"


def _dump(run: Run) -> bytes:
    text = run.model_dump_json().encode()
    if len(text) <= bounded.LARGEST_RECORD_BYTES:
        return text
    words = f"What it found has {len(text):,} bytes, more than is remembered of a run: ask for less, or in a shell."
    return run.model_copy(update={"value": None, "log": [], "error": words}).model_dump_json().encode()
