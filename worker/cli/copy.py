"""`copy`: a backup to the other storages."""

import click

from worker.arguments.backups import CopyArguments
from worker.backups.copies.copy import copy
from worker.cli.console import notes, say, show, size
from worker.cli.recorded import performed
from worker.cli.runner import Data, checked, verb
from worker.config.settings import load


@verb("copy")
@click.argument("name")
@click.option("--to", metavar="PLACE", help="Only to this one of BACKUP_COPIES, by its address.")
def command(as_json: bool, name: str, to: str | None) -> None:
    """Copy the backup NAME to the other storages that BACKUP_COPIES names: the same bytes, for which no key is needed.

    Where it lies already nothing is done.
    """
    arguments = checked(CopyArguments, name=name, to=to)
    result = performed("copy", arguments, lambda progress: copy(load(), arguments, progress))
    show(result, as_json=as_json, view=copied)


def copied(data: Data) -> None:
    """What became of it in each storage."""
    for there in data["copies"]:
        if "skipped" in there:
            say(f"Nothing was done: {there['skipped']}.")
        elif there["new"]:
            say(f"{data['name']} is copied to {there['to']}: {size(data['bytes'])} in {there['seconds']:.1f} s")
        else:
            say(f"{data['name']} lies in {there['to']} already")
        notes(there.get("warnings", []))
