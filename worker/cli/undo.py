"""`undo`: a restore taken back."""

from functools import partial

import click

from worker.arguments.restore import UndoArguments
from worker.cli.console import notes, number, say, show
from worker.cli.recorded import performed
from worker.cli.runner import Data, checked, confirm, verb
from worker.config.settings import load
from worker.repository import catalogue
from worker.repository.manifest import Manifest
from worker.restore.target.report import on_their_way
from worker.restore.undo.undo import check_complete, undo
from worker.storage import open_storage


@verb("undo")
@click.argument("run")
@click.option("--force", is_flag=True, help="Also put back what others have changed since.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(as_json: bool, run: str, force: bool, yes: bool) -> None:
    """Undo the restore RUN: put back what it replaced, delete what it created.

    RUN is the restore's run id, or the name of the undo that it kept, as `list` shows it. Keys that others have changed
    since are left alone, unless --force.
    """
    arguments, settings = checked(UndoArguments, run=run, force=force), load()
    if not yes:
        confirm(question(catalogue.undo_of(open_storage(settings.backup_storage), run), force=force))

    view = partial(show, as_json=as_json, view=undone)
    performed("undo", arguments, lambda progress: undo(settings, arguments, progress), check_complete, view)


def question(kept: Manifest, *, force: bool) -> str:
    """What an undo is about to do."""
    others = "keys that others have changed since too" if force else "less those that others have changed since"
    if kept.names_only:
        return f"Delete the keys of {kept.source.address} that restoring {kept.restored} created, {others}?"
    return (
        f"Put {number(kept.keys)} keys of {kept.source.address} back as they were at "
        f"{kept.created_at:%Y-%m-%d %H:%M:%S} UTC, and delete those that restoring {kept.restored} created, {others}?"
    )


def undone(data: Data) -> None:
    """What an undo did."""
    did = f"{data['put_back']:,} put back, {data['deleted']:,} deleted, {data['as_before']:,} were as before"
    failed = f", {data['failed']:,} failed" if data["failed"] else ""
    cut = ", not to its end" if data["cut_short"] else ""
    did = f"{did}, {data['left_alone']:,} left alone{failed}{on_their_way(data)}"
    say(f"{data['name']} to {data['target']}{cut}: {did}, {data['seconds']:.1f} s")
    for entry in data["changed"]:
        say(f"  left alone, for others have changed it since: database {entry['db']}, {entry['key']}")
    if data["left_alone"] > len(data["changed"]):
        say(f"  and {data['left_alone'] - len(data['changed']):,} more")
    for entry in data["failures"]:
        say(f"  failed: database {entry['db']}, {entry['type']} '{entry['key']}': {entry['error']}")
    if data["left_alone"]:
        notes([f"To put those back too: python -m worker undo {data['name']} --force"])
    notes(data["warnings"])
