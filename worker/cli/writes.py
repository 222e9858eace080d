"""`writes`: each write to a key in the replication stream, the newest first."""

import shlex
from typing import Any

import click

from worker.arguments.stream import WritesArguments
from worker.cli.console import notes, number, say, show, size, table
from worker.cli.happened import between, moment
from worker.cli.runner import Data, checked, looked_up, verb
from worker.cli.traces import read_at_shell
from worker.config.settings import load
from worker.formats.compare.rows import moment as expiry
from worker.segments.telling.writes import writes
from worker.words import FATES


@verb("writes")
@click.argument("key")
@click.option("--db", type=int, help="Only in this database.")
@click.option("--since", metavar="WHEN", help="From then on: '2026-11-28 14:03:05' (UTC), or -10m.")
@click.option("--until", metavar="WHEN", help="Up to then.")
@click.option("--limit", type=int, help="How many are shown at once (default: 50).")
@click.option("--after", metavar="PLACE", help="Those before: the last page tells what to write here.")
@click.option("--show", "with_values", is_flag=True, help="Show the arguments of each, which are data.")
def command(as_json: bool, with_values: bool, **options: Any) -> None:
    """Show each write to KEY in the source's replication stream, the newest first: when, by which command, what became of it.

    KEY is looked up to the letter; other bytes than text are written as \\xNN, and a backslash as \\\\. Right before each write
    is a place to go back to.
    """
    arguments = checked(WritesArguments, show=with_values or None, **options)
    with looked_up("writes") as progress:
        result = writes(load(), arguments, progress)
    if arguments.show:
        read_at_shell("writes shown", result, key=arguments.key)
    show(result, as_json=as_json, view=view_of)


def view_of(data: Data) -> None:
    """A page of writes, and how to go on."""
    if data["writes"]:
        table(("WHEN (UTC)", "DB", "COMMAND", "SIZE", "KEY", "BEFORE IT"), [_row(row) for row in data["writes"]])
    else:
        say(f"{data['key']} was not written from {moment(data['since'])} to {moment(data['until'])} UTC.")
    if data["next"]:
        notes([f"Those before: the same with --after {shlex.quote(data['next'])}"])
    notes(data["problems"])


def _row(row: Data) -> tuple[str, ...]:
    if "gap" in row:
        return between(row), "", "a GAP", "", row["gap"], ""
    db = "all" if row["command"] == "FLUSHALL" else number(row["db"])
    place = "-" if row["before"] is None else str(row["before"])
    command = " ".join([row["command"], *_arguments(row)])
    return between(row), db, command, size(row["bytes"]), fate(row), place


def fate(row: Data) -> str:
    """What became of the key, in words."""
    words = [FATES[row["did"]]]
    if row["did"] == "swapped":
        return f"databases {row['db']} and {row['other_db']} swapped"
    words += [str(row["other"])] if row["other"] is not None else []
    if row["other_db"] is not None:
        words += [f"in database {row['other_db']}" if row["other"] is not None else str(row["other_db"])]
    words += [f"(expires {expiry(row['expires_at'])})"] if row["expires_at"] is not None else []
    return " ".join(words)


def _arguments(row: Data) -> list[str]:
    shown = row.get("rows") or []
    words = [each["value"] for each in shown if each["part"].isdigit()]
    return words + [f"and {each['value']} more" for each in shown if each["part"] == "more"]
