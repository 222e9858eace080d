"""What pages need to know of runs and workers, read at once; where the broker is away, only why."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Any, TypeVar

from web import standing
from worker.alerts import judged
from worker.broker import heartbeat
from worker.config.settings import Settings
from worker.errors import BrokerUnavailableError
from worker.runs import operations, reach
from worker.runs.operations import unserved
from worker.runs.run import Run
from worker.runs.store import Ours, Runs, open_runs

Answer = TypeVar("Answer")
_SECONDS, _IN_ALL = 2, 3
"""How long a page waits for an answer of the broker, and after how long it asks nothing more."""
_LOOKED_THROUGH = 200
"""How many runs of one kind are searched for the latest of something."""


@dataclass(frozen=True)
class Memory:
    """Runs of backups since some day, newest first, and the latest word on everything else."""

    backups: list[Run] = field(default_factory=list)
    unfinished: list[Run] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)
    """Backups whose latest verification failed, and its sentence."""
    stats: Run | None = None
    ping: Run | None = None
    rights: Run | None = None
    """The latest check that the source answered."""
    trial: Run | None = None
    """The latest of the storage that has come to its end."""
    copies: list[Run] = field(default_factory=list)
    """The latest that copy a backup to another storage, newest first."""
    planned: dict[str, Run] = field(default_factory=dict)
    """The latest run of each part of the schedule: daily, interval, prune, drill."""
    alive: dict[str, list[str]] = field(default_factory=dict)
    """Hosts by role (jobs, quick, questions, celery, beat)."""
    away: str | None = None
    """Why nothing is known; None where it is."""
    full: str | None = None
    """Why no new run can be asked for, although the broker answers."""

    @property
    def facts(self) -> dict[str, Any]:
        """What the latest stats run found of source, broker and storage; empty where there is none."""
        value = self.stats.value if self.stats is not None and isinstance(self.stats.value, dict) else {}
        return {what: fields for what, fields in value.items() if isinstance(fields, dict)}

    @property
    def word(self) -> reach.Word | None:
        """The latest answer to whether the source can be reached."""
        made = next((run for run in self.backups if run.state == "SUCCESS" and not run.skipped), None)
        return reach.latest((self.stats, self.ping, self.rights, made))

    @property
    def troubled(self) -> list[Run]:
        """What has failed and is tried again."""
        return [run for run in self.working if run.troubled]

    @property
    def working(self) -> list[Run]:
        """What waits or runs, questions left out."""
        return [run for run in self.unfinished if not operations.of(run.operation).asks]

    @property
    def idle(self) -> list[str]:
        """Queues that nobody serves, as far as is known."""
        return unserved(self.alive) if self.away is None else []


def remember(settings: Settings, days: int = 0) -> Memory:
    """All of it; runs of backups of the last `days`."""
    since = datetime.now(UTC) - timedelta(days=days)

    def ask(runs: Runs) -> Memory:
        return Memory(
            list(takewhile(lambda run: run.queued_at > since, runs.ours.each("backup"))) if days else [],
            runs.ours.unfinished(),
            _sentences(judged.damaged(islice(runs.ours.each("verify"), _LOOKED_THROUGH))),
            runs.ours.latest("stats", state="SUCCESS"),
            runs.ours.latest("ping"),
            runs.ours.latest("ping", state="SUCCESS"),
            next((run for run in runs.ours.each("storage") if run.ended), None),
            [*islice(runs.ours.each("copy"), _LOOKED_THROUGH)] if settings.backup_copies else [],
            _planned(runs),
            heartbeat.seen(settings),
            full=_full(runs),
        )

    memory, away = recall(settings, ask)
    return memory or Memory(away=away)


def as_seen(run: Run, ours: Ours) -> Run:
    """The run as it may be seen here: of somebody else's Redis without its log and without its data."""
    if ours.has(run):
        return run
    hidden = operations.of(run.operation).asks
    return run.model_copy(update={"log": [], "value": None if hidden else run.value})


def recall(settings: Settings, ask: Callable[[Runs], Answer]) -> tuple[Answer | None, str | None]:
    """What `ask` reads from the memory of runs, or the sentence that says why it cannot be read."""
    try:
        with open_runs(settings, _SECONDS, _IN_ALL) as runs:
            return ask(runs), None
    except BrokerUnavailableError as error:
        standing.missed(settings, str(error))
        return None, str(error)


def _full(runs: Runs) -> str | None:
    try:
        runs.check_room()
    except BrokerUnavailableError as error:
        return str(error)
    return None


def _planned(runs: Runs) -> dict[str, Run]:
    ours = runs.ours
    latest = {"daily": ours.planned("daily"), "interval": ours.planned("interval"), "prune": ours.latest("prune")}
    latest["drill"] = ours.latest("drill")
    return {entry: run for entry, run in latest.items() if run is not None}


def _sentences(failed: dict[str, Run]) -> dict[str, str]:
    return {name: run.error or "It failed." for name, run in failed.items()}
