"""How each of the other storages stands: what lies there, what is missing, and what should be there by now."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from worker.config.settings import Settings
from worker.repository.contents import Catalogue
from worker.repository.copies.lacking import lacking, without_a_note
from worker.repository.manifest import Manifest

NAMED = 20
"""Backups whose copies are late that are named, of each storage."""


class Reading(NamedTuple):
    """What a storage of copies held when it was last looked into."""

    where: str
    """What people call it."""
    place: str
    """What notes know it by."""
    contents: Catalogue | None
    """None where nobody could look into it so far."""
    read_at: datetime | None
    """When that was."""
    error: str | None = None
    """Why the last look failed; what was seen before that still counts."""


@dataclass(frozen=True)
class Standing:
    """One of the other storages, as far as it was seen."""

    where: str
    reachable: bool
    error: str | None
    """Why it could not be looked into the last time."""
    read_at: datetime | None
    """Of when this is; None where it was not seen so far, and missing is what no note at home says of it."""
    count: int | None
    """Backups that lie there."""
    bytes: int | None
    newest: str | None
    newest_at: datetime | None
    missing: int
    """Backups at home that are not there."""
    late: int
    """Those of them that should be there by now."""
    names: list[str]
    """Of these the newest."""
    warnings: list[str]
    """What somebody should look after, in sentences."""


def standings(settings: Settings, home: Catalogue, readings: Iterable[Reading]) -> list[Standing]:
    """How it stands in each of them now."""
    now = datetime.now(UTC)
    return [standing(home, reading, settings.backup_copies_late_hours, now) for reading in readings]


def standing(home: Catalogue, reading: Reading, late_hours: float, now: datetime) -> Standing:
    """How it stands there, beside what lies at home."""
    contents = reading.contents
    missing = lacking(home, contents) if contents else without_a_note(home, reading.place)
    late = [backup for backup in missing if now - backup.created_at > timedelta(hours=late_hours)]
    newest = contents.backups[0] if contents and contents.backups else None
    return Standing(
        where=reading.where,
        reachable=reading.error is None,
        error=reading.error,
        read_at=reading.read_at,
        count=len(contents.backups) if contents else None,
        bytes=sum(backup.bytes.stored for backup in contents.backups) if contents else None,
        newest=newest.name if newest else None,
        newest_at=newest.created_at if newest else None,
        missing=len(missing),
        late=len(late),
        names=[backup.name for backup in late[:NAMED]],
        warnings=[*_away(reading), *_late(reading.where, late, late_hours)],
    )


def _away(reading: Reading) -> list[str]:
    return [f"The copies in {reading.where} cannot be looked at: {reading.error}"] if reading.error else []


def _late(where: str, late: list[Manifest], hours: float) -> list[str]:
    if not late:
        return []
    what = "1 backup is" if len(late) == 1 else f"{len(late):,} backups are"
    which = "it" if len(late) == 1 else "the newest of them"
    return [
        f"{what} not in {where}, {hours:g} hours after it was made and more: `python -m worker copy {late[0].name} --to {where}` "
        f"copies {which}."
    ]


@dataclass(frozen=True)
class Lying:
    """A backup, and what people call the storages that it lies in: home first."""

    manifest: Manifest
    where: tuple[str, ...]


def everywhere(home: Catalogue, where: str, readings: Iterable[Reading]) -> list[Lying]:
    """All backups in all storages, newest first. `where` is what home is called."""
    manifests = {backup.name: backup for backup in home.listed}
    lie = {name: [where] for name in manifests}
    for reading in readings:
        for backup in reading.contents.listed if reading.contents else ():
            manifests.setdefault(backup.name, backup)
            lie.setdefault(backup.name, []).append(reading.where)
    by_age = sorted(manifests.values(), key=lambda backup: (backup.created_at, backup.name), reverse=True)
    return [Lying(backup, tuple(lie[backup.name])) for backup in by_age]
