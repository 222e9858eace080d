"""What a page needs to know of runs and workers, read at once; where the broker is away, nothing, and why."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Any, TypeVar

from worker import heartbeat
from worker.config import Settings
from worker.errors import BrokerUnavailableError
from worker.runs import Run, Runs, open_runs

Answer = TypeVar("Answer")
_SECONDS = 2
"""How long a page waits for the broker."""
_LOOKED_THROUGH = 200
"""Runs of one kind that are looked through for the latest of something."""


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
    planned: dict[str, Run] = field(default_factory=dict)
    """The latest run of each part of the schedule: daily, interval, prune."""
    alive: dict[str, list[str]] = field(default_factory=dict)
    """Hosts by role (jobs, quick, celery, beat)."""
    away: str | None = None
    """Why nothing is known; None where it is."""

    @property
    def facts(self) -> dict[str, Any]:
        """The value of the latest stats run; empty where there is none."""
        return self.stats.value if self.stats is not None and isinstance(self.stats.value, dict) else {}

    @property
    def working(self) -> list[Run]:
        """What waits or runs, questions left out."""
        return [run for run in self.unfinished if run.operation not in ("stats", "ping")]


def remember(settings: Settings, days: int = 0) -> Memory:
    """All of it; runs of backups of the last `days`."""
    since = datetime.now(UTC) - timedelta(days=days)

    def ask(runs: Runs) -> Memory:
        return Memory(
            list(takewhile(lambda run: run.queued_at > since, runs.each("backup"))) if days else [],
            runs.unfinished(),
            _damaged(islice(runs.each("verify"), _LOOKED_THROUGH)),
            runs.latest("stats", state="SUCCESS"),
            runs.latest("ping"),
            runs.latest("ping", state="SUCCESS"),
            _planned(runs),
            heartbeat.seen(settings),
        )

    found, away = recall(settings, ask)
    return found or Memory(away=away)


def recall(settings: Settings, ask: Callable[[Runs], Answer]) -> tuple[Answer | None, str | None]:
    """What `ask` finds in the memory of runs, or the sentence that says why nobody can tell."""
    try:
        with open_runs(settings, _SECONDS) as runs:
            return ask(runs), None
    except BrokerUnavailableError as error:
        return None, str(error)


def _planned(runs: Runs) -> dict[str, Run]:
    latest: dict[str, Run] = {}
    for run in islice(runs.each("backup"), _LOOKED_THROUGH):
        if run.asked_by.startswith("beat "):
            latest.setdefault(run.asked_by.removeprefix("beat "), run)
    prune = runs.latest("prune")
    return latest | ({"prune": prune} if prune else {})


def _damaged(verifications: Any) -> dict[str, str]:
    latest: dict[str, Run] = {}
    for run in verifications:
        if run.ended and run.state != "INTERRUPTED":
            latest.setdefault(str(run.arguments.get("name")), run)
    return {name: run.error or "It failed." for name, run in latest.items() if run.state == "FAILURE"}
