"""What came of a run, in one sentence, and what to do next.

A run that failed says so by its error, which its verb makes: of a restore with failed keys that is worker/restore/restore.py.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from web.wording.consequences import RISKS
from web.wording.keys.befallen import fitting
from web.wording.numbers import counted, duration, listed, number, short, size
from web.wording.runs import state
from worker.runs.operations import Name, of
from worker.runs.run import Run

Teller = Callable[[dict[str, Any]], str]
_OUTCOMES: dict[str, Teller] = {}
"""By operation: the function that makes one sentence of a run's result."""


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
    teller = _OUTCOMES.get(run.operation)
    # The result may come from another version of this program; its page must be shown all the same.
    with suppress(AttributeError, TypeError, ValueError):
        return teller(value) if teller else ""
    return ""


def _tells(operation: Name) -> Callable[[Teller], Teller]:
    """Register the function for that operation's results."""

    def kept(teller: Teller) -> Teller:
        _OUTCOMES[operation] = teller
        return teller

    return kept


@_tells("backup")
def _backup(value: dict[str, Any]) -> str:
    stored = value.get("bytes", {})
    return (
        f"{counted(value.get('keys'), 'key')} in {size(stored.get('stored'))} "
        f"({size(stored.get('raw'))} before compression), {duration(value.get('duration_seconds'))}."
    )


@_tells("restore")
def _restore(value: dict[str, Any]) -> str:
    kinds = ["restored", "skipped", "expired", "failed"]
    kinds += ["deleted"] if value.get("way") else []
    kinds += ["evicted"] if value.get("evicted") else []
    differing = value.get("differing")
    stay = "differs and stays as it is" if differing == 1 else "differ and stay as they are"
    besides = {"skipped": f" ({number(differing)} of them {stay})" if differing else ""}
    counts = [f"{number(value.get(kind, 0))} {kind}{besides.get(kind, '')}" for kind in kinds]
    return f"{', '.join(counts)}, in {duration(value.get('seconds'))}."


@_tells("preview")
def _preview(value: dict[str, Any]) -> str:
    if value.get("refusal"):
        return "It would be refused, and nothing would be written."
    forecast = value.get("forecast", {})
    words = [
        f"restore {counted(forecast.get('restored', 0), 'key')}",
        f"leave {number(forecast.get('skipped', 0))} alone",
    ]
    rarely = (("failed", "fail with"), ("deleted", "delete"))
    words += [f"{verb} {number(forecast[kind])}" for kind, verb in rarely if forecast.get(kind)]
    differing = forecast.get("differing")
    stay = "differs and would stay as it is" if differing == 1 else "differ and would stay as they are"
    besides = f": {number(differing)} {stay}" if differing else ""
    return f"It would {listed(words)}{besides}. Nothing was written."


@_tells("differences")
def _differences(value: dict[str, Any]) -> str:
    shown = counted(len(value.get("keys", ())), "key")
    return (
        f"{shown}, and more follow."
        if value.get("next")
        else f"{shown}, the last of them."
        if value.get("keys")
        else "No further key."
    )


@_tells("undo")
def _undo(value: dict[str, Any]) -> str:
    left = value.get("left_alone", 0)
    words = f"{number(value.get('put_back', 0))} put back, {number(value.get('deleted', 0))} deleted"
    return f"{words}, {number(left)} left alone, for others have changed them since." if left else f"{words}."


@_tells("verify")
def _verify(value: dict[str, Any]) -> str:
    if not value.get("contents", True):
        return f"Its {size(value.get('bytes'))} are those that were written. What is in them was not checked: it is encrypted."
    return f"Whole, and what its manifest says: {counted(value.get('keys'), 'key')}, {size(value.get('bytes'))}."


@_tells("drill")
def _drill(value: dict[str, Any]) -> str:
    keys, took = counted(value.get("keys"), "key"), duration(value.get("recovery_seconds"))
    if value.get("differs"):
        return f"It did not come back as it should. {' '.join(value['differs'])}"
    if value.get("way") == "read":
        return f"Read to its end, and not rehearsed: {keys} in {took}. No server was given it: {value.get('reason')}."
    compared = "all of them" if value.get("compared") == "all" else f"{number(value.get('sampled'))} drawn at random"
    how = "loaded as one file" if value.get("way") == "mirror" else "written key by key"
    return f"Came back: {keys} in {took}, into {value.get('server')}, {how}. The values of {compared} are those of the backup."


@_tells("reencrypt")
def _reencrypt(value: dict[str, Any]) -> str:
    return f"{value.get('name')} is verified, and takes the place of {value.get('replaced')}."


