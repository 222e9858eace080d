"""`adopt`: a file of somebody else's taken in."""

from pathlib import Path

import click

from worker.adopt import AdoptArguments, adopt
from worker.config import load
from worker.console import show
from worker.shell.backup import made
from worker.shell.performing import performed, verb


@verb("adopt")
@click.argument("file", type=click.Path(path_type=Path))
def command(as_json: bool, file: Path) -> None:
    """Take FILE in as a backup: a dump.rdb or a portable JSON, plain, .gz or .zst."""
    arguments = AdoptArguments(file=file)
    result = performed("adopt", arguments, lambda progress: adopt(load(), file, progress))
    show(result, as_json=as_json, view=made)
