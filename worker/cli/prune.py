"""`prune`: the oldest backups deleted."""

from functools import partial
from typing import Any

import click

from worker.arguments.backups import PruneArguments
from worker.backups.prune import prune
from worker.broker.choices import following
from worker.cli.console import notes, number, say, show, size
from worker.cli.recorded import performed
from worker.cli.runner import Data, checked, verb
from worker.config.settings import load

PERIODS = click.IntRange(min=0)


@verb("prune")
@click.option(
    "--keep", type=click.IntRange(min=1), help="How many of the schedule's to keep (default: BACKUP_KEEP, 7)."
)
@click.option(
    "--keep-manual",
    type=click.IntRange(min=1),
    help="How many of those made by hand, and of each token (default: BACKUP_KEEP_MANUAL, 7).",
)
@click.option("--keep-hourly", type=PERIODS, help="Of how many hours the newest (default: BACKUP_KEEP_HOURLY, 0).")
@click.option("--keep-daily", type=PERIODS, help="Of how many days (default: BACKUP_KEEP_DAILY, 0).")
@click.option("--keep-weekly", type=PERIODS, help="Of how many weeks (default: BACKUP_KEEP_WEEKLY, 0).")
@click.option("--keep-monthly", type=PERIODS, help="Of how many months (default: BACKUP_KEEP_MONTHLY, 0).")
@click.option("--keep-yearly", type=PERIODS, help="Of how many years (default: BACKUP_KEEP_YEARLY, 0).")
@click.option(
    "--keep-hours",
    type=click.FloatRange(min=0),
    help="All of the schedule's that are younger than so many hours (default: BACKUP_KEEP_HOURS, 0).",
)
@click.option(
    "--keep-bytes",
    type=click.IntRange(min=0),
    help="How much the backups of one source may take, the oldest go first (default: BACKUP_KEEP_BYTES; 0: no ceiling).",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.option(
    "--without-broker",
    is_flag=True,
    help="Where the broker is gone for good: go by what this machine last knew of the chosen numbers, and else by the defaults.",
)
def command(as_json: bool, without_broker: bool, **asked: Any) -> None:
    """Delete the oldest backups, and what killed runs left behind.

    The last good backup of a source, the last rehearsed one, and all of a source whose newest backup is suspicious, stay
    whatever is said here.
    """
    arguments = checked(PruneArguments, **asked)
    if not without_broker:
        following.refresh(load())
    shown = partial(show, as_json=as_json, view=pruned)
    performed("prune", arguments, lambda progress: prune(load(), arguments, progress), shown=shown)


def pruned(data: Data) -> None:
    """What retention did, or would do; nothing of what ended before it did anything."""
    if data["cut_short"] and not any(data[how] for how in ("deleted", "trashed", "emptied", "swept")):
        return
    would = "would be " if data["dry_run"] else ""
    for entry in data["deleted"]:
        say(f"{would}deleted: {entry['name']} ({entry['reason']})")
    for entry in data["trashed"]:
        say(f"{would}moved to the trash: {entry['name']} ({entry['reason']})")
    for entry in data["emptied"]:
        say(f"{would}deleted from the trash: {entry['name']} ({entry['reason']})")
    for name in data["swept"]:
        say(f"{would}swept: {name} (left by a run that was killed)")
    counts = f"{number(data['kept_total'])} backups kept, {len(data['deleted'])} {would}deleted"
    for how, words in (("trashed", "moved to the trash"), ("emptied", "deleted from the trash")):
        counts += f", {len(data[how])} {would}{words}" if data[how] else ""
    counts += f", {size(data['freed_bytes'])} {would}freed"
    say(f"Not to its end: {counts}" if data["cut_short"] else counts)
    for copies in data["copies"]:
        _elsewhere(copies, would)
    if data["dry_run"]:
        for entry in (*data["kept"], *data["undos_kept"]):
            say(f"would be kept: {entry['name']} ({entry['reason']})")
        more = data["kept_total"] + data["undos_kept_total"] - len(data["kept"]) - len(data["undos_kept"])
        if more:
            say(f"would be kept: {number(more)} more")
    notes(data["problems"] + data["warnings"])


def _elsewhere(copies: Data, would: str) -> None:
    if copies["error"]:
        return
    for how, words in (
        ("deleted", "deleted"),
        ("trashed", "moved to the trash"),
        ("emptied", "deleted from the trash"),
    ):
        for entry in copies[how]:
            say(f"{would}{words} in {copies['where']}: {entry['name']} ({entry['reason']})")
    say(f"{number(copies['kept_total'])} backups kept in {copies['where']}, {len(copies['deleted'])} {would}deleted")
