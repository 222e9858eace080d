"""`browse`: the keys of one backup as a tree by prefix, and some of them as a document."""

import shlex
from typing import Any

import click

from worker.arguments.questions import BrowseArguments
from worker.cli.console import notes, number, say, show, size, table
from worker.cli.options import with_from
from worker.cli.runner import Data, checked, looked_up, verb
from worker.cli.traces import read_at_shell
from worker.config.settings import load
from worker.formats.compare.rows import moment
from worker.search.browse import browse


@verb("browse")
@click.argument("name")
@click.argument("prefix", default="")
@click.option("--db", type=int, help="Only this database.")
@click.option("--after", metavar="CURSOR", help="The keys that follow: the look before tells what to write here.")
@click.option(
    "--show",
    "document",
    type=click.Choice(["key", "prefix"]),
    help="Not a look: the key PREFIX, or all that begin so, with values as one JSON document (1 MB at most).",
)
@with_from
def command(as_json: bool, name: str, **options: Any) -> None:
    """Look into the backup NAME: what lies below PREFIX, the keys that end there, and the largest.

    In PREFIX other bytes than text are written as \\xNN, and a backslash as \\\\. No value is shown without --show.
    """
    arguments = checked(BrowseArguments, name=name, **options)
    with looked_up("browse") as progress:
        result = browse(load(), arguments, progress)
    if arguments.document is not None:
        read_at_shell("browse shown", result, name=result["name"], prefix=arguments.prefix)
    show(result, as_json=as_json, view=view_of)


def view_of(data: Data) -> None:
    """One level of the tree, or the document alone, so that it can be piped."""
    if "document" in data:
        click.echo("".join(data["document"]["rows"]), nl=False)
        return
    types = ", ".join(f"{number(count)} {kind}" for kind, count in data["types"].items())
    say(f"{number(data['keys'])} keys, {size(data['bytes'])}{': ' if types else ''}{types}")
    if data["branches"]:
        rows = [(row["prefix"], number(row["keys"]), size(row["bytes"])) for row in data["branches"]]
        others = data["others"]
        more = [("(others)", number(others["keys"]), size(others["bytes"]))] if others["keys"] else []
        table(("PREFIX", "KEYS", "SIZE"), rows + more)
    if data["listed"]:
        ends = ("" if row["expires_at"] is None else moment(row["expires_at"]) for row in data["listed"])
        keys = [(*_key(row), end) for row, end in zip(data["listed"], ends, strict=True)]
        table(("KEY", "DB", "TYPE", "SIZE", "EXPIRES"), keys)
    if data["largest"]:
        say("The largest:")
        table(("KEY", "DB", "TYPE", "SIZE"), [*map(_key, data["largest"])])
    if data["next"]:
        notes([f"More keys follow: the same with --after {shlex.quote(data['next'])}"])


def _key(row: Data) -> tuple[str, ...]:
    return row["key"], str(row["db"]), row["type"], size(row["bytes"])
