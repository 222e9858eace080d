"""`fits`: how many keys of a backup are meant."""

from typing import Any

from worker.arguments.questions import CountArguments
from worker.cli.console import number, say, show
from worker.cli.options import or_moment, part
from worker.cli.runner import Data, checked, looked_up, verb
from worker.config.settings import load
from worker.restore.selection.count import count


@verb("fits")
@or_moment
@part
def command(as_json: bool, name: str, **options: Any) -> None:
    """Count the keys of the backup NAME that a preview or a restore with the same options would take. No value is read."""
    arguments = checked(CountArguments, name=name, **options)
    with looked_up("fits") as progress:
        result = count(load(), arguments, progress)
    show(result, as_json=as_json, view=counted)


def counted(data: Data) -> None:
    """How many of how many."""
    fit = "key fits" if data["of"] == 1 else "keys fit"
    say(f"{number(data['keys'])} of {number(data['of'])} {fit}")
