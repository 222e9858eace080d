"""`visit`: what has come in the source's replication stream since the last visit."""

from worker.cli.console import notes, say, show, size
from worker.cli.runner import Data, looked_up, verb
from worker.config.settings import load
from worker.segments.sealing import seal
from worker.segments.visits.visit import visit


@verb("visit")
def command(as_json: bool) -> None:
    """Bring home what the source has run since the last visit, so that any moment can be gone back to.

    It never makes the source take a snapshot. What is whole of the stream goes into storage as well.
    """
    with looked_up("visit") as progress:
        outcome = visit(load())
        if outcome["whole"]:
            outcome |= seal(load(), progress)
    show(outcome, as_json=as_json, view=_visited)


def _visited(data: Data) -> None:
    if data["gap"]:
        notes([f"The stream has a gap: {data['gap']}. No moment in it can be gone back to."])
    say(f"{data['commands']:,} commands, {size(data['bytes'])}: the stream is at home up to offset {data['to']:,}")
    for name in data.get("sealed", ()):
        say(f"{name} is stored")
    notes(data.get("warnings", []))
    if not data["follows"]:
        notes(["The source keeps no replication stream yet: it begins one with its first backup by replication."])
    elif not data["base"]:
        notes(
            ["There is no backup in this stream yet: `python -m worker backup` makes one, and moments begin with it."]
        )
