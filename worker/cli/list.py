"""`list`: the backups that there are, and what restores can be undone with."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from worker.cli.console import age, dump, notes, number, say, size, table
from worker.cli.max_size import with_max_size
from worker.cli.runner import Data, looked_up, verb
from worker.config.settings import load
from worker.repository import catalogue
from worker.repository.catalogue import Catalogue
from worker.repository.manifest import Manifest
from worker.repository.trash import Trashed
from worker.storage import open_storage


@verb("list")
@click.option("--repair", "is_repair", is_flag=True, help="Make damaged manifests anew from what their artifacts tell.")
@click.option("--yes", is_flag=True, help="Repair without asking.")
@click.option("--trash", "is_trash", is_flag=True, help="Show what was deleted and can be put back.")
@with_max_size
def command(as_json: bool, is_repair: bool, yes: bool, is_trash: bool, *, max_size: int | None) -> None:
    """Show the backups, newest first.

    With --repair: make the manifests anew that are damaged, and keep their text beside them. Good ones are not touched.
    """
    if is_repair:
        # With it comes all that reads an artifact, which a mere list has no use for.
        from worker.cli.repair import repair_all  # noqa: PLC0415

        repair_all(as_json=as_json, yes=yes, max_size=max_size)
        return
    with looked_up("list"):
        found = catalogue.read(open_storage(load().backup_storage))
    if as_json:
        dump(_data(found))
    elif is_trash:
        trashed(found)
    else:
        listed(found)


def _data(found: Catalogue) -> Data:
    days = load().backup_trash_days
    return {
        "backups": [one.model_dump(mode="json") for one in found.listed],
        "undos": [one.model_dump(mode="json") for one in found.undos],
        "trash": [_told(one, days) for one in found.trash],
        "problems": found.problems,
        "damaged": [asdict(one) for one in found.damaged],
        "warnings": found.warnings,
    }


def _told(one: Trashed, days: int) -> dict[str, Any]:
    manifest = one.manifest.model_dump(mode="json") if one.manifest else None
    moments = {"deleted_at": one.deleted_at.isoformat(), "goes_at": one.goes_at(days).isoformat()}
    return {"name": one.name, **moments, "deleted_by": one.deleted_by, "bytes": one.bytes, "manifest": manifest}


def trashed(found: Catalogue) -> None:
    """What lies in the trash, the last deleted first."""
    if not found.trash:
        say("The trash is empty.")
        return
    days = load().backup_trash_days
    rows = [
        (
            one.name,
            number(one.manifest.keys) if one.manifest else "damaged",
            size(one.bytes),
            f"{one.deleted_at:%Y-%m-%d %H:%M}",
            one.deleted_by or "-",
            f"{one.goes_at(days):%Y-%m-%d %H:%M}",
        )
        for one in found.trash
    ]
    table(("NAME", "KEYS", "SIZE", "DELETED", "BY", "KEPT UNTIL"), rows)
    say("To have one back: python -m worker put-back NAME")


def listed(found: Catalogue) -> None:
    """The catalogue."""
    if not found.listed:
        say("There is no backup yet. Make the first: python -m worker backup")
    else:
        now = datetime.now(UTC)
        rows = [_row(one, now) for one in found.listed]
        table(("NAME", "AGE", "KEYS", "SIZE", "OF", "CONSISTENCY", "ENCRYPTED", "VERIFIED", "PINNED"), rows)
    _undos(found.undos)
    if found.trash:
        say("")
        say(f"{len(found.trash)} more in the trash: python -m worker list --trash")
    notes(found.problems + found.warnings)


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
    origin += f" ({one.kind})" if one.lacks_keys else ""
    verified = "yes" if one.verified_at else "no"
    return (
        one.name,
        age(one.age_seconds(now)),
        number(one.keys),
        size(one.bytes.stored),
        origin,
        one.consistency,
        "yes" if one.encrypted else "no",
        verified,
        (one.pin_reason or "yes") if one.pinned else "no",
    )
