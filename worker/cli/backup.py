"""`backup`: make one now."""

from typing import Any

import click

from worker.arguments.backups import BackupArguments
from worker.backups.backup import backup, check_complete
from worker.cli.console import notes, number, say, show, size
from worker.cli.recorded import performed
from worker.cli.runner import Data, checked, verb
from worker.config.settings import load
from worker.notify import heartbeat
from worker.progress import Progress

HEARTBEAT_SECONDS = 10
"""In a container all ends with its first process: so long it waits until the heartbeat was heard."""


@verb("backup")
@click.option("--format", "data_format", type=click.Choice(["rdb", "json"]), help="What to write (default: rdb).")
@click.option(
    "--compression", type=click.Choice(["zstd", "gzip", "none"]), help="Default: zstd for rdb, gzip for json."
)
@click.option(
    "--engine",
    type=click.Choice(["auto", "replication", "scan", "typed"]),
    help="How to read the source (default: auto).",
)
@click.option("--db", "databases", metavar="0,3", help="Only these databases.")
@click.option(
    "--scheduled",
    is_flag=True,
    help="It is a schedule's, as from cron: counted with those (BACKUP_KEEP), not with those made by hand.",
)
def command(as_json: bool, data_format: str | None, scheduled: bool, **options: Any) -> None:
    """Make a backup now."""
    arguments = checked(BackupArguments, format=data_format, **options)

    def show_and_check(result: Data) -> None:
        show(result, as_json=as_json, view=made)
        check_complete(result)

    with heartbeat.told(load(), wanted=scheduled, patience=HEARTBEAT_SECONDS) as beat:

        def work(progress: Progress) -> Data:
            return beat.around(backup)(load(), arguments, progress)

        def end(result: Data) -> None:
            show_and_check(result)
            if "skipped" not in result:
                beat.say(heartbeat.GOOD)

        performed("backup", arguments, work, end, scheduled=scheduled)


def made(data: Data) -> None:
    """One new backup."""
    if "skipped" in data:
        say(f"No backup was needed: {data['skipped']}.")
        return
    say(
        f"{data['name']}: {number(data['keys'])} keys, {size(data['bytes']['stored'])} "
        f"({size(data['bytes']['raw'])} before compression), {data['duration_seconds']:.1f} s, "
        f"{data['consistency']} by {data['engine']} ({data['engine_reason']})"
    )
    notes(data["warnings"] + data["suspicious"])
    if data["suspicious"]:
        say(
            f"So it is suspicious: look at the source. If that is as it should be: python -m worker accept {data['name']}"
        )
