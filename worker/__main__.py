"""The same verbs from a shell, without a queue: what works when the broker is what died."""

import os
import signal
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import click
from pydantic import BaseModel

from worker import __version__, access, audit, config, console, found, inquiry, logs
from worker import adopt as adoption
from worker import backup as backups
from worker import catalogue as catalogues
from worker import export as exports
from worker import ping as pings
from worker import preview as previews
from worker import prune as prunes
from worker import restore as restores
from worker import search as searches
from worker import stats as numbers
from worker import undo as undos
from worker import verify as verifies
from worker.config import Arguments, load
from worker.entries import TYPES
from worker.errors import BackupSystemError, RefusedError, UsageError
from worker.manifest import Manifest
from worker.progress import Progress, both
from worker.recording import Check, Recording, accepted, perform
from worker.runs import here, new
from worker.storage import open_storage

FAILED, MISUSED = 1, 2

Data = dict[str, Any]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="redis-backup")
def cli() -> None:
    """Back up a Redis, and restore it.

    The source is the setting REDIS_URL, the backups lie in BACKUP_STORAGE. Exit codes: 0 done, 1 failed, 2 misused.
    """


with_json = click.option("--json", "as_json", is_flag=True, help="Data as JSON on standard output.")


def verb(command: Callable[..., Any]) -> click.Command:
    """A command with --json: data on standard output and nothing else there."""
    return cli.command()(with_json(command))


def performed(operation: str, arguments: BaseModel, verb: Callable[[Progress], Data], check: Check = accepted) -> Data:
    """One run with a bar on a terminal, remembered where there is a broker. `check` is told what came of it."""
    given = arguments.model_dump(mode="json", exclude_unset=True)
    run = new(str(uuid.uuid4()), operation, given, f"shell {here()}")
    with console.progress() as bar:
        return perform(Recording(load(), run, patience=0), lambda told: verb(both(bar, told)), check)


@contextmanager
def looked_up(operation: str) -> Iterator[Progress]:
    """A run that changes nothing: in the log, with a bar on a terminal, and remembered nowhere."""
    with logs.run(str(uuid.uuid4()), operation), console.progress() as progress:
        yield progress


def checked(model: type[Arguments], **arguments: Any) -> Arguments:
    """The arguments of a verb, checked by the same model as the task's; what was not given is left to its default."""
    return config.checked(model, {name: value for name, value in arguments.items() if value not in (None, ())})


def keys_of(_context: click.Context, _option: click.Parameter, file: TextIO | None) -> tuple[str, ...]:
    """The keys in a file, one a line."""
    if file is None:
        return ()
    try:
        keys = tuple(filter(None, file.read().split("\n")))
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{file.name} is no UTF-8 text: write other bytes of a key as \\xNN.") from None
    if not keys:
        raise UsageError(f"{file.name} holds no key: write each on a line of its own.")
    return keys


def question(manifest: Manifest, mode: str, target: str) -> str:
    """What a restore that takes something away is about to do, with the addresses it may be wrong about."""
    origin = f" of {manifest.source.address}" if manifest.source.address else ""
    backup = f"{manifest.name}{origin} ({console.number(manifest.keys)} keys)"
    if mode == "mirror":
        return f"Overwrite keys of {target} with {backup}, and delete those that it does not have?"
    return f"Overwrite keys of {target} with {backup}?"


def back_question(kept: Manifest, *, force: bool) -> str:
    """What an undo is about to do."""
    others = "keys that others have changed since too" if force else "less those that others have changed since"
    if kept.names_only:
        return f"Delete the keys of {kept.source.address} that restoring {kept.restored} created, {others}?"
    return (
        f"Put {console.number(kept.keys)} keys of {kept.source.address} back as they were at "
        f"{kept.created_at:%Y-%m-%d %H:%M:%S} UTC, and delete those that restoring {kept.restored} created, {others}?"
    )


