"""`notify`: what waits to be told, and whether each channel works."""

from typing import Any

import click

from worker.cli.console import facts, say, show
from worker.cli.runner import Data, looked_up, verb
from worker.config.settings import load
from worker.notify import overview, trial

NO_LINKS = "Messages have no links: PUBLIC_URL, where people reach the dashboard, is not set."
NO_BEAT = "HEARTBEAT_URL is not tried: it would take that for a backup."


@verb("notify")
@click.option("--test", is_flag=True, help="Send a message to each channel now, and say what came of it.")
def command(as_json: bool, **options: Any) -> None:
    """Show what waits to be told, channel by channel; with --test try each of them."""
    if not options["test"]:
        show(overview.overview(load()), as_json=as_json, view=_waiting)
        return
    with looked_up("try_channels") as progress:
        result = trial.try_channels(load(), progress)
    show(result, as_json=as_json, view=_tried)
    trial.check_heard(result)


def _tried(data: Data) -> None:
    facts([(each["channel"], each["why"] or f"took it ({each['seconds']:g} s)") for each in data["channels"]])
    _notes(data)


def _waiting(data: Data) -> None:
    if not data["channels"]:
        say("Nobody is told of anything: NOTIFY_URLS and NOTIFY_WEBHOOK_URL are not set.")
    for channel in data["channels"]:
        facts([(channel["channel"], channel["state"])])
        for message in channel["waiting"]:
            say(f"  {message['at'][:16]} {message['level']}: {message['sentence']}")
    _notes(data)


def _notes(data: Data) -> None:
    if data["channels"] and not data["links"]:
        say(NO_LINKS)
    if load().heartbeat_url is not None:
        say(NO_BEAT)
