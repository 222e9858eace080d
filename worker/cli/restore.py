"""`restore`: a backup back into a server."""

from functools import partial
from typing import Any

import click

from worker.arguments.moments import at_offset, is_moment
from worker.arguments.restore import RestoreArguments
from worker.cli.console import notes, number, say, show
from worker.cli.options import or_moment, part_and_place, replacing, with_mode
from worker.cli.recorded import performed
from worker.cli.runner import Data, checked, confirm, verb
from worker.config.settings import Settings, load
from worker.repository.copies.found import find
from worker.repository.scope import scope_of
from worker.restore.restore import check_complete, restore
from worker.restore.selection.held import recording
from worker.restore.target.report import counts
from worker.segments.playing.made import moment_of


@verb("restore")
@or_moment
@with_mode
@part_and_place
@click.option("--preview", metavar="RUN", help="Only if the target is still as that preview saw it.")
@click.option(
    "--force",
    is_flag=True,
    default=None,
    help="Go on though it has changed since the preview, seems to have too little memory, or has replicas that a mirror "
    "would fill as well.",
)
@click.option("--yes", is_flag=True, help="Do not ask before overwriting or deleting.")
def command(as_json: bool, name: str, mode: str, yes: bool, **options: Any) -> None:
    """Restore the backup NAME (`latest`: the newest) into REDIS_URL, or with --to into another server.

    Existing keys are left alone, unless --mode says otherwise. The backup is verified whole before the first key is
    written.
    """
    arguments = checked(RestoreArguments, name=name, mode=mode, **options)
    settings = load()
    if mode != "skip" and not yes:
        arguments, backup = _named(settings, arguments)
        confirm(question(backup, mode, arguments.endpoint(settings).address))

    def view(data: Data) -> None:
        restored(data, replacing(arguments, data["name"]))

    shown = partial(show, as_json=as_json, view=view)
    performed("restore", arguments, lambda progress: restore(settings, arguments, progress), check_complete, shown)


def _named(settings: Settings, arguments: RestoreArguments) -> tuple[RestoreArguments, str]:
    """The same for exactly what is asked about, and what that is."""
    if is_moment(arguments.name):
        recorded = recording(settings, arguments.name)
        origin = f" of {recorded.base.source.address}" if recorded.base.source.address else ""
        exactly = arguments.model_copy(update={"name": at_offset(recorded.offset, recorded.history)})
        return exactly, f"the state{origin} at {moment_of(recorded)}"
    manifest = find(settings, arguments.name, scope_of(settings), arguments.storage).manifest
    origin = f" of {manifest.source.address}" if manifest.source.address else ""
    named = arguments.model_copy(update={"name": manifest.name})
    return named, f"{manifest.name}{origin} ({number(manifest.keys)} keys)"


def question(backup: str, mode: str, target: str) -> str:
    """What a restore that takes something away is about to do, with the addresses it may be wrong about."""
    if mode == "mirror":
        return f"Overwrite keys of {target} with {backup}, and delete those that it does not have?"
    return f"Overwrite keys of {target} with {backup}?"


def restored(data: Data, replacing_those: str) -> None:
    """What a restore did; `replacing_those` is the command that replaces the keys which differ and were left alone."""
    origin = f" (of {data['source']})" if data["source"] not in (None, data["target"]) else ""
    cut = ", not to its end" if data["cut_short"] else ""
    say(f"{data['name']}{origin} to {data['target']}{cut}: {counts(data)}, {data['seconds']:.1f} s")
    if data["mode"] == "mirror" or data["way"] == "replication":
        done = "mirrored" if data["mode"] == "mirror" else "restored"
        say(f"  {done} by {data['way']}: {data['reason']}")
    for failure in data["failures"]:
        say(f"  failed: database {failure['db']}, {failure['type']} '{failure['key']}': {failure['error']}")
    notes(data["warnings"])
    if differing := data["differing"]:
        what = "1 key differs" if differing == 1 else f"{number(differing)} keys differ"
        notes([f"{what} from the backup, and stayed so. What replaces those too: {replacing_those}"])
    if kept := data["undo"]:
        days = "1 day" if kept["days"] == 1 else f"{kept['days']} days"
        say(f"It can be undone for {days}: python -m worker undo {kept['name']}")
