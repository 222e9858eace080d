"""`cancel`: a run that is to end."""

import click

from worker.broker import audit
from worker.cli.console import say, show
from worker.cli.runner import Data, verb
from worker.config.settings import load
from worker.repository.behalf import at_shell
from worker.runs.run import here
from worker.runs.store import open_runs


@verb("cancel")
@click.argument("run")
def command(as_json: bool, run: str) -> None:
    """Cancel RUN, by its id: one that waits ends at once, one that runs at its next batch, and then says what it did."""
    settings, who = load(), str(at_shell(here()))
    with open_runs(settings) as runs:
        cancelled = runs.cancel(run, who)
    audit.record(settings, who, "cancel", "ok", run=run)
    show({"run": run, "state": cancelled.state}, as_json=as_json, view=asked)


def asked(data: Data) -> None:
    """What has become of it."""
    say("Cancelled before it began." if data["state"] == "CANCELLED" else "It ends at its next batch.")
