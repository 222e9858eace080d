"""Which verbs there are; a verb's own module, and with it half of the house, is loaded only when it is called."""

import sys
from importlib import import_module

import click

from worker.cli.examples import shown
from worker.runs.operations import OPERATIONS

VERBS = {
    "list": "Show the backups, newest first.",
    **{operation.name.replace("_", "-"): operation.verb for operation in OPERATIONS.values() if operation.verb},
    "alerts": "Show what is wrong, and what was.",
    "schedule": "Show when backups are made and how many are kept, or change that.",
    "cancel": "Cancel a run that waits or runs.",
    "export": "Write a backup as portable JSON.",
    "keygen": "Make a key to encrypt backups to, and print the recovery sheet.",
    "notify": "Show what waits to be told, or try out who hears of it.",
    "visit": "Bring home what has come in the source's replication stream.",
    "token": "Make, list and revoke tokens for the API.",
    "completion": "Print what has a shell complete verbs and options.",
}
"""The verbs, those first that are used most, and what each is for."""


def module_of(verb: str) -> str:
    """The module that has its command."""
    return f"worker.cli.{verb.replace('-', '_')}"


class Verbs(click.Group):
    """The group of all verbs. `--help` answers in a third of the time that it would take to load them all."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click calls it
        """Every verb."""
        return [*VERBS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a verb, with examples below its help; None where there is no such verb."""
        if cmd_name not in VERBS:
            return None
        # Where it is installed structlog loads it, for a way to show tracebacks that is not used here: an eighth of the start.
        sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
        command: click.Command = import_module(module_of(cmd_name)).command
        command.epilog = shown(ctx.find_root().info_name or "python -m worker", cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as click calls it
        """Write the list of verbs."""
        with formatter.section("Commands"):
            formatter.write_dl([*VERBS.items()])
