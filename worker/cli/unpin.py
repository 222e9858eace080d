"""`unpin`: one backup left to retention again."""

import click

from worker.arguments.backups import UnpinArguments
from worker.backups.pin import unpin
from worker.cli.console import say, show
from worker.cli.recorded import performed
from worker.cli.runner import Data, checked, verb
from worker.config.settings import load


@verb("unpin")
@click.argument("name")
def command(as_json: bool, name: str) -> None:
    """Leave the backup NAME to retention again, which may give it up with the next prune."""
    arguments = checked(UnpinArguments, name=name)
    result = performed("unpin", arguments, lambda _: unpin(load(), arguments))
    show(result, as_json=as_json, view=unpinned)


def unpinned(data: Data) -> None:
    """What pruning may delete again."""
    was = "is not pinned any more" if data["was_pinned"] else "was not pinned"
    say(f"{data['unpinned']} {was}")
