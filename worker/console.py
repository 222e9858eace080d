"""What people see in a shell: tables, sizes and a progress bar; data goes to standard output, progress to the other."""

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click

from worker.manifest import Manifest
from worker.progress import Progress, silent
from worker.report import counts

Data = dict[str, Any]
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def say(line: str, *, err: bool = False) -> None:
    """Print a line; what could steer a terminal in it (a key's or a file's name may) is shown as an escape."""
    click.echo(_CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), line), err=err)


def show(data: Data, *, as_json: bool, view: Callable[[Data], None]) -> None:
    """Print the data itself, or what a person wants to see of it."""
    if as_json:
        click.echo(json.dumps(data, indent=2, default=str))
    else:
        view(data)


@contextmanager
def progress() -> Iterator[Progress]:
    """A bar on standard error while it is a terminal, else nothing."""
    if not sys.stderr.isatty():
        yield silent
        return
    # rich is 100 ms to import: only who sees the bar pays for it.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[done]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None, done="")

        def report(phase: str, current: int, total: int | None, unit: str) -> None:
            done = size(current) if unit == "bytes" else f"{current:,} {unit}"
            bar.update(task, description=phase, completed=current, total=total, done=done)

        yield report


def size(count: float) -> str:
    """Bytes for people: 1,234,567 is `1.2 MB`."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def age(seconds: float) -> str:
    """A span of time for people: the two largest units."""
    whole = int(abs(seconds))
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s")]
    shown = [f"{number} {unit}" for number, unit in parts if number][:2] or ["0 s"]
    return " ".join(shown) + (" in the future" if seconds < 0 else "")


def number(count: int | None) -> str:
    """A count, or a dash where it is not known."""
    return "-" if count is None else f"{count:,}"


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Columns as wide as they must be; those of numbers and sizes stand to the right."""
    columns = [list(column) for column in zip(header, *rows, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    right = [all(cell[:1].isdigit() or cell == "-" for cell in column[1:]) for column in columns]
    for row in (header, *rows):
        cells = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ]
        say("  ".join(cells).rstrip())


def facts(rows: list[tuple[str, str]]) -> None:
    """Names and what they stand for, one to a line."""
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        say(f"{name.ljust(width)}  {value}")


def notes(lines: list[str]) -> None:
    """What a person should know besides, on standard error."""
    for line in lines:
        say(f"Note: {line}", err=True)


def backup(data: Data) -> None:
    """One new backup."""
    if "skipped" in data:
        say(f"No backup was needed: {data['skipped']}.")
        return
    say(
        f"{data['name']}: {number(data['keys'])} keys, {size(data['bytes']['stored'])} "
        f"({size(data['bytes']['raw'])} before compression), {data['duration_seconds']:.1f} s, "
        f"{data['consistency']} by {data['engine']} ({data['engine_reason']})"
    )
    notes(data["warnings"])


def backups(data: Data) -> None:
    """The catalogue."""
    found = [Manifest.model_validate(one) for one in data["backups"]]
    if not found:
        say("There is no backup yet. Make the first: python -m worker backup")
    else:
        now = datetime.now(UTC)
        rows = [_row(one, now) for one in found]
        table(("NAME", "AGE", "KEYS", "SIZE", "OF", "CONSISTENCY", "VERIFIED"), rows)
    _undos([Manifest.model_validate(one) for one in data["undos"]])
    notes(data["problems"])


def _undos(kept: list[Manifest]) -> None:
    """What restores can be undone with; no backups, though they look like some."""
    if not kept:
        return
    now = datetime.now(UTC)
    rows = [
        (
            one.name,
            age(one.age_seconds(now)),
            number(one.keys),
            size(one.bytes.stored),
            str(one.source.address),
            str(one.restored),
            "yes" if one.undone_at else "no",
        )
        for one in kept
    ]
    say("")
    say("To undo restores with (python -m worker undo NAME):")
    table(("NAME", "AGE", "KEYS", "SIZE", "OF", "RESTORED", "UNDONE"), rows)


def _row(one: Manifest, now: datetime) -> tuple[str, ...]:
    databases = one.source.databases
    part = "" if databases is None else f" db {','.join(map(str, databases))}"
    origin = f"{one.source.address}{part}" if one.kind == "backup" else one.kind
    verified = "yes" if one.verified_at else "no"
    return (
        one.name,
        age(one.age_seconds(now)),
        number(one.keys),
        size(one.bytes.stored),
        origin,
        one.consistency,
        verified,
    )


def restored(data: Data) -> None:
    """What a restore did."""
    origin = f" (of {data['source']})" if data["source"] not in (None, data["target"]) else ""
    say(f"{data['name']}{origin} to {data['target']}: {counts(data)}, {data['seconds']:.1f} s")
    if data["way"]:
        say(f"  mirrored by {data['way']}: {data['reason']}")
    for one in data["failures"]:
        say(f"  failed: database {one['db']}, {one['type']} {one['key']!r}: {one['error']}")
    notes(data["warnings"])
    if kept := data["undo"]:
        days = "1 day" if kept["days"] == 1 else f"{kept['days']} days"
        say(f"It can be undone for {days}: python -m worker undo {kept['name']}")


def undone(data: Data) -> None:
    """What an undo did."""
    did = f"{data['put_back']:,} put back, {data['deleted']:,} deleted, {data['as_before']:,} were as before"
    failed = f", {data['failed']:,} failed" if data["failed"] else ""
    say(
        f"{data['name']} to {data['target']}: {did}, {data['left_alone']:,} left alone{failed}, {data['seconds']:.1f} s"
    )
    for one in data["changed"]:
        say(f"  left alone, for others have changed it since: database {one['db']}, {one['key']}")
    if data["left_alone"] > len(data["changed"]):
        say(f"  and {data['left_alone'] - len(data['changed']):,} more")
    for one in data["failures"]:
        say(f"  failed: database {one['db']}, {one['type']} {one['key']!r}: {one['error']}")
    if data["left_alone"]:
        notes([f"To put those back too: python -m worker undo {data['name']} --force"])
    notes(data["warnings"])


def verified(data: Data) -> None:
    """A backup that is whole."""
    say(f"{data['name']} is whole: {number(data['keys'])} keys, {size(data['bytes'])}, sha256 {data['sha256']}")


def pruned(data: Data) -> None:
    """What retention did, or would do."""
    would = "would be " if data["dry_run"] else ""
    for one in data["deleted"]:
        say(f"{would}deleted: {one['name']} ({one['reason']})")
    for name in data["swept"]:
        say(f"{would}swept: {name} (left by a run that was killed)")
    say(
        f"{len(data['kept'])} backups kept, {len(data['deleted'])} {would}deleted, {size(data['freed_bytes'])} {would}freed"
    )
    notes(data["problems"])


def stats(data: Data) -> None:
    """The numbers, in words."""
    source = data["source"]
    rows = [
        ("Backups", f"{data['count']} ({size(data['bytes'])}, compressed {data['compression_ratio'] or '-'} times)"),
        ("To undo", f"{data['undos']['count']} ({size(data['undos']['bytes'])})"),
        ("Newest", f"{data['newest']} ({age(data['last_good_age_seconds'])} old)" if data["newest"] else "none yet"),
        ("Oldest", data["oldest"] or "none yet"),
        ("Next daily", data["next_runs"]["daily"]),
        ("Next by age", data["next_runs"]["interval"]),
        ("Storage", f"{data['storage']['where']} ({size(data['storage']['free_bytes'])} free)"),
    ]
    if source["reachable"]:
        keys = ", ".join(f"db{db}: {count:,}" for db, count in source["keys"].items()) or "none"
        rows += [
            ("Source", f"{source['server']} {source['version']} at {source['address']}, {source['role']}"),
            ("Its keys", keys),
            ("Its memory", size(source["used_memory"])),
            ("Its last save", "ok" if source["last_save_ok"] else "failed"),
        ]
    else:
        rows.append(("Source", source["error"]))
    facts(rows)
    notes(data["problems"])


def exported(data: Data) -> None:
    """What was written where."""
    say(f"{data['file']}: {data['keys']:,} keys, {size(data['bytes'])}, sha256 {data['sha256']}")


def deleted(data: Data) -> None:
    """What is gone."""
    say(f"{data['deleted']} is deleted")


def pinged(data: Data) -> None:
    """What we may do at the source."""
    told = data["facts"]
    rows = [
        ("Source", f"{told['server']} {told['version']} at {data['address']}, {told['role']}"),
        ("Keys", ", ".join(f"db{db}: {count:,}" for db, count in told["keys"].items()) or "none"),
        ("Memory", size(told["used_memory"])),
        ("Engine", f"{data['engine']['name']} ({data['engine']['reason']})"),
        ("Backup", "allowed" if data["may_backup"] else "not allowed"),
        ("Restore", "allowed" if data["may_restore"] else "not allowed"),
    ]
    for purpose, words in data["missing_acl"].items():
        rows.append((f"For {purpose}", f"ACL SETUSER <user> {words}"))
    facts(rows)


def token_created(data: Data) -> None:
    """A new token: its secret alone on standard output, so that a script can catch it."""
    say(data["secret"])
    notes([f"This is the secret of the token {data['name']}; it is shown this once."])


def tokens(data: Data) -> None:
    """All tokens."""
    if not data["tokens"]:
        say("There is no token yet. Make one: python -m worker token create ci --scope read")
        return
    rows = [
        (one["name"], ",".join(one["scopes"]), one["created_by"], _day(one["created_at"]), _day(one["last_used_at"]))
        for one in data["tokens"]
    ]
    table(("NAME", "SCOPES", "MADE BY", "MADE", "LAST USED"), rows)


def _day(moment: str | None) -> str:
    return "never" if moment is None else f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M} UTC"


