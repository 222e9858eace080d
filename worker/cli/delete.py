"""`delete`: one backup moved to the trash."""

import sys

import click

from worker.arguments.backups import DeleteArguments
from worker.backups.trash import delete
from worker.cli.console import say, show, size
from worker.cli.recorded import performed
from worker.cli.runner import Data, checked, confirm, verb
from worker.config.settings import load
from worker.repository import catalogue
from worker.storage import open_storage


@verb("delete")
@click.argument("name")
@click.option("--now", is_flag=True, help="For good, past the trash or out of it; that frees its room at once.")
@click.option("--yes", is_flag=True, help="Do not ask; nobody is asked either when standard input is no terminal.")
def command(as_json: bool, name: str, now: bool, yes: bool) -> None:
    """Move the backup NAME to the trash, from where `put-back` brings it back until a prune empties that."""
    if not yes and sys.stdin.isatty():
        lost = catalogue.undos_with(open_storage(load().backup_storage), name)
        for_good = now or not load().backup_trash_days
        question = f"Delete {name} for good?" if for_good else f"Move {name} to the trash?"
        confirm(f"{question}{' A restore of it can then no longer be undone.' if lost else ''}")
    arguments = checked(DeleteArguments, name=name, now=now or None)
    result = performed("delete", arguments, lambda _: delete(load(), arguments))
    show(result, as_json=as_json, view=deleted)


def deleted(data: Data) -> None:
    """What is gone, or will be."""
    name, days = data["deleted"], data["trash_days"]
    if days:
        say(f"{name} is moved to the trash, which is emptied after {days} days; until then it frees no room")
    else:
        say(f"{name} is deleted, {size(data['freed_bytes'])} freed")
