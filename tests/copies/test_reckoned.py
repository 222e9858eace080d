"""What stands where, told from lists alone: to the hour, to the last name, in the singular and the plural."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.backups import manifest_of
from worker.repository.contents import Catalogue
from worker.repository.copies.lacking import lacking, without_a_note
from worker.repository.copies.places import is_copied, is_same
from worker.repository.copies.standing import NAMED, Reading, everywhere, standing
from worker.repository.manifest import Manifest, artifact_name

NOW = datetime(2024, 1, 31, tzinfo=UTC)


def ago(hours: float, **more: Any) -> Manifest:
    begun = NOW - timedelta(hours=hours)
    return manifest_of(artifact_name(begun, "rdb", ""), b"content", created_at=begun, **more)


def holding(*backups: Manifest) -> Catalogue:
    return Catalogue([*backups], {}, listed=[*backups])


def read(contents: Catalogue | None, error: str | None = None) -> Reading:
    return Reading("there", "file:///there", contents, NOW if contents else None, error)


@pytest.mark.parametrize(("hours", "late"), [(6, 0), (6.001, 1)])
def test_a_copy_is_late_after_its_hours_and_not_at_their_end(hours: float, late: int) -> None:
    seen = standing(holding(ago(hours)), read(holding()), 6, NOW)
    assert (seen.missing, seen.late, len(seen.warnings)) == (1, late, late)
    assert (seen.count, seen.bytes, seen.newest, seen.newest_at, seen.error) == (0, 0, None, None, None)


def test_what_is_late_is_counted_and_its_newest_named() -> None:
    backups = [ago(hours) for hours in range(7, 7 + NAMED + 5)]
    seen = standing(holding(*backups), read(holding()), 6.5, NOW)
    assert (seen.late, seen.names) == (NAMED + 5, [backup.name for backup in backups[:NAMED]])
    assert seen.warnings == [
        f"25 backups are not in there, 6.5 hours after it was made and more: `python -m worker copy {backups[0].name} --to "
        "there` copies the newest of them."
    ]
    one = standing(holding(backups[0]), read(holding()), 6, NOW)
    assert one.warnings[0].startswith("1 backup is not in there, 6 hours")
    assert one.warnings[0].endswith("copies it.")


def test_what_lies_there_is_counted_and_its_newest_named() -> None:
    new, old = ago(1), ago(2)
    seen = standing(holding(new, old), read(holding(new, old), "It is away."), 6, NOW)
    assert (seen.count, seen.bytes, seen.newest, seen.newest_at) == (2, 14, new.name, new.created_at)
    assert (seen.missing, seen.reachable, seen.read_at) == (0, False, NOW)
    assert seen.warnings == ["The copies in there cannot be looked at: It is away."]


def test_where_nobody_could_look_what_home_has_noted_counts() -> None:
    noted = ago(9, copies={"file:///there": NOW})
    other = ago(8, copies={"file:///elsewhere": NOW})
    undo = ago(7, kind="undo")
    seen = standing(holding(undo, other, noted), read(None, "It is away."), 6, NOW)
    assert (seen.count, seen.bytes, seen.newest, seen.missing, seen.names) == (None, None, None, 1, [other.name])
    assert without_a_note(holding(undo, other, noted), "file:///nowhere") == [other, noted]


def test_only_good_backups_are_copied_and_nothing_is_written_over() -> None:
    backups = [ago(hours, kind=kind) for hours, kind in enumerate(("backup", "adopted", "undo"), 1)]
    assert [*map(is_copied, backups)] == [True, True, False]
    assert lacking(holding(*backups), holding()) == backups[:2]
    other = backups[0].model_copy(update={"sha256": "another"})
    assert lacking(holding(*backups), holding(other)) == [backups[1]]
    assert (is_same(backups[0], backups[0]), is_same(backups[0], other)) == (True, False)
    larger = backups[0].model_copy(update={"bytes": backups[0].bytes.model_copy(update={"stored": 8})})
    assert not is_same(backups[0], larger)


def test_each_backup_is_listed_once_with_where_it_lies() -> None:
    new, middle, old = ago(1), ago(2), ago(3)
    away = replace(holding(old), listed=[old, middle])
    lying = everywhere(holding(new, middle), "home", [read(away), read(None), read(holding(old))])
    assert [(each.manifest, each.where) for each in lying] == [
        (new, ("home",)),
        (middle, ("home", "there")),
        (old, ("there", "there")),
    ]
