"""How it stands with rehearsals, and what is due: only by what is noted beside the backups."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.backups import manifest_of
from worker.repository.drills.rehearsal import Rehearsal
from worker.repository.drills.standing import due, standing
from worker.repository.manifest import Copied, Encrypted, Manifest, artifact_name

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def rehearsal(days_ago: float, **more: object) -> Rehearsal:
    fields = {"at": NOW - timedelta(days=days_ago), "way": "keys", "storage": "/home", "seconds": 1.2, "keys": 3437}
    return Rehearsal.model_validate({**fields, "bytes": 10, "compared": "sample", **more})


def backup(days_ago: float, **more: Any) -> Manifest:
    created_at = NOW - timedelta(days=days_ago)
    return manifest_of(artifact_name(created_at, "rdb", ""), created_at=created_at, **more)


def reasons(*own: Manifest, copies: tuple[tuple[str, list[Manifest]], ...] = (), every: float = 7) -> list[str]:
    return [each.why for each in due(own, copies, every, NOW)]


def test_the_newest_is_due_when_none_that_was_the_newest_was_rehearsed_within_the_days() -> None:
    assert reasons(backup(0)) == ["newest"]
    assert reasons(backup(0), backup(6, rehearsed=rehearsal(5.5)), backup(9, rehearsed=rehearsal(3))) == []
    assert reasons(backup(0), backup(8, rehearsed=rehearsal(7.5)), backup(9, rehearsed=rehearsal(3))) == ["newest"]


def test_one_that_was_old_by_then_does_not_stand_for_the_newest() -> None:
    assert reasons(backup(0), backup(5), backup(9, rehearsed=rehearsal(1))) == ["newest"]


def test_an_older_one_is_due_once_a_month_and_drawn_at_random_but_the_same_for_two_who_look() -> None:
    own = [backup(0, rehearsed=rehearsal(0)), *(backup(days) for days in range(1, 20))]
    (first,), (second,) = due(own, (), 7, NOW), due(own, (), 7, NOW)
    assert first == second
    assert (first.why, first.place) == ("older", None)
    drawn = {due(own, (), 7, NOW + timedelta(days=day))[0].name for day in range(6)}
    assert len(drawn) > 1
    assert own[0].name not in drawn


def test_a_copy_is_due_once_a_month_in_each_storage() -> None:
    own = backup(0, rehearsed=rehearsal(0))
    assert reasons(own, copies=(("/a", [own]), ("/b", []))) == ["copy in /a"]
    at_home = own.model_copy(update={"copies": {"/a": Copied(copied_at=NOW, rehearsed=rehearsal(29))}})
    assert reasons(at_home, copies=(("/a", [own]),)) == []
    there = backup(3, rehearsed=rehearsal(2, storage="/a"))
    assert reasons(own, copies=(("/a", [backup(1), there]),)) == []
    assert reasons(own, copies=(("/b", [backup(1), there]),)) == ["copy in /b"]


def test_one_that_could_only_be_read_was_tried_all_the_same() -> None:
    assert reasons(backup(1, decoded=rehearsal(0.5, way="read"))) == []


def test_nothing_is_due_where_drills_are_off_or_nothing_is_there() -> None:
    assert reasons(backup(0), every=0) == []
    assert reasons() == []


def words(*own: Manifest, every: float = 7) -> str:
    return standing(own, every, NOW).warning or ""


def test_what_is_fine_needs_no_words() -> None:
    assert words() == ""
    assert words(backup(0.5)) == ""
    assert words(backup(0), backup(8, rehearsed=rehearsal(7.9))) == ""
    assert words(backup(20), every=0) == ""


@pytest.mark.parametrize(
    ("own", "start"),
    [
        ([backup(0), backup(2)], "No backup has been rehearsed yet. `python -m worker drill redis_backup_"),
        (
            [backup(2, decoded=rehearsal(1, way="read", reason="no server fits"))],
            "No backup has been rehearsed yet. The last one was only read, for no server fits.",
        ),
        (
            [backup(0), backup(20, rehearsed=rehearsal(9))],
            "The last good rehearsal was 9 days ago, and one is due every 7. `python -m worker drill redis_backup_",
        ),
        (
            [backup(2, encryption=Encrypted(recipients=["somebody"]))],
            "No backup has been rehearsed yet. `python -m worker drill redis_backup_20261128_120000.rdb` where the secret key is",
        ),
        (
            [backup(1, rehearsed=rehearsal(0, differs=["2 keys are missing."]))],
            "The last rehearsal failed: redis_backup_20261129_120000.rdb did not come back as it should. 2 keys are missing.",
        ),
    ],
)
def test_what_somebody_should_look_after_is_said_with_what_to_do(own: list[Manifest], start: str) -> None:
    assert words(*own).startswith(start)


def test_a_failed_one_is_told_also_where_none_is_asked_for() -> None:
    assert words(backup(1, rehearsed=rehearsal(0, differs=["x"])), every=0)


def test_the_last_good_one_counts_of_copies_too() -> None:
    copied = {"/a": Copied(copied_at=NOW, rehearsed=rehearsal(1, storage="/a"))}
    known = standing([backup(3, rehearsed=rehearsal(2), copies=copied)], 7, NOW)
    assert known.good is not None
    assert known.good.drill.storage == "/a"
