"""Whether a preview still tells what a restore would do: the target is compared anew, and what has changed is said."""

from typing import Any

from worker.arguments.restore import PreviewArguments
from worker.config.settings import Settings
from worker.errors import NotFoundError, RefusedError, UsageError
from worker.formats.compare.values import KINDS, Kind
from worker.progress import Progress
from worker.restore.preview import fingerprint
from worker.restore.preview.preview import Look
from worker.restore.selection.plan import Plan
from worker.runs.run import Run, brief
from worker.runs.store import open_runs

# The preview counts all kinds, whichever of them are then written; it may have been asked for the latest backup, and have
# read the same bytes elsewhere.
_MAY_DIFFER = frozenset({"name", "kinds", "storage"})


def changes_since(settings: Settings, preview: str, plan: Plan, progress: Progress) -> str | None:
    """What has changed at the target since that preview, as a sentence; None where it is as it was.

    Raises NotFoundError, UsageError for what is no preview, RefusedError for one of something else, and
    BrokerUnavailableError, for there the preview is remembered.
    """
    seen = _seen(settings, preview)
    _check_fits(seen, plan)
    before = seen.value["seen"]
    look = Look(settings, plan, before["since"])
    look.compare(progress)
    others = fingerprint.others(before, look.seen.as_dict(), look.ended)
    touched = {kind for kind in others if kind == "deleted" or look.findings.writes(kind)}
    return _changes(seen.value["counts"], look.findings.as_dict()["counts"], touched)


def _seen(settings: Settings, preview: str) -> Run:
    with open_runs(settings) as runs:
        run = runs.get(preview)
        elsewhere = run is not None and not runs.ours.has(run)
    if run is None:
        raise NotFoundError(f"There is no run of the id {preview!r}: preview the restore again.")
    if run.operation != "preview":
        raise UsageError(f"Run {preview} is no preview: name one, or preview the restore first.")
    if elsewhere:
        raise RefusedError(f"The preview {preview} was one of another server, {run.target}: preview the restore again.")
    if run.state != "SUCCESS" or not isinstance(run.value, dict):
        raise RefusedError(f"The preview {preview} has not come to its end: preview the restore again.")
    return run


def _check_fits(seen: Run, plan: Plan) -> None:
    """RefusedError where the preview was of another backup, or of another part, way or place."""
    if seen.value["name"] != plan.name:
        raise RefusedError(
            f"The preview {seen.id} is one of {seen.value['name']} and not of {plan.name}: preview the restore again."
        )
    arguments = seen.arguments
    previewed = PreviewArguments.model_validate({name: value for name, value in arguments.items() if name != "keys"})
    names = sorted(set(PreviewArguments.model_fields) - _MAY_DIFFER - {"keys"})
    other = [name for name in names if getattr(previewed, name) != getattr(plan.request, name)]
    # A long list of keys is kept in brief.
    if _listed(arguments.get("keys")) != _listed(plan.request.model_dump(mode="json")["keys"]):
        other.append("keys")
    if other:
        raise RefusedError(
            f"The preview {seen.id} was asked for something else ({', '.join(other)}): preview the restore again."
        )


def _listed(keys: Any) -> Any:
    names = brief({"keys": keys})["keys"]
    return frozenset(names) if isinstance(names, list) else names


def _changes(before: dict[str, int], now: dict[str, int], others: set[Kind]) -> str | None:
    """The kinds of which there are more keys now, or others. Expiry is no change, because nobody does anything for it."""
    grown = [kind for kind in KINDS if kind != "expired" and now[kind] > before[kind]]
    # Where one kind has lost keys, another one usually has more.
    alike = [kind for kind in KINDS if kind in others and now[kind] == before[kind]]
    changes = [_change(kind, before[kind], now[kind]) for kind in grown + alike or sorted(others)]
    return f"The target has changed since the preview: {', '.join(changes)}." if changes else None


def _change(kind: Kind, before: int, now: int) -> str:
    if now == before:
        return f"{_WORDS[kind]} {now:,} as then, but other keys or other values"
    return f"{_WORDS[kind]} {now:,} ({before:,} then)"


_WORDS: dict[Any, str] = {
    "new": "new",
    "identical": "identical",
    "differs": "of another value",
    "expiry": "of another expiry only",
    "deleted": "to be deleted",
}
