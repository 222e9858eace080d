"""`list`: the backups that there are, and what restores can be undone with."""

from datetime import UTC, datetime

from worker import catalogue
from worker.config import load
from worker.console import age, notes, number, say, show, size, table
from worker.manifest import Manifest
from worker.shell.performing import Data, looked_up, verb
from worker.storage import open_storage


@verb("list")
def command(as_json: bool) -> None:
    """Show the backups, newest first."""
    with looked_up("list"):
        found = catalogue.read(open_storage(load().backup_storage))
    data = {
        "backups": [one.model_dump(mode="json") for one in found.listed],
        "undos": [one.model_dump(mode="json") for one in found.undos],
        "problems": found.problems,
    }
    show(data, as_json=as_json, view=listed)


def listed(data: Data) -> None:
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
    origin = one.kind if one.kind == "adopted" else f"{one.source.address}{part}"
    origin += " (partial)" if one.kind == "partial" else ""
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
