"""`search`: one key through time, and what people see of it."""

import shlex
from datetime import UTC, datetime
from typing import Any

import click

from worker.arguments.questions import SearchArguments
from worker.cli.console import age, facts, notes, number, say, show, size, table
from worker.cli.options import with_moment
from worker.cli.runner import Data, checked, looked_up, verb
from worker.cli.traces import read_at_shell
from worker.config.settings import load
from worker.formats.compare.rows import moment
from worker.search.search import search


@verb("search")
@click.argument("key", required=False)
@click.option("--match", metavar="GLOB", help="All keys that fit, such as 'user:*', in place of one KEY.")
@click.option("--in", "names", multiple=True, metavar="NAME", help="Only in this backup; may be repeated.")
@with_moment
@click.option("--db", "databases", metavar="0,3", help="Only these databases.")
@click.option("--live/--no-live", default=True, show_default=True, help="Whether to look in the source as well.")
@click.option("--limit", type=int, help="How many keys that fit a GLOB are shown at once (default: 100).")
@click.option("--after", metavar="CURSOR", help="Those that follow: the search before tells what to write here.")
@click.option("--show", metavar="NAME", help="Show the version of this backup, or of `live`.")
@click.option("--against", metavar="NAME", help="What differs between that version and this one.")
def command(as_json: bool, names: tuple[str, ...], moment: str | None, **options: Any) -> None:
    """Find KEY in all backups and in the source: where it is, and where it changed.

    KEY is looked up to the letter; of the keys that fit a GLOB those come first that have changed since the newest backup or
    are gone. In KEY other bytes than text are written as \\xNN, and a backslash as \\\\. The first search of a backup makes its
    index, which takes as long as reading it.
    """
    arguments = checked(SearchArguments, names=(*names, *filter(None, [moment])), **options)
    with looked_up("search") as progress:
        result = search(load(), arguments, progress)
    if arguments.show is not None:
        read_at_shell("search shown", result, key=arguments.key, show=arguments.show)
    show(result, as_json=as_json, view=view_of)


_CHANGES = {
    "first": "",
    "new": "new",
    "identical": "same",
    "expiry": "expiry changed",
    "differs": "changed",
    "gone": "gone",
    "expired": "expired",
    "absent": "",
}


_LIVE = {
    "differs": "changed",
    "gone": "gone",
    "expired": "expired",
    "absent": "gone before",
    "new": "new since",
    "expiry": "expiry changed",
    "identical": "same",
    None: "",
}
"""A live key beside that of the newest backup."""


def view_of(data: Data) -> None:
    """Whatever a search has found."""
    if "rows" in data:
        _version(data)
    elif "match" in data:
        _keys(data)
    else:
        _through_time(data)
    notes(data.get("problems", []))


def _through_time(data: Data) -> None:
    for history in data["found"]:
        say(f"{data['key']} in database {history['db']}, newest first:")
        header: tuple[str, ...] = ("WHERE", "AGE", "TYPE", "SIZE", "EXPIRES", "CHANGE")
        rows = [_row(row) for row in history["versions"]]
        if len({row["of"] for row in history["versions"]}) > 1:
            header = (*header, "OF")
            rows = [(*cells, row["of"] or "") for cells, row in zip(rows, history["versions"], strict=True)]
        table(header, rows)
    if not data["found"]:
        say(f"{data['key']} is in none of {_counted(data['looked_through'], 'place')} that were looked through.")
        if set(data["key"]) & set("*?["):
            notes(
                [f"That is one key, to the letter. Keys that fit a pattern: search --match {shlex.quote(data['key'])}"]
            )
    else:
        key = shlex.quote(data["key"])
        notes([f"`python -m worker search --show NAME -- {key}` shows a version, with --against NAME (or live) two."])


def _row(row: Data) -> tuple[str, ...]:
    when = age((datetime.now(UTC) - datetime.fromisoformat(row["at"])).total_seconds())
    change = _CHANGES[row["change"]]
    if row["type"] is None:
        return row["where"], when, "-", "-", "", change
    return row["where"], when, row["type"], size(row["bytes"]), _expiry(row), change


def _keys(data: Data) -> None:
    if data["keys"]:
        table(("DB", "KEY", "LIVE", "PLACES", "NEWEST IN", "CHANGES"), [_fitting(row) for row in data["keys"]])
    fit = "key fits" if data["total"] == 1 else "keys fit"
    least = "" if data["exact"] else "at least "
    differing = (("differing", "changed since the newest backup"), ("gone", "gone since"))
    kinds = [f"{number(data[name])} {words}" for name, words in differing if data[name]]
    looked = _counted(data["looked_through"], "place")
    say(f"{least}{number(data['total'])} {fit}{''.join(f', {kind}' for kind in kinds)}; looked through: {looked}")
    if data["keys"]:
        notes(["`python -m worker search -- KEY` follows one of them through time."])
    if data["next"]:
        cursor = shlex.quote(data["next"])
        notes([f"{number(len(data['keys']))} are shown; those that follow: the same with --after {cursor}"])


def _counted(items: list[str], what: str) -> str:
    return f"{number(len(items))} {what if len(items) == 1 else f'{what}s'}"


def _fitting(row: Data) -> tuple[str, ...]:
    changes = sum(change["change"] in ("differs", "expiry", "gone", "expired") for change in row["changes"])
    places = f"{number(len(row['in']))} of {number(row['of'])}"
    return str(row["db"]), row["key"], _LIVE[row["live"]], places, row["in"][0], number(changes)


def _version(data: Data) -> None:
    shown, against = data["show"], data["against"]
    rows = [("Key", f"{data['key']} in database {data['db']}"), ("Shown", _in_words(shown))]
    facts(rows if against is None else [*rows, ("Against", _in_words(against))])
    if against is None:
        table(("PART", "VALUE"), [(row["part"], row["show"] or "") for row in data["rows"]])
    elif data["rows"]:
        header = ("PART", shown["where"], against["where"])
        table(header, [(row["part"], _side(row["show"]), _side(row["against"])) for row in data["rows"]])
    else:
        say("They are the same.")
    if data["more"]:
        say(f"... and {number(data['more'])} more")
    if data["restore"] and data["key"]:
        _say_the_way_back(data)


def _side(text: str | None) -> str:
    return "(not there)" if text is None else text


def _in_words(row: Data) -> str:
    if row["type"] is None:
        return f"{row['where']}, where it is not"
    return f"{row['type']} in {row['where']}, {size(row['bytes'])}, expires: {_expiry(row)}"


def _expiry(row: Data) -> str:
    at = row["expires_at"]
    return moment(at) + (" (past)" if at is not None and at <= datetime.now(UTC).timestamp() * 1000 else "")


def _say_the_way_back(data: Data) -> None:
    restore = data["restore"]
    expiry = f" --expiry {restore['expiry']}" if "expiry" in restore else ""
    options = f"--mode {restore['mode']} --db {data['db']} --keys-from -{expiry} --yes"
    key = shlex.quote(data["key"])
    notes(
        [f"This version comes back with: printf '%s\\n' {key} | python -m worker restore {restore['name']} {options}"]
    )
