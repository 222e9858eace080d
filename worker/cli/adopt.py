"""`adopt`: a file of somebody else's taken in."""

from pathlib import Path

import click

from worker.arguments.backups import AdoptArguments
from worker.backups.adopt import adopt
from worker.cli.backup import made
from worker.cli.console import show
from worker.cli.max_size import with_max_size
from worker.cli.recorded import performed
from worker.cli.runner import verb
from worker.config.settings import load


@verb("adopt")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--damaged", "with_damaged", is_flag=True, help="Also when values of it are damaged: restores leave those out."
)
@click.option(
    "--trust", is_flag=True, help="Also a backup that is signed by nobody who is trusted here; FILE may be its name."
)
@with_max_size
def command(as_json: bool, file: Path, *, with_damaged: bool, trust: bool, max_size: int | None) -> None:
    """Take FILE in as a backup, signed as ours: a dump.rdb or a portable JSON, plain, .gz or .zst."""
    arguments = AdoptArguments(file=file, with_damaged=with_damaged, trust=trust, max_size=max_size)
    result = performed("adopt", arguments, lambda progress: adopt(load(), arguments, progress))
    show(result, as_json=as_json, view=made)
