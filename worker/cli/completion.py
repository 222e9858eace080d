"""`python -m worker completion`: what has a shell complete verbs and options."""

import click
from click.shell_completion import get_completion_class

PROGRAM = "redis-backup"
VARIABLE = "_REDIS_BACKUP_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print what makes SHELL complete `redis-backup`, as `pip install .` brings it: verbs, options, choices.

    Append it to ~/.bashrc or ~/.zshrc, or write it into ~/.config/fish/completions/redis-backup.fish.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"This version of click completes nothing in {shell}.")
    click.echo(kind(ctx.find_root().command, {}, PROGRAM, VARIABLE).source())
