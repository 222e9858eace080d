"""Whether the source can be reached, by the latest run that tried. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from worker.runs.run import Run


@dataclass(frozen=True)
class Word:
    """What came of asking the source for something."""

    at: datetime
    error: str | None = None
    """Why that failed; None where it did not."""
    outside: str | None = None
    """The same without anything that a server said of its keys."""
    answers: bool | None = None
    """Whether the source itself answered, as where it refuses us; None where that is not known."""


def latest(runs: Iterable[Run | None]) -> Word | None:
    """The last word of these runs, which are statistics, checks and backups; None where none of them knows."""
    words = (_word(run) for run in runs if run is not None and run.ended)
    return max((word for word in words if word is not None), key=lambda word: word.at, default=None)


def _word(run: Run) -> Word | None:
    at, good = run.ended_at or run.queued_at, run.state == "SUCCESS"
    if run.operation == "stats":
        return _of_statistics(at, run.value) if good else None
    if good and not run.skipped:
        return Word(at, answers=True)
    if run.operation == "ping" and run.state == "FAILURE":
        return Word(at, run.error or "It failed.", run.outside)
    return None  # a backup can fail for many reasons, which it tells itself


def _of_statistics(at: datetime, value: Any) -> Word | None:
    source = value.get("source") if isinstance(value, dict) else None
    if not isinstance(source, dict) or "reachable" not in source:
        return None
    if source["reachable"]:
        return Word(at, answers=True)
    outside = source.get("outside")
    error = str(source.get("error", "It does not answer."))
    return Word(at, error, outside if isinstance(outside, str) else None, bool(source.get("answers", False)))
