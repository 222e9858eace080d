"""`happened`: what was written and deleted when, by the replication stream, and the places to go back to."""

from datetime import datetime
from typing import Any

import click

from worker.arguments.stream import HappenedArguments
from worker.cli.console import notes, number, say, show, size, table
from worker.cli.runner import Data, checked, looked_up, verb
from worker.config.settings import load
from worker.segments.telling.happened import happened

MOST_ROWS = 60


@verb("happened")
@click.option("--since", metavar="WHEN", help="From then on: '2026-11-28 14:03:05' (UTC), or -10m.")
@click.option("--until", metavar="WHEN", help="Up to then.")
@click.option("--prefixes", is_flag=True, help="Count writes by how keys begin too: reads the commands of the span.")
def command(as_json: bool, **options: Any) -> None:
    """Say what happened when, by the source's replication stream: writes by command, deletes, what stands out.

    A gap is shown as a gap: of what happened in it nothing is known.
    """
    options["prefixes"] = options["prefixes"] or None
    with looked_up("happened") as progress:
        result = happened(load(), checked(HappenedArguments, **options), progress)
    show(result, as_json=as_json, view=view_of)


def view_of(data: Data) -> None:
    """The steps in which anything happened, what stands out, and where to go back to."""
    rows = [step for step in data["steps"] if step["writes"] or step["gap"]]
    say(f"{moment(data['since'])} to {moment(data['until'])} UTC, in steps of {_wide(data['step_seconds'])}")
    if rows:
        header = ("FROM", "WRITES", "DELETED", "SIZE", "LARGEST", "COMMANDS")
        table(header, [_row(step) for step in rows[-MOST_ROWS:]])
    for peak in data["peaks"]:
        say(f"{before(peak)}: {_back(peak['first'])}")
    for each in data["named"]:
        say(f"{each['command']}{_where(each)}, {between(each)}: right before it {_back(each)}")
    for each in data["largest"][:3]:
        say(f"A {each['command']} of {size(each['bytes'])}, {between(each)}")
    if data["prefixes"]:
        _prefixes(data["prefixes"])
    _notes(data, len(rows))


def moment(said: str) -> str:
    """A moment of a result, as people write it."""
    return f"{datetime.fromisoformat(said):%Y-%m-%d %H:%M:%S}"


def between(said: Data) -> str:
    """When something was run, as exactly as that is known."""
    since, until = datetime.fromisoformat(said["at"]), datetime.fromisoformat(said["until"])
    if until.date() != since.date():
        return f"{moment(said['at'])} to {moment(said['until'])}"
    if (until - since).total_seconds() < 1:
        return moment(said["until"])
    return f"{moment(said['at'])} to {until:%H:%M:%S}"


def before(peak: Data) -> str:
    """The place right before a burst, as a sentence says it: `Just before the 41,203 deletes of 14:02`."""
    what = "deletes" if peak["what"] == "deletes" else peak["what"]
    return f"Just before the {number(peak['count'])} {what} of {datetime.fromisoformat(peak['at']):%Y-%m-%d %H:%M}"


def _back(place: Data | None) -> str:
    if place is None:
        return "where it begins cannot be read"
    return "no backup lies before it" if place["offset"] is None else f"offset {place['offset']}"


def _where(each: Data) -> str:
    if each["databases"]:
        return f" {' and '.join(each['databases'])}"
    return "" if each["db"] is None else f" of database {each['db']}"


def _wide(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 3600 else f"{seconds // 3600} h"


def _row(step: Data) -> tuple[str, ...]:
    words = ", ".join(f"{name} {number(many)}" for name, many in step["commands"].items())
    words += f", {number(step['others'])} others" if step["others"] else ""
    words += f" (known to within {step['within_seconds']:g} s)" if step["within_seconds"] else ""
    words += f"{'; ' if words else ''}a GAP: {step['gap']}" if step["gap"] else ""
    counts = (number(step["writes"]), number(step["deleted"]), size(step["bytes"]), size(step["largest"]))
    return moment(step["at"]), *counts, words


def _prefixes(prefixes: Data) -> None:
    names = sorted({*prefixes["written"], *prefixes["deleted"]}, key=lambda name: -prefixes["written"].get(name, 0))
    if names:
        rows = [
            (name, number(prefixes["written"].get(name, 0)), number(prefixes["deleted"].get(name, 0))) for name in names
        ]
        table(("PREFIX", "WRITTEN", "DELETED"), rows)
    if prefixes["read_until"]:
        notes([f"Prefixes are counted up to {moment(prefixes['read_until'])}: name a shorter span for what follows."])


def _notes(data: Data, rows: int) -> None:
    if rows > MOST_ROWS:
        notes([f"The last {MOST_ROWS} of {rows} steps are shown: --json has all, --since and --until narrow them."])
    notes([f"A gap, {between({'at': gap['since'], 'until': gap['until']})}: {gap['why']}" for gap in data["gaps"]])
    notes(data["problems"])
