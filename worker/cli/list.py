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
from worker.repository.copies import holdings, places
from worker.repository.copies.standing import Reading, everywhere, standings
from worker.repository.drills.rehearsal import Rehearsal
from worker.repository.drills.standing import standing
from worker.repository.manifest import Manifest
from worker.repository.signing.trust import trust_of
from worker.repository.trash import Trashed

_COLUMNS = ("NAME", "AGE", "KEYS", "SIZE", "OF", "CONSISTENCY", "ENCRYPTED", "VERIFIED", "REHEARSED", "PINNED")


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
        # It imports all that reads an artifact, which a mere list does not need.
        from worker.cli.repair import repair_all  # noqa: PLC0415

        repair_all(as_json=as_json, yes=yes, max_size=max_size)
        return
    catalogue.show_only()
    with looked_up("list"):
        home = places.home(load())
        contents = catalogue.read(home)
        copies = [] if is_trash else holdings.look(load())
        strangers = trust_of(load(), home).strangers([*contents.listed, *contents.undos])
    if as_json:
        dump(
            _data(contents)
            | _elsewhere(contents, copies)
            | {"warnings": contents.warnings + strangers + _of_drills(contents)}
        )
    elif is_trash:
        trashed(contents)
    else:
        listed(contents, copies)
        notes(strangers)


def _data(contents: Catalogue) -> Data:
    days = load().backup_trash_days
    return {
        "backups": [manifest.model_dump(mode="json") for manifest in contents.listed],
        "undos": [manifest.model_dump(mode="json") for manifest in contents.undos],
        "trash": [_in_trash(trashed, days) for trashed in contents.trash],
        "alarms": contents.alarms,
        "problems": contents.problems,
        "damaged": [asdict(damaged) for damaged in contents.damaged],
        "lost": [{"name": missed.name, "how": missed.how} for missed in contents.lost],
        "warnings": contents.warnings,
    }


def _elsewhere(contents: Catalogue, copies: list[Reading]) -> Data:
    """Where each backup lies, those of which home has none, and how it stands with the copies."""
    home = str(places.home(load()))
    lying = everywhere(contents, home, copies)
    return {
        "where": {each.manifest.name: each.where for each in lying},
        "elsewhere": [each.manifest.model_dump(mode="json") for each in lying if home not in each.where],
        "copies": [asdict(standing) for standing in standings(load(), contents, copies)],
    }


def _in_trash(trashed: Trashed, days: int) -> dict[str, Any]:
    manifest = trashed.manifest.model_dump(mode="json") if trashed.manifest else None
    moments = {"deleted_at": trashed.deleted_at.isoformat(), "goes_at": trashed.goes_at(days).isoformat()}
    return {
        "name": trashed.name,
        **moments,
        "deleted_by": trashed.deleted_by,
        "bytes": trashed.bytes,
        "manifest": manifest,
    }


def trashed(contents: Catalogue) -> None:
    """What lies in the trash, the last deleted first."""
    if not contents.trash:
        say("The trash is empty.")
        return
    days = load().backup_trash_days
    rows = [
        (
            entry.name,
            number(entry.manifest.keys) if entry.manifest else "damaged",
            size(entry.bytes),
            f"{entry.deleted_at:%Y-%m-%d %H:%M}",
            entry.deleted_by or "-",
            f"{entry.goes_at(days):%Y-%m-%d %H:%M}",
        )
        for entry in contents.trash
    ]
    table(("NAME", "KEYS", "SIZE", "DELETED", "BY", "KEPT UNTIL"), rows)
    say("To have one back: python -m worker put-back NAME")


def listed(contents: Catalogue, copies: list[Reading]) -> None:
    """The catalogue: of all storages, where there are several."""
    lying = everywhere(contents, "home", copies)
    if not lying:
        say("There is no backup yet. Make the first: python -m worker backup")
    else:
        now = datetime.now(UTC)
        rows = [(*_row(each.manifest, now), *([", ".join(each.where)] if copies else [])) for each in lying]
        table((*_COLUMNS, *(["LIES IN"] if copies else [])), rows)
    _undos(contents.undos)
    if contents.trash:
        say("")
        say(f"{len(contents.trash)} more in the trash: python -m worker list --trash")
    late = [said for standing in standings(load(), contents, copies) for said in standing.warnings]
    notes(contents.problems + contents.warnings + late + _of_drills(contents))


def _undos(kept: list[Manifest]) -> None:
    """What restores can be undone with; these look like backups and are none."""
    if not kept:
        return
    now = datetime.now(UTC)
    rows = [
        (
            undo.name,
            age(undo.age_seconds(now)),
            number(undo.keys),
            size(undo.bytes.stored),
            str(undo.source.address),
            str(undo.restored),
            "yes" if undo.undone_at else "no",
        )
        for undo in kept
    ]
    say("")
    say("To undo restores with (python -m worker undo NAME):")
    table(("NAME", "AGE", "KEYS", "SIZE", "OF", "RESTORED", "UNDONE"), rows)


def _row(backup: Manifest, now: datetime) -> tuple[str, ...]:
    databases = backup.source.databases
    part = "" if databases is None else f" db {','.join(map(str, databases))}"
    origin = backup.kind if backup.kind == "adopted" else f"{backup.source.address}{part}"
    origin += f" ({backup.kind})" if backup.lacks_keys else ""
    origin += " (suspicious)" if backup.suspicious else ""
    verified = "yes" if backup.verified_at else "no"
    return (
        backup.name,
        age(backup.age_seconds(now)),
        number(backup.keys),
        size(backup.bytes.stored),
        origin,
        backup.consistency,
        "yes" if backup.encrypted else "no",
        verified,
        _rehearsed(backup.drilled),
        (backup.pin_reason or "yes") if backup.pinned else "no",
    )


def _rehearsed(drill: Rehearsal | None) -> str:
    if drill is None:
        return "no"
    if drill.has_failed:
        return "failed"
    return "only read" if drill.way == "read" else f"in {drill.seconds:.1f} s"


def _of_drills(contents: Catalogue) -> list[str]:
    """What somebody should look after, of the source that was backed up last."""
    own = [*catalogue.own(contents.backups, contents.backups[0].scope)] if contents.backups else []
    warning = standing(own, load().drill_every_days, datetime.now(UTC)).warning
    return [warning] if warning else []
