"""What runs and manifests mean, judged once for the dashboard's banner and for alerts: pure."""

from collections.abc import Iterable
from datetime import timedelta

from worker.repository.manifest import Manifest
from worker.runs.run import Run

_LATE = 1.1
_GRACE = timedelta(minutes=10)
"""The schedule looks now and then, and a backup takes its time: only what is later than that is overdue."""


def promised(every_hours: float) -> timedelta:
    """How old the newest backup may become before it is overdue."""
    return timedelta(hours=every_hours) * _LATE + _GRACE


def last_failure(backups: Iterable[Run], newest: Manifest | None) -> Run | None:
    """The latest backup run, if it failed and no good backup was made since. `backups` are newest first."""
    # Of one that found nothing to do, or was cancelled, nothing can be learned.
    ended = next((run for run in backups if run.tells), None)
    if ended is None or ended.state == "SUCCESS":
        return None
    begun = ended.started_at or ended.queued_at
    return None if newest is not None and newest.created_at > begun else ended


def last_as_partial(partial: Manifest | None, newest: Manifest | None, failed: Run | None) -> Manifest | None:
    """The newest partial backup, if nothing good was made since, and nothing else has failed since."""
    if partial is None or (newest is not None and newest.created_at > partial.created_at):
        return None
    return None if failed is not None and (failed.started_at or failed.queued_at) > partial.created_at else partial


def damaged(verifications: Iterable[Run]) -> dict[str, Run]:
    """By its name, the latest verification of each backup for which that failed. They come newest first."""
    latest: dict[str, Run] = {}
    for run in verifications:
        if run.tells and run.state != "INTERRUPTED":
            latest.setdefault(str(run.arguments.get("name")), run)
    return {name: run for name, run in latest.items() if run.state == "FAILURE"}
