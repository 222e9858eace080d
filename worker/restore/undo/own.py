"""What is at the target, kept as the snapshot that it sends to a replica: where it allows that, and most of it will be touched.

It takes a third of the time that its keys take one by one, and is of one moment. What it holds besides, a restore does not
touch, and so no undo does.
"""

from dataclasses import dataclass

from redis.exceptions import RedisError

from worker.config.settings import Settings
from worker.engines import choice
from worker.engines.choice import Wanted
from worker.engines.replication import Replication
from worker.restore.target.job import Job
from worker.server.endpoint import Endpoint
from worker.server.info import Facts
from worker.server.wire import Wire

SAVED_SECONDS = 3e-6
"""What it saves for each key."""
BEGINNING_SECONDS = 0.2
"""What it takes besides: a child of the server, a second connection."""
DELAY_SECONDS = 5.0
"""How long a server waits for other replicas, where it does not say."""
_REASON = "the target allows PSYNC, and most of what it holds was about to be touched"
MOST = 1.5
"""Of so many keys for each of the backup's, most are touched."""


@dataclass(frozen=True)
class Own:
    """What sends it, and why it is asked."""

    source: Replication
    reason: str


def chosen(settings: Settings, job: Job, facts: Facts) -> Own | None:
    """Its snapshot, and why; None where its keys are to be asked for one by one. Raises the endpoint's errors."""
    plan, request = job.plan, job.plan.request
    there = sum(facts.keys.values())
    if settings.backup_engine not in ("auto", "replication") or request.mode == "skip":
        return None
    if request.narrowed or request.moved or request.kinds is not None:
        return None
    if not request.deletes and there > MOST * (plan.manifest.keys or 0):
        return None
    if there * SAVED_SECONDS < BEGINNING_SECONDS + _delay(plan.endpoint):
        return None
    if Replication(plan.endpoint).refusal() is not None:
        return None
    source = choice.choose(plan.endpoint, facts, Wanted("replication", "rdb", [])).source
    return Own(source, _REASON) if isinstance(source, Replication) else None


def _delay(endpoint: Endpoint) -> float:
    """How many seconds pass before it begins."""
    with endpoint.translated("asking how it makes snapshots"), Wire(endpoint) as wire:
        diskless, delay = (
            wire.try_(b"CONFIG", b"GET", name) for name in (b"repl-diskless-sync", b"repl-diskless-sync-delay")
        )
    if isinstance(diskless, RedisError) or isinstance(delay, RedisError) or not (diskless and delay):
        return DELAY_SECONDS
    return float(delay[1]) if diskless[1] == b"yes" else 0.0