def confirm(question: str) -> None:
    """Go on only after a yes. RefusedError after anything else, or when nobody is there to answer."""
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        click.echo(err=True)
        raise RefusedError("Nobody answered, so nothing was changed: --yes goes on without asking.") from None
    if not agreed:
        raise RefusedError("Nothing was changed.")


@verb
@click.option("--format", "data_format", type=click.Choice(["rdb", "json"]), help="What to write (default: rdb).")
@click.option(
    "--compression", type=click.Choice(["zstd", "gzip", "none"]), help="Default: zstd for rdb, gzip for json."
)
@click.option(
    "--engine",
    type=click.Choice(["auto", "replication", "scan", "typed"]),
    help="How to read the source (default: auto).",
)
@click.option("--db", "databases", metavar="0,3", help="Only these databases.")
def backup(as_json: bool, data_format: str | None, **options: Any) -> None:
    """Make a backup now."""
    arguments = checked(backups.BackupArguments, format=data_format, **options)
    result = performed("backup", arguments, lambda progress: backups.backup(load(), arguments, progress))
    console.show(result, as_json=as_json, view=console.backup)


@verb
def list(as_json: bool) -> None:  # noqa: A001 - the verb's own name
    """Show the backups, newest first."""
    with looked_up("list"):
        found = catalogues.read(open_storage(load().backup_storage))
    data = {
        "backups": [one.model_dump(mode="json") for one in found.backups],
        "undos": [one.model_dump(mode="json") for one in found.undos],
        "problems": found.problems,
    }
    console.show(data, as_json=as_json, view=console.backups)


_PART_AND_PLACE = (
    click.option(
        "--match", multiple=True, metavar="GLOB", help="Only keys that fit, such as 'user:*'; may be repeated."
    ),
    click.option("--exclude", multiple=True, metavar="GLOB", help="No keys that fit; may be repeated."),
    click.option(
        "--keys-from",
        "keys",
        type=click.File("r", encoding="utf-8-sig", errors="strict"),
        callback=keys_of,
        help="Only the keys in this file, one a line; other bytes than text as \\xNN, a backslash as \\\\.",
    ),
    click.option("--type", "types", multiple=True, type=click.Choice(TYPES), help="Only this type; may be repeated."),
    click.option("--db", "databases", metavar="0,3", help="Only these databases."),
    click.option("--to", "target", metavar="NAME", help="Into this server of REDIS_TARGETS."),
    click.option("--map-db", "map_databases", metavar="0:5", help="Keys of database 0 go to database 5."),
    click.option("--prefix", help="Put before every key."),
    click.option("--strip-prefix", help="Taken off every key; keys without it stay out."),
    click.option(
        "--expiry", metavar="POLICY", help="keep (default), shift (by the backup's age), persist, or floor:SECONDS."
    ),
    click.option(
        "--only",
        "kinds",
        multiple=True,
        type=click.Choice(["new", "differs", "expiry"]),
        help="Only keys that are not there, of another value, or of another expiry only; may be repeated.",
    ),
)


