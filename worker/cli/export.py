"""`export`: a backup as portable JSON."""

from pathlib import Path

import click

from worker.backups.export import STDOUT, export
from worker.cli.console import say, show, size
from worker.cli.max_size import with_max_size
from worker.cli.options import with_from
from worker.cli.runner import Data, looked_up, verb
from worker.cli.traces import read_at_shell
from worker.config.settings import load
from worker.errors import UsageError


@verb("export")
@click.argument("what", metavar="NAME-or-FILE")
@click.option(
    "-o", "out", type=click.Path(path_type=Path), help="Where to (- is standard output; .gz and .zst compress)."
)
@with_from
@with_max_size
def command(as_json: bool, what: str, out: Path | None, storage: str | None, *, max_size: int | None) -> None:
    """Write a backup, or any RDB file, as portable JSON: for people, jq, and other or older servers."""
    if as_json and out == STDOUT:
        raise UsageError("--json and -o - both want standard output: leave one of them out.")
    with looked_up("export") as progress:
        result = export(load(), what, out, progress, max_size, storage)
    read_at_shell("export", result["bytes"], name=what)
    if out != STDOUT:
        show(result, as_json=as_json, view=exported)


def exported(data: Data) -> None:
    """What was written where."""
    say(f"{data['file']}: {data['keys']:,} keys, {size(data['bytes'])}, sha256 {data['sha256']}")
