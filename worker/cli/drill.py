"""`drill`: does a backup come back?"""

import click

from worker.arguments.backups import DrillArguments
from worker.cli.console import notes, number, say, show, size
from worker.cli.options import or_moment, with_from
from worker.cli.recorded import performed
from worker.cli.runner import Data, checked, verb
from worker.config.settings import load
from worker.restore.drill.drill import check_good, drill

_HOW = {"mirror": "loaded as one file", "keys": "written key by key"}


@verb("drill")
@or_moment
@with_from
@click.option("--full", is_flag=True, help="Compare the values of all keys, and not of a sample.")
@click.option("--way", type=click.Choice([*_HOW]), help="As one file, or key by key; without, by turns.")
def command(as_json: bool, name: str, storage: str | None, full: bool, way: str | None) -> None:
    """Bring the backup NAME back into a server that is started for it, compare the two, and say how long it took.

    Neither the source nor any target is touched. `latest` is the newest backup.
    """
    arguments = checked(DrillArguments, name=name, storage=storage, full=full, way=way)
    result = performed("drill", arguments, lambda progress: drill(load(), arguments, progress), check_good)
    show(result, as_json=as_json, view=drilled)


def drilled(data: Data) -> None:
    """What came of it."""
    keys = number(data["keys"])
    if data["way"] == "read":
        say(f"{data['name']} was read to its end, and not rehearsed: {keys} keys in {data['recovery_seconds']:.1f} s")
        say(f"Why: {data['reason']}")
    else:
        say(f"{data['name']} came back: {keys} keys, {size(data['bytes'])} in {data['recovery_seconds']:.1f} s")
        say(f"Into {data['server']}, {_HOW[data['way']]}, from {data['where']}; {_compared(data)}")
    notes(data["warnings"])


def _compared(data: Data) -> str:
    if data["compared"] == "sample":
        return (
            f"all keys are there, and the values of {number(data['sampled'])} are the same (drawn with {data['seed']})"
        )
    return (
        "all keys are there, and their values are the same"
        if data["compared"] == "all"
        else "there was no key to compare"
    )
