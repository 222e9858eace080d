"""`delete`: one backup gone for good."""

import sys

import click

from worker.arguments.backups import DeleteArguments
from worker.backups.prune import delete
from worker.cli.console import say, show
from worker.cli.recorded import performed
from worker.cli.runner import Data, checked, confirm, verb
from worker.config.settings import load
from worker.repository import catalogue
from worker.storage import open_storage


@verb("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask; nobody is asked either when standard input is no terminal.")
def command(as_json: bool, name: str, yes: bool) -> None:
    """Delete the backup NAME, for good."""
    if not yes and sys.stdin.isatty():
        lost = catalogue.undos_with(open_storage(load().backup_storage), name)
        confirm(f"Delete {name} for good?{' A restore of it can then no longer be undone.' if lost else ''}")
    arguments = checked(DeleteArguments, name=name)
    result = performed("delete", arguments, lambda _: delete(load(), arguments))
    show(result, as_json=as_json, view=deleted)


def deleted(data: Data) -> None:
    """What is gone."""
    say(f"{data['deleted']} is deleted")
