"""`put-back`: one backup taken out of the trash, or out of what a bucket keeps."""

import click

from worker.arguments.backups import PutBackArguments
from worker.backups.trash import put_back
from worker.cli.console import notes, say, show
from worker.cli.recorded import performed
from worker.cli.runner import Data, checked, verb
from worker.config.settings import load


@verb("put-back")
@click.argument("name")
def command(as_json: bool, name: str) -> None:
    """Put the backup NAME back from the trash: it is listed, restored and pruned as before.

    Where somebody else has deleted it in a bucket that keeps versions, or has written over it, the version is put back that
    was written.
    """
    arguments = checked(PutBackArguments, name=name)
    result = performed("put_back", arguments, lambda progress: put_back(load(), arguments, progress))
    show(result, as_json=as_json, view=back)


def back(data: Data) -> None:
    """What is there again."""
    say(f"{data['put_back']} is back among the backups")
    notes(data["warnings"])
