"""What can be wrong with those who do the work."""

from collections.abc import Iterator
from datetime import timedelta

from worker.alerts.conditions.condition import Condition
from worker.alerts.facts import Facts
from worker.runs import operations

AT_WORK = timedelta(minutes=5)
"""A worker that is started anew is away for a moment."""


def nobody_at_work(facts: Facts) -> Iterator[Condition] | None:
    """None serves the queue of backups."""
    if facts.alive is None:
        return None
    if "jobs" not in operations.unserved(facts.alive):
        return iter(())
    return iter(
        [
            Condition(
                "worker.away",
                "bad",
                "No worker is running",
                "Nobody serves the queue jobs, so neither a backup nor a restore begins.",
                "Start it with `celery -A worker worker`.",
                "/system",
                "A worker serves the queue jobs",
                after=AT_WORK,
            )
        ]
    )
