"""`differences`: the keys that a preview counts, a page at a time."""

import shlex
from typing import Any, get_args

import click

from worker.arguments.restore import DifferencesArguments, ShownKind
from worker.cli.console import notes, say, show
from worker.cli.options import or_moment, part_and_place, with_mode
from worker.cli.preview import sampled
from worker.cli.runner import Data, checked, looked_up, verb
from worker.cli.traces import read_at_shell
from worker.config.settings import load
from worker.formats.types import NAMES
from worker.restore.preview.differences import differences


@verb("differences")
@or_moment
@with_mode
@click.option(
    "--kind", type=click.Choice(get_args(ShownKind)), help="Only of this kind; else all that would be written."
)
@click.option("--of-type", type=click.Choice(NAMES), help="Only keys of this type.")
@click.option("--of-db", "of_database", type=int, help="Only keys of this database of the target.")
@click.option("--under", metavar="PREFIX", help="Only keys whose name up to its first colon is this.")
@click.option("--limit", type=int, help="How many keys are shown at once (default: 20).")
@click.option("--after", metavar="CURSOR", help="Those that follow: the page before tells what to write here.")
@part_and_place
def command(as_json: bool, name: str, **options: Any) -> None:
    """Show the keys that a preview of NAME with the same options counts, with their values. Nothing is written."""
    arguments = checked(DifferencesArguments, name=name, **options)
    with looked_up("differences") as progress:
        result = differences(load(), arguments, progress)
    read_at_shell("differences shown", result, name=name)
    show(result, as_json=as_json, view=view_of)


def view_of(data: Data) -> None:
    """The keys, and how those are had that follow."""
    for key in data["keys"]:
        sampled(key["kind"], key)
    if not data["keys"]:
        say("No key.")
    if data["next"]:
        notes([f"More follow: the same with --after {shlex.quote(data['next'])}"])
