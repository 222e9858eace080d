"""`export`: a backup as portable JSON, or the chain of a source as a folder that a server loads."""

import shlex
from pathlib import Path

import click

from worker.backups.chains.export import export_chain
from worker.backups.export import STDOUT, export
from worker.cli.console import say, show, size
from worker.cli.max_size import with_max_size
from worker.cli.options import with_from, with_moment
from worker.cli.runner import Data, looked_up, verb
from worker.cli.traces import read_at_shell
from worker.config.settings import load
from worker.errors import UsageError


@verb("export")
@click.argument("what", metavar="NAME-or-FILE", required=False)
@with_moment
@click.option(
    "-o", "out", type=click.Path(path_type=Path), help="Where to (- is standard output; .gz and .zst compress)."
)
@click.option(
    "--aof",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The source's chain as a folder that `redis-server --appendonly yes --dir DIR` loads, up to the moment.",
)
@with_from
@with_max_size
def command(  # noqa: PLR0913, PLR0917 - one for each option
    as_json: bool,
    what: str | None,
    moment: str | None,
    out: Path | None,
    aof: Path | None,
    storage: str | None,
    *,
    max_size: int | None,
) -> None:
    """Write a backup, or any RDB file, as portable JSON: for people, jq, and other or older servers."""
    if as_json and out == STDOUT:
        raise UsageError("--json and -o - both want standard output: leave one of them out.")
    if aof is not None:
        _export_chain(aof, moment, alone=(what, out, storage, max_size) == (None,) * 4, as_json=as_json)
        return
    if (what is None) == (moment is None):
        raise UsageError(
            "Name a backup or a file, or say with one of --at, --before and --at-offset which moment is meant."
        )
    name = what or moment or ""
    with looked_up("export") as progress:
        result = export(load(), name, out, progress, max_size, storage)
    read_at_shell("export", result["bytes"], name=name)
    if out != STDOUT:
        show(result, as_json=as_json, view=exported)


def _export_chain(folder: Path, moment: str | None, *, alone: bool, as_json: bool) -> None:
    if not alone:
        raise UsageError("--aof writes the chain of the source: beside it only a moment can be said.")
    with looked_up("export") as progress:
        result = export_chain(load(), moment, folder, progress)
    read_at_shell("export", result["bytes"], name=f"@offset:{result['offset']}")
    show(result, as_json=as_json, view=_chain_exported)


def _chain_exported(data: Data) -> None:
    say(f"{data['folder']}: {size(data['bytes'])}, the source at {data['moment']}, from {data['base']}")
    say(f"It is loaded by: redis-server --appendonly yes --dir {shlex.quote(data['folder'])}")


def exported(data: Data) -> None:
    """What was written where."""
    say(f"{data['file']}: {data['keys']:,} keys, {size(data['bytes'])}, sha256 {data['sha256']}")
