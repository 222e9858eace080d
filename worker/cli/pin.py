"""`pin`: one backup kept from every prune."""

import click

from worker.arguments.backups import PinArguments
from worker.backups.pin import pin
from worker.cli.console import say, show
from worker.cli.recorded import performed
from worker.cli.runner import Data, checked, verb
from worker.config.settings import load


@verb("pin")
@click.argument("name")
@click.option("--why", required=True, help="Shown wherever it is said that this backup is kept.")
def command(as_json: bool, name: str, why: str) -> None:
    """Keep the backup NAME from every prune, until it is unpinned."""
    arguments = checked(PinArguments, name=name, why=why)
    result = performed("pin", arguments, lambda _: pin(load(), arguments))
    show(result, as_json=as_json, view=pinned)


def pinned(data: Data) -> None:
    """What is kept from now on."""
    say(f"{data['pinned']} is pinned: {data['why']}")
