"""`reencrypt`: an old backup encrypted to the present public keys."""

import click

from worker.arguments.backups import ReencryptArguments
from worker.backups.reencrypt import reencrypt
from worker.cli.console import number, say, show
from worker.cli.recorded import performed
from worker.cli.runner import Data, checked, verb
from worker.config.settings import load


@verb("reencrypt")
@click.argument("name")
def command(as_json: bool, name: str) -> None:
    """Encrypt the backup NAME to the keys of BACKUP_AGE_RECIPIENTS. The old file goes once the new one is verified."""
    arguments = checked(ReencryptArguments, name=name)
    result = performed("reencrypt", arguments, lambda progress: reencrypt(load(), arguments, progress))
    show(result, as_json=as_json, view=replaced)


def replaced(data: Data) -> None:
    """What is there instead."""
    say(
        f"{data['name']} is verified ({number(data['keys'])} keys), opened by {' or '.join(data['recipients'])}, and takes "
        f"the place of {data['replaced']}"
    )
