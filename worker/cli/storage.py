"""`storage`: what we may do where the backups lie."""

from worker.cli.console import facts, show, size
from worker.cli.runner import Data, looked_up, verb
from worker.config.settings import load
from worker.errors import StorageError
from worker.storage import open_storage
from worker.storage.trial import try_out


@verb("storage")
def command(as_json: bool) -> None:
    """Try out where the backups lie: list, write, read back, write over nothing, note and delete a small file."""
    storage = open_storage(load().backup_storage)
    with looked_up("storage"):
        steps = try_out(storage)
        result = {
            "where": str(storage),
            "steps": [{"what": step.what, "seconds": step.seconds, "why": step.why} for step in steps],
            "exclusive": storage.exclusive,
            "free_bytes": storage.free_bytes(),
        }
    show(result, as_json=as_json, view=tried)
    if refused := [step for step in steps if step.why]:
        raise StorageError(f"Backups cannot be kept there: {refused[0].why}")


def tried(data: Data) -> None:
    """Each step, and what it was refused with."""
    rows = [("Where", data["where"])]
    if data["free_bytes"] is not None:
        rows.append(("Free", size(data["free_bytes"])))
    rows += [(step["what"].capitalize(), _answer(step)) for step in data["steps"]]
    if data["exclusive"] is False:
        rows.append(("At once", "it lets one machine write over another's file, so names are looked up beforehand"))
    facts(rows)


def _answer(step: Data) -> str:
    return f"no: {step['why']}" if step["why"] else f"yes ({step['seconds']:g} s)"
