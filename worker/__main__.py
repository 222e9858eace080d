"""The same verbs from a shell, without a queue: what works when the broker is what died."""

import os
import signal
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from worker import __version__, access, audit, config, console, logs
from worker import adopt as adoption
from worker import backup as backups
from worker import catalogue as catalogues
from worker import export as exports
from worker import ping as pings
from worker import prune as prunes
from worker import restore as restores
from worker import stats as numbers
from worker import verify as verifies
from worker.config import Arguments, Settings, load
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


def question(manifest: Manifest, settings: Settings) -> str:
    """What an overwriting restore is about to do, with the addresses it may be wrong about."""
    target = catalogues.scope_of(settings).address
    origin = f" of {manifest.source.address}" if manifest.source.address else ""
    return f"Overwrite keys of {target} with {manifest.name}{origin} ({console.number(manifest.keys)} keys)?"


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
    data = {"backups": [one.model_dump(mode="json") for one in found.backups], "problems": found.problems}
    console.show(data, as_json=as_json, view=console.backups)


@verb
@click.argument("name")
@click.option(
    "--mode",
    type=click.Choice(["skip", "overwrite"]),
    default="skip",
    show_default=True,
    help="What becomes of keys that exist.",
)
@click.option("--match", metavar="GLOB", help="Only keys that fit, such as 'user:*'.")
@click.option(
    "--type", "types", multiple=True, type=click.Choice(TYPES), help="Only keys of this type; may be given again."
)
@click.option("--db", "databases", metavar="0,3", help="Only these databases.")
@click.option("--yes", is_flag=True, help="Do not ask before overwriting.")
def restore(as_json: bool, name: str, mode: str, yes: bool, **options: Any) -> None:
    """Restore the backup NAME (`latest`: the newest) into REDIS_URL.

    Existing keys are left alone, unless --mode overwrite. The backup is verified whole before the first key is written.
    """
    arguments = checked(restores.RestoreArguments, name=name, mode=mode, **options)
    settings = load()
    if mode == "overwrite" and not yes:
        manifest = catalogues.get(open_storage(settings.backup_storage), name, catalogues.scope_of(settings))
        arguments = arguments.model_copy(update={"name": manifest.name})
        confirm(question(manifest, settings))

    def show_and_check(report: Data) -> None:
        console.show(report, as_json=as_json, view=console.restored)
        restores.check_complete(report)

    performed("restore", arguments, lambda progress: restores.restore(settings, arguments, progress), show_and_check)


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
        confirm(f"Delete {name} for good?")
    arguments = checked(prunes.DeleteArguments, name=name)
    result = performed("delete", arguments, lambda _: prunes.delete(load(), arguments))
    console.show(result, as_json=as_json, view=console.deleted)


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
