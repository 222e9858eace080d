"""Values of keys in what a run has found: put back where they are kept still, or why they are not."""

from typing import Any

from worker.config.settings import load_web
from worker.runs import values
from worker.runs.run import Run

_AGAIN = {"preview": "preview it again"}
KEPT_FOR = f"{values.SECONDS // 60} minutes"
LISTED = "A list has no values of keys: GET /api/result/ID has them, while they are kept."


def opened(run: Run) -> tuple[Run, str | None]:
    """The run with the values in what it found; without them, and why, where they are gone. Raises BrokerUnavailableError."""
    if run.values is None or run.value is None:
        return run, None
    again = _AGAIN.get(run.operation, "look again")
    if run.values == "shown":
        return run, f"Values were shown at the shell where this was asked, and are kept nowhere: {again} to see them."
    if run.values == "keyless":
        return run, (
            "The values could not be kept for this page: the worker of the queue `questions` has no SESSION_SECRET to seal them "
            f"with. Give it the one of the dashboard, then {again}."
        )
    settings = load_web()
    closed = values.kept(settings, run.id)
    if closed is None:
        return run, f"Values are kept for {KEPT_FOR} only, and these are gone: {again} to see them."
    quoted = values.unsealed(settings, run.id, closed)
    result = None if quoted is None else values.joined(run.value, quoted)
    if result is None:
        return run, (
            "The values cannot be read here: they were sealed with another SESSION_SECRET than that of this dashboard. Give "
            f"both the same, then {again}."
        )
    return run.model_copy(update={"value": result}), None


def has_values(result: Any) -> bool:
    """Whether there are values of keys in that, and not names and numbers alone."""
    return bool(values.parted(result)[1])
