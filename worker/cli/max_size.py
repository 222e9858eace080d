"""The option of verbs that read a foreign file; a module of its own, for `list` needs nothing of a restore's."""

import click

with_max_size = click.option(
    "--max-size",
    type=click.IntRange(min=1),
    metavar="BYTES",
    help="How many bytes a file may become, where that is more than one of its size is allowed.",
)