def part_and_place(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of whatever takes keys out of a backup: which ones, and where to."""
    for option in reversed(_PART_AND_PLACE):
        command = option(command)
    return command


with_mode = click.option(
    "--mode",
    type=click.Choice(["skip", "overwrite", "mirror"]),
    default="skip",
    show_default=True,
    help="What becomes of keys that exist: left alone, replaced, or (mirror) replaced and all others deleted.",
)


@verb
@click.argument("name")
@with_mode
@part_and_place
def preview(as_json: bool, name: str, mode: str, **options: Any) -> None:
    """Say what a restore of NAME with the same options would do, key by key. Nothing is written."""
    arguments = checked(previews.PreviewArguments, name=name, mode=mode, **options)
    result = performed("preview", arguments, lambda progress: previews.preview(load(), arguments, progress))
    console.show(result, as_json=as_json, view=console.previewed)


@verb
@click.argument("name")
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
def restore(as_json: bool, name: str, mode: str, yes: bool, **options: Any) -> None:
    """Restore the backup NAME (`latest`: the newest) into REDIS_URL, or with --to into another server.

    Existing keys are left alone, unless --mode says otherwise. The backup is verified whole before the first key is
    written.
    """
    arguments = checked(restores.RestoreArguments, name=name, mode=mode, **options)
    settings = load()
    if mode != "skip" and not yes:
        manifest = catalogues.get(open_storage(settings.backup_storage), name, catalogues.scope_of(settings))
        arguments = arguments.model_copy(update={"name": manifest.name})
        confirm(question(manifest, mode, arguments.endpoint(settings).address))

    def show_and_check(report: Data) -> None:
        console.show(report, as_json=as_json, view=console.restored)
        restores.check_complete(report)

    performed("restore", arguments, lambda progress: restores.restore(settings, arguments, progress), show_and_check)


@verb
@click.argument("run")
@click.option("--force", is_flag=True, help="Also put back what others have changed since.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def undo(as_json: bool, run: str, force: bool, yes: bool) -> None:
    """Undo the restore RUN: put back what it replaced, delete what it created.

    RUN is the restore's run id, or the name of the undo that it kept, as `list` shows it. Keys that others have changed
    since are left alone, unless --force.
    """
    arguments, settings = checked(undos.UndoArguments, run=run, force=force), load()
    if not yes:
        confirm(back_question(catalogues.undo_of(open_storage(settings.backup_storage), run), force=force))

    def show_and_check(report: Data) -> None:
        console.show(report, as_json=as_json, view=console.undone)
        undos.check_complete(report)

    performed("undo", arguments, lambda progress: undos.undo(settings, arguments, progress), show_and_check)


@verb
@click.argument("name")
def verify(as_json: bool, name: str) -> None:
    """Read the backup NAME to its end and compare it with its manifest."""
    arguments = checked(verifies.VerifyArguments, name=name)
    result = performed("verify", arguments, lambda progress: verifies.verify(load(), arguments, progress))
    console.show(result, as_json=as_json, view=console.verified)


@verb
@click.option("--keep", type=click.IntRange(min=1), help="How many to keep (default: BACKUP_KEEP, 7).")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
def prune(as_json: bool, keep: int | None, dry_run: bool) -> None:
    """Delete the oldest backups, and what killed runs left behind."""
    arguments = checked(prunes.PruneArguments, keep=keep, dry_run=dry_run)
    result = performed("prune", arguments, lambda progress: prunes.prune(load(), arguments, progress))
    console.show(result, as_json=as_json, view=console.pruned)


@verb
def stats(as_json: bool) -> None:
    """Show the numbers: backups, source, and what comes next."""
    with looked_up("stats"):
        result = numbers.stats(load())
    console.show(result, as_json=as_json, view=console.stats)


@verb
@click.argument("file", type=click.Path(path_type=Path))
def adopt(as_json: bool, file: Path) -> None:
    """Take FILE in as a backup: a dump.rdb or a portable JSON, plain, .gz or .zst."""
    arguments = adoption.AdoptArguments(file=file)
    result = performed("adopt", arguments, lambda progress: adoption.adopt(load(), file, progress))
    console.show(result, as_json=as_json, view=console.backup)


@verb
@click.argument("what", metavar="NAME-or-FILE")
@click.option(
    "-o", "out", type=click.Path(path_type=Path), help="Where to (- is standard output; .gz and .zst compress)."
)
def export(as_json: bool, what: str, out: Path | None) -> None:
    """Write a backup, or any RDB file, as portable JSON: for people, jq, and other or older servers."""
    if as_json and out == exports.STDOUT:
        raise UsageError("--json and -o - both want standard output: leave one of them out.")
    with looked_up("export") as progress:
        result = exports.export(load(), what, out, progress)
    if out != exports.STDOUT:
        console.show(result, as_json=as_json, view=console.exported)


@verb
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask; nobody is asked either when standard input is no terminal.")
def delete(as_json: bool, name: str, yes: bool) -> None:
    """Delete the backup NAME, for good."""
    if not yes and sys.stdin.isatty():
        lost = catalogues.undos_with(open_storage(load().backup_storage), name)
        confirm(f"Delete {name} for good?{' A restore of it can then no longer be undone.' if lost else ''}")
    arguments = checked(prunes.DeleteArguments, name=name)
    result = performed("delete", arguments, lambda _: prunes.delete(load(), arguments))
    console.show(result, as_json=as_json, view=console.deleted)


@verb
@click.argument("key", required=False)
@click.option("--match", metavar="GLOB", help="All keys that fit, such as 'user:*', in place of one KEY.")
@click.option("--in", "names", multiple=True, metavar="NAME", help="Only in this backup; may be repeated.")
@click.option("--db", "databases", metavar="0,3", help="Only these databases.")
@click.option("--live/--no-live", default=True, show_default=True, help="Whether to look in the source as well.")
@click.option("--limit", type=int, help="How many keys a GLOB is to find (default: 100).")
@click.option("--show", metavar="NAME", help="Show the version of this backup, or of `live`.")
@click.option("--against", metavar="NAME", help="What differs between that version and this one.")
def search(as_json: bool, **options: Any) -> None:
    """Find KEY in all backups and in the source: where it is, and where it changed.

    In KEY other bytes than text are written as \\xNN, and a backslash as \\\\. The first search of a backup makes its
    index, which takes as long as reading it.
    """
    arguments = checked(inquiry.SearchArguments, **options)
    with looked_up("search") as progress:
        result = searches.search(load(), arguments, progress)
    console.show(result, as_json=as_json, view=found.found)


@verb
def ping(as_json: bool) -> None:
    """Reach the source: what it is, what we may do there, which engine would be used."""
    with looked_up("ping"):
        result = pings.ping(load())
    console.show(result, as_json=as_json, view=console.pinged)


@cli.group()
def token() -> None:
    """Make, list and revoke tokens, with which a script may use the API. They are kept in the broker's Redis."""


@token.command("create")
@with_json
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(access.SCOPES),
    help="read: look and download; backup: make and verify; restore: whatever can lose data. May be given again.",
)
def create_token(as_json: bool, name: str, scopes: tuple[str, ...]) -> None:
    """Make the token NAME. Its secret is shown this once."""
    settings, who = load(), f"shell {here()}"
    secret = access.create(settings, name, [*scopes], who)
    audit.record(settings, who, "token created", "ok", name=name, scopes=scopes)
    console.show({"name": name, "scopes": scopes, "secret": secret}, as_json=as_json, view=console.token_created)


