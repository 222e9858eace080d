"""`timeline`: keys from backup to backup up to now, and which backup is the last good one of them."""

import shlex
from datetime import UTC, datetime
from typing import Any

import click

from worker.arguments.questions import LIVE, TimelineArguments
from worker.cli.console import age, notes, number, say, show, table
from worker.cli.runner import Data, checked, looked_up, verb
from worker.config.settings import load
from worker.formats.types import NAMES
from worker.search.timeline import CHANGES, timeline


@verb("timeline")
@click.argument("keys", nargs=-1)
@click.option("--match", multiple=True, metavar="GLOB", help="All keys that fit, such as 'user:*'; may be repeated.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="No keys that fit; may be repeated.")
@click.option("--type", "types", multiple=True, type=click.Choice(NAMES), help="Only this type; may be repeated.")
@click.option("--db", "databases", metavar="0,3", help="Only these databases.")
@click.option("--backups", type=int, help="How many of the newest are looked through (default: 20).")
def command(as_json: bool, **options: Any) -> None:
    """Follow KEYS, or all, from backup to backup up to now: how many went, changed or came, and the last good backup.

    That is the one right before more of them went or changed than is usual from one backup to the next.
    """
    arguments = checked(TimelineArguments, **options)
    with looked_up("timeline") as progress:
        result = timeline(load(), arguments, progress)
    show(result, as_json=as_json, view=lambda data: view_of(data, arguments))


_WORDS = {"gone": "GONE", "differs": "CHANGED", "new": "NEW", "expired": "EXPIRED"}


def view_of(data: Data, arguments: TimelineArguments) -> None:
    """The states, newest first, the prefixes that changed most, and the command that compares the last good one with now."""
    if not data["versions"]:
        say("There is no backup of this source.")
    else:
        table(("STATE", "AGE", "KEYS", *(_WORDS[change] for change in CHANGES)), [*map(_row, data["versions"])])
    if len(data["by_prefix"]) > 1:
        rows = [
            (row["prefix"] or "(no prefix)", *(number(row[change]) for change in CHANGES)) for row in data["by_prefix"]
        ]
        table(("PREFIX", *(_WORDS[change] for change in CHANGES)), rows)
    if good := data["good"]:
        until = "now" if good["after"] == LIVE else good["after"]
        say(
            f"The last good one is {good['before']}: until {until} {number(good['gone'])} went, {number(good['differs'])} changed."
        )
        notes([f"What differs: {_compared(good['before'], arguments)}"])
        if closer := data["closer"]:
            say(f"The replication stream goes closer: {happened(closer)}.")
            notes([f"What differs from right before that: {_compared(closer['moment'], arguments)}"])
    elif data["versions"]:
        say("None of these keys went or changed.")
    notes(data["problems"])


def happened(closer: Data) -> str:
    """What befell the keys, and when, as a clause."""
    did = "deletions" if closer["went"] else "writes"
    what = "all was emptied" if closer["emptied"] else f"{number(closer['number'])} {did} of them"
    return f"{what} between {closer['since'][:10]} {closer['since'][11:19]} and {closer['until'][11:19]} UTC"


def _row(version: Data) -> tuple[str, ...]:
    when = age((datetime.now(UTC) - datetime.fromisoformat(version["at"])).total_seconds())
    changes = version["changes"] or {}
    counts = (number(changes[change]) if change in changes else "" for change in CHANGES)
    return version["where"], when, number(version["keys"]), *counts


def _compared(name: str, arguments: TimelineArguments) -> str:
    options = [("--match", glob) for glob in arguments.match] + [("--exclude", glob) for glob in arguments.exclude]
    options += [("--key", key) for key in sorted(arguments.keys or ())]
    options += [("--type", kind) for kind in sorted(arguments.types or ())]
    options += [("--db", ",".join(map(str, sorted(arguments.databases))))] if arguments.databases else []
    words = ["preview", name, "--mode", "overwrite", *(word for option in options for word in option)]
    return f"`python -m worker {shlex.join(words)}`"
