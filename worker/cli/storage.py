"""`storage`: what we may do where the backups lie."""

from worker.cli.console import facts, say, show, size
from worker.cli.runner import Data, looked_up, verb
from worker.config.settings import load
from worker.storage import trial


@verb("storage")
def command(as_json: bool) -> None:
    """Try out where the backups lie: list, write, read back, write over nothing, note and delete a small file."""
    with looked_up("storage") as progress:
        result = trial.storage(load(), progress)
    show(result, as_json=as_json, view=tried)
    trial.check_usable(result)


def tried(data: Data) -> None:
    """Of each storage each step, and what it was refused with."""
    for number, place in enumerate(data["storages"]):
        if number:
            say("")
        facts(_facts(place))


def _facts(place: Data) -> list[tuple[str, str]]:
    rows = [("Where", place["where"])]
    if place["free_bytes"] is not None:
        rows.append(("Free", size(place["free_bytes"])))
    rows += [(step["what"].capitalize(), _answer(step)) for step in place["steps"]]
    if place["exclusive"] is False:
        rows.append(("At once", "it lets one machine write over another's file, so names are looked up beforehand"))
    if place["versions"] is not None:
        rows.append(("Versions", "kept" if place["versions"] else "not kept: what is deleted there is gone"))
    if place["left"]:
        rows.append(("Left", f"{place['left']}, which can be deleted by hand"))
    return rows


def _answer(step: Data) -> str:
    if step["why"] is None:
        return f"yes ({step['seconds']:g} s)"
    return f"no, {step['right']} is missing: {step['why']}" if step["right"] else f"no: {step['why']}"
