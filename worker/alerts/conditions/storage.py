"""What can be wrong with the storage of the backups: away, gone, nearly full, or changed by somebody else."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta

from worker.alerts.conditions.condition import Condition
from worker.alerts.conditions.errors import one_line
from worker.alerts.facts import Facts
from worker.words import counted, size

AWAY_FOR = timedelta(minutes=5)
"""Before somebody is told that a storage cannot be read, ours or another."""


def away(facts: Facts) -> Iterator[Condition] | None:
    """It cannot be looked into."""
    if facts.fault is None:
        return None if facts.contents is None else iter(())
    return iter(
        [
            Condition(
                "storage.away",
                "bad",
                "The storage cannot be read",
                f"The storage of the backups cannot be read: {one_line(facts.fault)}",
                "Until that is mended nothing can be restored from it; the System page tries it.",
                "/system",
                "The storage of the backups can be read",
                after=AWAY_FOR,
            )
        ]
    )


def gone(facts: Facts) -> Iterator[Condition]:
    """Its folder is not there, though there were backups."""
    if not facts.is_there and any(run.state == "SUCCESS" and not run.skipped for run in facts.backups):
        yield Condition(
            "storage.gone",
            "bad",
            "The storage is gone",
            "Backups were made, and the folder of the storage is not there.",
            "Is it mounted, and is BACKUP_STORAGE right?",
            "/system",
            "The folder of the storage is there",
        )


def nearly_full(facts: Facts) -> Iterator[Condition] | None:
    """It has no room for as many backups as BACKUP_ROOM_FOR wants."""
    newest, wanted = facts.newest, facts.settings.backup_room_for
    if not wanted:
        return iter(())
    if facts.free_bytes is None or newest is None:
        return None
    fits = facts.free_bytes // max(1, newest.bytes.stored)
    if fits >= wanted:
        return iter(())
    room = "no more backup" if fits < 1 else f"{counted(fits, 'more backup')} only"
    return iter(
        [
            Condition(
                "storage.full",
                "bad" if fits < 1 else "warning",
                "The storage is nearly full",
                f"The storage has {size(facts.free_bytes)} left, room for {room} like the newest "
                f"({size(newest.bytes.stored)}).",
                "Free space, or keep fewer backups (BACKUP_KEEP): what lies in the trash takes room too.",
                "/system",
                "The storage has room again",
            )
        ]
    )


def changed_by_others(facts: Facts) -> Iterator[Condition] | None:
    """What is there is not what was written."""
    if facts.contents is None:
        return None
    return (
        Condition(
            "storage.alarm",
            "bad",
            "The storage is not as we left it",
            one_line(alarm),
            "Somebody can write into the storage who should not: find out who, and take that away.",
            "/backups",
            "What was not as we left it in the storage is mended, or accepted",
            of=hashlib.sha256(alarm.encode(errors="replace")).hexdigest()[:12],
        )
        for alarm in facts.contents.alarms
    )


def taken_away(facts: Facts) -> Iterator[Condition] | None:
    """What was deleted or written over by somebody else."""
    if facts.contents is None:
        return None
    return (
        Condition(
            "backup.taken",
            "bad",
            "Somebody else has changed backups in the bucket",
            f"{lost.name} was {lost.how} in the storage by somebody else.",
            f"Change the bucket's keys, then `python -m worker put-back {lost.name}` puts back what was written there.",
            "/backups",
            f"{lost.name} is back, or its loss was accepted",
            of=lost.name,
        )
        for lost in facts.contents.lost
    )