@_tells("prune")
def _prune(value: dict[str, Any]) -> str:
    verb = "Would delete" if value.get("dry_run") else "Deleted"
    deleted, trashed, emptied, named = (len(value.get(how, [])) for how in ("deleted", "trashed", "emptied", "kept"))
    kept = value.get("kept_total", named)  # older versions named all of them
    if not (deleted or trashed or emptied or value.get("cut_short")):
        return f"Nothing had to go: {counted(kept, 'backup')} kept."
    words = [f"{counted(deleted + emptied, 'backup')} ({size(value.get('freed_bytes', 0))})"]
    words += [f"{emptied} of them from the trash"] if emptied else []
    words += [f"{'would move' if value.get('dry_run') else 'moved'} {trashed} to the trash"] if trashed else []
    return f"{verb} {', '.join(words)}, kept {kept}."


@_tells("copy")
def _copy(value: dict[str, Any]) -> str:
    copies = value.get("copies", ())
    made = [there.get("to") for there in copies if there.get("new")]
    already = [there.get("to") for there in copies if there.get("new") is False]
    words = [f"{size(value.get('bytes'))} copied to {listed(made)}."] if made else []
    words += [f"It lies in {listed(already)} already."] if already else []
    return " ".join(words) or "Nothing was done, for another run is at it."


@_tells("search")
def _search(value: dict[str, Any]) -> str:
    if "rows" in value:
        return f"{short(value.get('key'))} as it is in {_sides(value)}."
    where = f"in {counted(len(value.get('looked_through', ())), 'place')} that were looked through"
    if "match" not in value:
        return f"Found {where}." if value.get("found") else f"Not found {where}."
    many = fitting(value).capitalize()
    return f"{many}. {number(len(value['keys']))} of them are here." if value.get("more") else f"{many}, {where}."


@_tells("fits")
def _fits(value: dict[str, Any]) -> str:
    fit = "fits" if value.get("keys") == 1 else "fit"
    return f"{number(value.get('keys'))} of its {counted(value.get('of'), 'key')} {fit}."


@_tells("browse")
def _browse(value: dict[str, Any]) -> str:
    if value.get("document") is not None:
        return f"{counted(value.get('keys'), 'key')} as a document."
    return f"{counted(value.get('keys'), 'key')}, {size(value.get('bytes'))} of values."


@_tells("timeline")
def _timeline(value: dict[str, Any]) -> str:
    looked = counted(sum(version["where"] != "live" for version in value.get("versions", ())), "backup")
    good = value.get("good")
    return f"{good['before']} is the last good one of {looked}." if good else f"Nothing went or changed in {looked}."


@_tells("happened")
def _happened(value: dict[str, Any]) -> str:
    whole = value.get("totals", {})
    told = f"{counted(whole.get('writes'), 'write')}, {counted(whole.get('deleted'), 'key')} deleted or expired"
    gaps = len(value.get("gaps", ()))
    return f"{told}; {counted(gaps, 'gap')}, of which nothing is known." if gaps else f"{told}."


@_tells("writes")
def _writes(value: dict[str, Any]) -> str:
    many = counted(sum("gap" not in row for row in value.get("writes", ())), "write")
    return f"{many} to {short(value.get('key'))}{', and more follow' if value.get('next') else ''}."


def _sides(value: dict[str, Any]) -> str:
    return listed(side.get("where") for side in (value.get("show"), value.get("against")) if side)


@_tells("stats")
def _stats(value: dict[str, Any]) -> str:
    reachable = value.get("source", {}).get("reachable")
    words = "the source answers" if reachable else "the source cannot be reached"
    return f"{counted(value.get('count'), 'backup')}, {size(value.get('bytes'))}; {words}."


@_tells("delete")
def _delete(value: dict[str, Any]) -> str:
    if days := value.get("trash_days"):
        return (
            f"{value.get('deleted')} is moved to the trash, which is emptied after {counted(days, 'day')}. Until then it frees "
            "no room, and can be put back."
        )
    return f"{value.get('deleted')} is deleted."


_tells("put_back")(lambda value: f"{value.get('put_back')} is back among the backups.")
_tells("repair")(lambda value: f"{counted(len(value.get('repaired', ())), 'manifest')} made anew.")
_tells("pin")(lambda value: f"{value.get('pinned')} is kept: {value.get('why')}.")
_tells("unpin")(lambda value: f"{value.get('unpinned')} is left to retention again.")
_tells("accept")(
    lambda value: (
        f"{value.get('accepted')} is accepted as it is."
        if value.get("was_suspicious")
        else f"{value.get('accepted')} was not suspicious."
    )
)
_tells("silence")(
    lambda value: (
        f"Nobody is told of {value.get('silenced')} until {str(value['until'])[:16].replace('T', ' ')} UTC."
        if value.get("until")
        else f"{value.get('silenced')} is told of again."
    )
)
_tells("ping")(lambda value: f"The source at {value.get('address')} answers.")
_tells("try_channels")(
    lambda value: f"{listed(channel['channel'] for channel in value.get('channels', ()))} took a test message."
)
_tells("storage")(
    lambda value: f"{listed(place['where'] for place in value.get('storages', ()))} can do all that backups need."
)


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
