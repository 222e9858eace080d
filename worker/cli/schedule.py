"""`schedule`: when backups are made, how many are kept, who says so, and other values in their place."""

from dataclasses import asdict
from datetime import UTC, datetime

import click

from worker.arguments.schedule import ScheduleArguments
from worker.backups import schedule as moments
from worker.backups.choosing import GivesUpError, change
from worker.broker.choices import following, origins
from worker.cli.console import notes, say, show, table
from worker.cli.runner import Data, checked, confirm, verb
from worker.config.schedule.plan import NAMES, Value, name_of
from worker.config.settings import load
from worker.errors import UsageError
from worker.repository.behalf import at_shell
from worker.runs.run import here

MOST = 1_000_000_000


@verb("schedule")
@click.option(
    "--set", "wanted", multiple=True, metavar="NAME=VALUE", help="Choose a value, such as keep=14. May be given again."
)
@click.option("--reset", multiple=True, metavar="NAME", help="Go back to the default of it. May be given again.")
@click.option("--dry-run", is_flag=True, help="Only say what a change would do.")
@click.option("--yes", is_flag=True, help="Do not ask, whatever the next prune deletes by it.")
def command(as_json: bool, wanted: tuple[str, ...], reset: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """Show when backups are made and how many are kept, or change that.

    What is chosen lies in the broker's Redis, and counts for workers, beat and the dashboard within a minute. What the
    environment says wins over it.
    """
    done: Data = {}
    if wanted or reset:
        done = _change(_read(wanted), [_name(word) for word in reset], dry_run=dry_run, yes=yes)
    now = following.refresh(load())
    rows = [asdict(row) for row in origins.rows(load.said, now.chosen)]
    daily = moments.next_daily(load(), datetime.now(UTC))
    data = {"revision": now.chosen.revision, "settings": rows, "next_daily": daily, "problem": now.problem} | done
    show(data, as_json=as_json, view=planned)


def _read(wanted: tuple[str, ...]) -> dict[str, str]:
    pairs = [word.partition("=") for word in wanted]
    if wrong := [name for name, equals, value in pairs if not equals or not value.strip()]:
        raise UsageError(f"--set takes a name and a value, such as keep=14, and not `{wrong[0]}`.")
    return {_name(name): value.strip() for name, _, value in pairs}


def _name(word: str) -> str:
    """`keep` of `keep`, of `keep-daily` `keep_daily`, and of `BACKUP_KEEP` `keep`."""
    name = name_of(word.strip().lower().replace("-", "_"))
    if name not in NAMES:
        raise UsageError(f"There is no setting {word.strip()[:40]} of the schedule: there are {', '.join(NAMES)}.")
    return name


def _change(wanted: dict[str, str], reset: list[str], *, dry_run: bool, yes: bool) -> Data:
    chosen = following.refresh(load()).chosen
    before: dict[str, Value] = {name_of(field): choice.value for field, choice in chosen.choices.items()}
    values = {name: value for name, value in (before | wanted).items() if name not in reset}
    asked = checked(ScheduleArguments, **values, revision=chosen.revision, dry_run=dry_run, gives_up=MOST if yes else 0)
    who = str(at_shell(here()))
    try:
        changed = change(load.said, asked, who)
    except GivesUpError as error:
        confirm(f"{error} Go on?")
        changed = change(load.said, asked.model_copy(update={"gives_up": len(error.names)}), who)
    return {"changes": changed.changes, "gives_up": changed.gives_up, "dry_run": dry_run}


def planned(data: Data) -> None:
    """All settings of the schedule, and what a change did."""
    would = "would be " if data.get("dry_run") else ""
    for name, (old, new) in data.get("changes", {}).items():
        say(f"{would}changed: {name} from {old} to {new}")
    for name in data.get("gives_up", []):
        say(f"the next prune {'would delete' if would else 'deletes'}: {name}")
    if "changes" not in data:
        table(("NAME", "VALUE", "FROM"), [(row["name"], str(row["value"]), _origin(row)) for row in data["settings"]])
    elif not data["changes"]:
        say("nothing to change")
    notes([data["problem"]] if data["problem"] else [])


def _origin(row: Data) -> str:
    if row["origin"] == "environment":
        return f"{row['variable']} in the environment"
    return f"chosen by {row['by']}, {row['at']:%Y-%m-%d %H:%M} UTC" if row["origin"] == "chosen" else "default"
