"""`silence`: an alert that nobody is to be told of for a while."""

import click

from worker.alerts.silence import silence
from worker.arguments.alerts import SilenceArguments
from worker.cli.console import say, show
from worker.cli.recorded import performed
from worker.cli.runner import Data, checked, verb
from worker.config.settings import load


@verb("silence")
@click.argument("key")
@click.option("--hours", type=float, required=True, help="For how long; 0 ends a silence.")
def command(as_json: bool, key: str, hours: float) -> None:
    """Tell nobody of the alert KEY for some hours. `alerts` shows the keys; what is still wrong afterwards is told then."""
    arguments = checked(SilenceArguments, key=key, hours=hours)
    result = performed("silence", arguments, lambda _: silence(load(), arguments))
    show(result, as_json=as_json, view=silenced)


def silenced(data: Data) -> None:
    """From when on somebody is told again."""
    until = str(data["until"] or "")[:16].replace("T", " ")
    say(f"{data['silenced']} is silent until {until} UTC" if until else f"{data['silenced']} is told of again")