@token.command("list")
@with_json
def list_tokens(as_json: bool) -> None:
    """Show the tokens, without their secrets."""
    data = {"tokens": [one.model_dump(mode="json") for one in access.tokens(load())]}
    console.show(data, as_json=as_json, view=console.tokens)


@token.command("revoke")
@with_json
@click.argument("name")
def revoke_token(as_json: bool, name: str) -> None:
    """Make the token NAME worth nothing from now on."""
    settings = load()
    access.revoke(settings, name)
    audit.record(settings, f"shell {here()}", "token revoked", "ok", name=name)
    console.show({"revoked": name}, as_json=as_json, view=console.token_revoked)


def main() -> int:
    """Run one command: its exit code. Errors become one sentence on standard error, in this one place."""
    # Like Ctrl-C: what was begun is taken away, and what is held is given back.
    for number in filter(None, (signal.SIGTERM, getattr(signal, "SIGHUP", None))):
        signal.signal(number, signal.default_int_handler)
    try:
        # Events are for machines: in a shell they come only when LOG_LEVEL asks for them.
        logs.configure(load().log_level if "LOG_LEVEL" in os.environ else "CRITICAL")
        cli(standalone_mode=False)
    except click.UsageError as error:
        error.show()
        return MISUSED
    except click.ClickException as error:
        error.show()
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        return FAILED
    except BackupSystemError as error:
        console.say(f"Error: {error}", err=True)
        return MISUSED if isinstance(error, UsageError) else FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
