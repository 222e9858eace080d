"""`accept`: a suspicious backup that is as it should be."""

import click

from worker.arguments.backups import AcceptArguments
from worker.backups.suspicion.accept import accept
from worker.cli.console import say, show
from worker.cli.recorded import performed
from worker.cli.runner import Data, checked, verb
from worker.config.settings import load


@verb("accept")
@click.argument("name")
def command(as_json: bool, name: str) -> None:
    """Say of the suspicious backup NAME that it is as it should be: from then on a prune deletes old backups of its source again."""
    arguments = checked(AcceptArguments, name=name)
    result = performed("accept", arguments, lambda _: accept(load(), arguments))
    show(result, as_json=as_json, view=accepted)


def accepted(data: Data) -> None:
    """What counts as good from now on."""
    if not data["was_suspicious"]:
        say(f"{data['accepted']} was not suspicious")
        return
    say(f"{data['accepted']} is accepted as it is")
    for sentence in data["why"]:
        say(f"  {sentence}")
    for name in data["also"]:
        say(f"{name} is accepted with it")
