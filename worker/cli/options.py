"""Options that several verbs have: which keys of a backup, where to, and what becomes of those that exist."""

import shlex
from collections.abc import Callable
from functools import wraps
from typing import Any, TextIO

import click

from worker.arguments.moments import meant
from worker.arguments.restore import Request
from worker.errors import UsageError
from worker.formats.types import NAMES

MOST_KEYS_NAMED = 10
"""Keys that are named in a command line; more of them are in a file."""

with_mode = click.option(
    "--mode",
    type=click.Choice(["skip", "overwrite", "mirror"]),
    default="skip",
    show_default=True,
    help="What becomes of keys that exist: left alone, replaced, or (mirror) replaced and all others deleted.",
)


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


with_from = click.option(
    "--from",
    "storage",
    metavar="PLACE",
    help="Read it there: in BACKUP_STORAGE, or one of BACKUP_COPIES, by its address.",
)

_MOMENT = (
    click.option(
        "--at", metavar="TIME", help="The source at that moment, in UTC as in '2026-11-28 14:03:05', or -10m ago."
    ),
    click.option(
        "--before", metavar="WHAT", help="The source right before its last FLUSHALL, or before that run began."
    ),
    click.option("--at-offset", type=click.IntRange(min=0), metavar="N", help="The source at that replication offset."),
)


def with_moment(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say a moment of the source: the command is given it as `moment`, or None."""

    @wraps(command)
    def run(*, at: str | None, before: str | None, at_offset: int | None, **options: Any) -> Any:
        said = (at and f"@{at}", before and f"@before:{before}", None if at_offset is None else f"@offset:{at_offset}")
        moments = [moment for moment in said if moment]
        if len(moments) > 1:
            raise UsageError("One moment can be meant: leave out all but one of --at, --before and --at-offset.")
        for moment in moments:
            meant(moment)
        return command(moment=next(iter(moments), None), **options)

    for option in reversed(_MOMENT):
        run = option(run)
    return run


def or_moment(command: Callable[..., Any]) -> Callable[..., Any]:
    """The argument of whatever takes the name of a backup, or in its place a moment of the source."""

    @wraps(command)
    def run(*, name: str | None, moment: str | None, **options: Any) -> Any:
        if (name is None) == (moment is None):
            raise UsageError("Name a backup, or say with one of --at, --before and --at-offset which moment is meant.")
        return command(name=name or moment, **options)

    return click.argument("name", required=False)(with_moment(run))


_PART = (
    with_from,
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
    click.option(
        "--key",
        "named",
        multiple=True,
        metavar="KEY",
        help="Only this key, written as in such a file; may be repeated.",
    ),
    click.option("--type", "types", multiple=True, type=click.Choice(NAMES), help="Only this type; may be repeated."),
    click.option("--db", "databases", metavar="0,3", help="Only these databases."),
)
_PLACE = (
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


def part(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of whatever means some keys of a backup: which ones, and where to read it."""

    @wraps(command)
    def run(*, named: tuple[str, ...], keys: tuple[str, ...], **options: Any) -> Any:
        return command(keys=(*keys, *named), **options)

    return _with(_PART, run)


def part_and_place(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of whatever takes keys out of a backup: which ones, and where to."""
    return part(_with(_PLACE, command))


def _with(options: tuple[Callable[..., Any], ...], command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command


def command_line(verb: str, request: Request, **changed: Any) -> str:
    """What to write in a shell for that verb and this request, with other values where some are given."""
    wanted = request.model_copy(update=changed)
    words = [verb, wanted.name, *(["--mode", wanted.mode] if wanted.mode != "skip" else [])]
    for option, values in (
        ("--match", wanted.match),
        ("--exclude", wanted.exclude),
        ("--only", sorted(wanted.kinds or ())),
    ):
        words += [word for value in values for word in (option, value)]
    keys = sorted(wanted.keys or ())
    words += (
        ["--keys-from", "FILE"] if len(keys) > MOST_KEYS_NAMED else [word for key in keys for word in ("--key", key)]
    )
    words += [word for kind in sorted(wanted.types or ()) for word in ("--type", kind)]
    pairs = ",".join(f"{old}:{new}" for old, new in wanted.map_databases.items())
    for option, value in (
        ("--db", ",".join(map(str, sorted(wanted.databases or ())))),
        ("--from", wanted.storage),
        ("--to", wanted.target),
        ("--map-db", pairs),
        ("--prefix", wanted.prefix),
        ("--strip-prefix", wanted.strip_prefix),
        ("--expiry", wanted.expiry if wanted.expiry != "keep" else ""),
    ):
        words += [option, value] if value else []
    return f"python -m worker {shlex.join(words)}"


def replacing(request: Request, name: str) -> str:
    """What replaces the keys that differ, and that this request leaves alone."""
    return command_line("restore", request, name=name, mode="overwrite", kinds={"differs", "expiry"})
