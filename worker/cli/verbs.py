"""Which verbs there are; a verb's own module, and with it half of the house, is loaded only when it is called."""

from importlib import import_module

import click

VERBS = {
    "backup": "Make a backup now.",
    "list": "Show the backups, newest first.",
    "preview": "Say what a restore would do, key by key.",
    "restore": "Restore a backup.",
    "undo": "Undo a restore.",
    "search": "Find a key in all backups and in the source.",
    "verify": "Read a backup to its end.",
    "prune": "Delete the oldest backups.",
    "pin": "Keep one backup from every prune.",
    "unpin": "Leave one backup to retention again.",
    "delete": "Delete one backup, for good.",
    "stats": "Show the numbers: backups, source, what comes next.",
    "export": "Write a backup as portable JSON.",
    "adopt": "Take a dump.rdb or a portable JSON in as a backup.",
    "ping": "Reach the source: what it is, what we may do there.",
    "token": "Make, list and revoke tokens for the API.",
}
"""The verbs, those first that are used most, and what each is for."""


class Verbs(click.Group):
    """The group of all verbs. `--help` answers in a third of the time that it would take to load them all."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click calls it
        """Every verb."""
        return [*VERBS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as click calls it
        """The command of a verb; None where there is no such verb."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"worker.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as click calls it
        """Write the list of verbs."""
        with formatter.section("Commands"):
            formatter.write_dl([*VERBS.items()])
