"""What came of a run, in one sentence, and what to do next."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from web.wording.consequences import RISKS
from web.wording.numbers import counted, duration, listed, number, short, size
from web.wording.runs import fitting, state
from worker.runs.operations import Name, of
from worker.runs.run import Run

Teller = Callable[[dict[str, Any]], str]
_OUTCOMES: dict[str, Teller] = {}
"""By operation: what says in one sentence what a run of it has come to, of its result."""


def outcome(run: Run) -> str:
    """What came of it, in one sentence; empty while it has not ended."""
    if not run.ended:
        return ""
    if run.error and run.state != "SUCCESS":
        return run.error
    if run.state == "INTERRUPTED":
        return "It was killed before its end."
    value = run.value if run.state == "SUCCESS" and isinstance(run.value, dict) else None
    if value is None:
        return ""
    if run.skipped:
        return f"Nothing to do: {value['skipped']}."
    told = _OUTCOMES.get(run.operation)
    # A result may be one of another version of this program: its page is to be seen all the same.
    with suppress(AttributeError, TypeError, ValueError):
        return told(value) if told else ""
    return ""


def _told_of(operation: Name) -> Callable[[Teller], Teller]:
    """What tells of that operation's results."""

    def kept(teller: Teller) -> Teller:
        _OUTCOMES[operation] = teller
        return teller

    return kept


@_told_of("backup")
def _backup(value: dict[str, Any]) -> str:
    stored = value.get("bytes", {})
    return (
        f"{counted(value.get('keys'), 'key')} in {size(stored.get('stored'))} "
        f"({size(stored.get('raw'))} before compression), {duration(value.get('duration_seconds'))}."
    )


@_told_of("restore")
def _restore(value: dict[str, Any]) -> str:
    told = ["restored", "skipped", "expired", "failed"]
    told += ["deleted"] if value.get("way") else []
    told += ["evicted"] if value.get("evicted") else []
    differing = value.get("differing")
    stay = "differs and stays as it is" if differing == 1 else "differ and stay as they are"
    besides = {"skipped": f" ({number(differing)} of them {stay})" if differing else ""}
    counts = [f"{number(value.get(what, 0))} {what}{besides.get(what, '')}" for what in told]
    return f"{', '.join(counts)}, in {duration(value.get('seconds'))}."


@_told_of("preview")
def _preview(value: dict[str, Any]) -> str:
    if value.get("refusal"):
        return "It would be refused, and nothing would be written."
    told = value.get("forecast", {})
    words = [
        f"restore {counted(told.get('restored', 0), 'key')}",
        f"leave {number(told.get('skipped', 0))} alone",
        *([f"fail with {number(told['failed'])}"] if told.get("failed") else []),
        *([f"delete {number(told['deleted'])}"] if told.get("deleted") else []),
    ]
    if differing := told.get("differing"):
        stay = "differs and would stay as it is" if differing == 1 else "differ and would stay as they are"
        return f"It would {listed(words)}: {number(differing)} {stay}. Nothing was written."
    return f"It would {listed(words)}. Nothing was written."


@_told_of("undo")
def _undo(value: dict[str, Any]) -> str:
    left = value.get("left_alone", 0)
    words = f"{number(value.get('put_back', 0))} put back, {number(value.get('deleted', 0))} deleted"
    return f"{words}, {number(left)} left alone, for others have changed them since." if left else f"{words}."


@_told_of("verify")
def _verify(value: dict[str, Any]) -> str:
    return f"Whole, and what its manifest says: {counted(value.get('keys'), 'key')}, {size(value.get('bytes'))}."


@_told_of("prune")
def _prune(value: dict[str, Any]) -> str:
    verb = "Would delete" if value.get("dry_run") else "Deleted"
    deleted, kept = len(value.get("deleted", [])), len(value.get("kept", []))
    if not deleted and not value.get("cut_short"):
        return f"Nothing had to go: {counted(kept, 'backup')} kept."
    return f"{verb} {counted(deleted, 'backup')} ({size(value.get('freed_bytes', 0))}), kept {kept}."


@_told_of("search")
def _search(value: dict[str, Any]) -> str:
    if "rows" in value:
        return f"{short(value.get('key'))} as it is in {_sides(value)}."
    where = f"in {counted(len(value.get('looked_through', ())), 'place')} that were looked through"
    if "match" not in value:
        return f"Found {where}." if value.get("found") else f"Not found {where}."
    told = fitting(value).capitalize()
    return f"{told}. {number(len(value['keys']))} of them are here." if value.get("more") else f"{told}, {where}."


def _sides(value: dict[str, Any]) -> str:
    return listed(side.get("where") for side in (value.get("show"), value.get("against")) if side)


@_told_of("stats")
def _stats(value: dict[str, Any]) -> str:
    reachable = value.get("source", {}).get("reachable")
    words = "the source answers" if reachable else "the source cannot be reached"
    return f"{counted(value.get('count'), 'backup')}, {size(value.get('bytes'))}; {words}."


@_told_of("delete")
def _delete(value: dict[str, Any]) -> str:
    return f"{value.get('deleted')} is deleted."


@_told_of("repair")
def _repair(value: dict[str, Any]) -> str:
    return f"{counted(len(value.get('repaired', ())), 'manifest')} made anew."


@_told_of("pin")
def _pin(value: dict[str, Any]) -> str:
    return f"{value.get('pinned')} is kept: {value.get('why')}."


@_told_of("unpin")
def _unpin(value: dict[str, Any]) -> str:
    return f"{value.get('unpinned')} is left to retention again."


@_told_of("ping")
def _ping(value: dict[str, Any]) -> str:
    return f"The source at {value.get('address')} answers."


def is_stale(run: Run) -> bool:
    """Whether a restore was refused because the target has changed since its preview."""
    return is_risky(run) and run.risk == "changed"


def is_risky(run: Run) -> bool:
    """Whether it is a restore that was refused, or stopped, and that goes on for whoever takes the risk."""
    return run.operation == "restore" and run.state == "FAILURE" and run.risk in RISKS


def advice(run: Run) -> str:
    """What to do next, now that it has ended."""
    if is_stale(run):
        return "Nothing was written. Preview it again to see what is different now, or restore all the same."
    if run.risk and is_risky(run):
        written = "What was written before it stopped stays written." if run.value else "Nothing was written."
        return f"{written} Mend what the sentence names and restore again, or go on all the same. {RISKS[run.risk][1]}"
    return of(run.operation).advice.get(state(run), "")