def token_revoked(data: Data) -> None:
    """A token that is gone."""
    say(f"The token {data['revoked']} is revoked")


_KIND_WORDS = {
    "new": "not there",
    "identical": "the same",
    "differs": "of another value",
    "expiry": "of another expiry only",
    "expired": "expired since",
    "deleted": "only there",
}

_LONGEST_PREFIX = 40


def previewed(data: Data) -> None:
    """What a restore would do: what speaks against it, how many keys of which kind, and some of each."""
    origin = f" (of {data['source']})" if data["source"] not in (None, data["target"]) else ""
    say(f"{data['name']}{origin} beside {data['target']}, mode {data['mode']}, {data['seconds']:.1f} s")
    facts([(f"  {_KIND_WORDS[kind]}", f"{count:>12,}") for kind, count in data["counts"].items() if count])
    for group in ("by_db", "by_type", "by_prefix"):
        _counted(data[group], {"by_db": "DATABASE", "by_type": "TYPE", "by_prefix": "PREFIX"}[group])
    for kind in ("new", "differs", "expiry", "deleted"):
        for one in data["samples"].get(kind, []):
            _sample(kind, one)
    memory = data["memory"]
    limit = f" of at most {size(memory['max_bytes'])} ({memory['eviction']})" if memory["max_bytes"] else ""
    say(f"Memory: about {size(memory['needed_bytes'])} more; {size(memory['used_bytes'])}{limit} are in use")
    told = ", ".join(f"{count:,} {what}" for what, count in data["forecast"].items() if count or what == "restored")
    say(f"It would be refused: {data['refusal']}" if data["refusal"] else f"A restore would say: {told}")
    notes(data["warnings"])
    if data["run"] and not data["refusal"]:
        say(
            f"With --preview {data['run']} a restore goes on only if nothing has changed until then (where a broker runs)"
        )


def _counted(groups: dict[str, dict[str, int]], title: str) -> None:
    """Kinds as columns, where there is more than one row to compare."""
    if len(groups) < 2:
        return
    kinds = [kind for kind in _KIND_WORDS if any(kind in counts for counts in groups.values())]
    say("")
    table(
        (title, *(_KIND_WORDS[kind].upper() for kind in kinds)),
        [(_short(name), *(number(counts.get(kind)) for kind in kinds)) for name, counts in groups.items()],
    )


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_PREFIX else f"{name[:_LONGEST_PREFIX]}…"


def _sample(kind: str, one: Data) -> None:
    say("")
    say(f"{_KIND_WORDS[kind].capitalize()}: database {one['db']}, {one['type']} {one['key']}")
    for row in one["rows"]:
        say(f"  {row['part']}")
        for side in ("backup", "live"):
            if row[side] is not None:
                say(f"    {side:6}  {row[side] or '(empty)'}")
    if one["more"]:
        say(f"  and {one['more']:,} more")
