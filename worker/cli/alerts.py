"""`alerts`: what is wrong now, and what was; its exit code is for whatever watches from outside."""

import sys
from datetime import UTC, datetime

import click

from worker.alerts import memory
from worker.alerts.memory import Alert, Memory
from worker.cli.console import notes, say, show
from worker.cli.runner import Data, verb
from worker.config.settings import load
from worker.words import age, span

WARNED, BAD = 4, 5
"""Exit codes: something that is no more than a warning is open; something bad is, or nobody looks."""


@verb("alerts")
@click.option("--history", "past", is_flag=True, help="What was wrong, and for how long.")
def command(as_json: bool, past: bool) -> None:
    """Show what is wrong, by what the workers saw last. Ends with 0 where nothing is, 4 with warnings, 5 with what is bad."""
    settings = load()
    known = memory.read(settings)
    if past:
        ended = memory.history(settings)
        show({"history": [alert.model_dump(mode="json") for alert in ended]}, as_json=as_json, view=_past)
        return
    data = as_data(known)
    show(data, as_json=as_json, view=_open)
    sys.exit(_code(known, data["stale"]))


def as_data(known: Memory | None) -> Data:
    """The open alerts, each with whether it is silenced, and when somebody last looked."""
    seen_at = known.seen_at if known else None
    silences = known.silences if known else {}
    alerts = [
        alert.model_dump(mode="json", exclude={"ended_at"})
        | {"silenced_until": silences[alert.key].until.isoformat() if alert.key in silences else None}
        for alert in (known.open if known else [])
    ]
    return {
        "alerts": alerts,
        "seen_at": seen_at.isoformat() if seen_at else None,
        "stale": known is None or not known.is_recent(datetime.now(UTC)),
    }


def _code(known: Memory | None, stale: bool) -> int:
    levels = {alert.level for alert in known.loud} if known else set()
    return BAD if stale or "bad" in levels else WARNED if levels else 0


def _open(data: Data) -> None:
    now = datetime.now(UTC)
    for alert in data["alerts"]:
        since = datetime.fromisoformat(alert["since"])
        silent = f", silent until {alert['silenced_until']}" if alert["silenced_until"] else ""
        say(f"{alert['level']}: {alert['headline']}, since {age(since, now)} ({alert['key']}{silent})")
        say(f"  {alert['sentence']}")
        say(f"  {alert['advice']}")
    if not data["alerts"] and not data["stale"]:
        say("Nothing is wrong.")
    if data["stale"]:
        when = f"since {data['seen_at']}" if data["seen_at"] else "so far"
        notes([f"Nobody has looked {when}: start a worker and beat, which has it look every minute."])


def _past(data: Data) -> None:
    alerts = [Alert.model_validate(alert) for alert in data["history"]]
    for alert in alerts:
        lasted = span(((alert.ended_at or alert.since) - alert.since).total_seconds())
        say(f"{alert.since:%Y-%m-%d %H:%M} UTC, for {lasted}: {alert.headline} ({alert.key})")
        say(f"  {alert.sentence}")
    if not alerts:
        say("Nothing was wrong so far.")
