"""Which backups are kept, and why."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backups import manifest_of
from worker.errors import RefusedError
from worker.manifest import Manifest, Origin, artifact_name
from worker.retention import Undos, decide

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def old(hours: float, *, pinned: bool = False) -> Manifest:
    created_at = NOW - timedelta(hours=hours)
    return manifest_of(artifact_name(created_at, "rdb", ".zst"), created_at=created_at, pinned=pinned)


def kept(backups: list[Manifest], keep: int) -> list[Manifest]:
    return [decision.manifest for decision in decide(backups, keep, NOW) if decision.keep]


def test_without_backups_nothing_is_decided() -> None:
    assert decide([], 7, NOW) == []


def test_the_newest_are_kept_and_the_rest_may_go_each_with_a_reason() -> None:
    backups = [old(hours) for hours in (3, 1, 2)]
    decisions = decide(backups, 2, NOW)
    assert [decision.manifest for decision in decisions] == [backups[1], backups[2], backups[0]]
    assert [decision.keep for decision in decisions] == [True, True, False]
    assert [decision.reason for decision in decisions] == ["one of the 2 newest"] * 2 + ["older than the 2 newest"]


def test_a_pinned_backup_is_kept_and_counts_for_no_other() -> None:
    pinned, newest, older = old(1, pinned=True), old(2), old(3)
    decisions = decide([newest, pinned, older], 1, NOW)
    assert [(decision.manifest, decision.keep) for decision in decisions] == [
        (pinned, True),
        (newest, True),
        (older, False),
    ]
    assert decisions[0].reason == "pinned"


def test_of_partial_ones_the_two_newest_are_kept_and_push_out_nothing_else() -> None:
    partials = [old(hours).model_copy(update={"kind": "partial"}) for hours in (1, 2, 3, 4)]
    pinned = old(5, pinned=True).model_copy(update={"kind": "partial"})
    good = [old(6), old(7)]
    decisions = decide([*partials, pinned, *good], 1, NOW)
    assert [one.keep for one in decisions] == [True, True, False, False, True, True, False]
    assert [one.reason for one in decisions[1:3]] == [
        "partial, one of the 2 newest such",
        "partial, older than the 2 newest such",
    ]


@pytest.mark.parametrize("keep", [0, -1, 1])
def test_the_last_one_never_goes(keep: int) -> None:
    assert kept([old(1)], keep) == [old(1)]
    assert kept([old(1), old(2)], keep) == [old(1)]


def test_of_two_of_one_second_the_later_name_is_the_newer() -> None:
    first, second = (manifest_of(f"redis_backup_20260301_11000{second}.rdb", created_at=NOW) for second in (0, 1))
    assert kept([first, second], 1) == [second]
    assert kept([second, first], 1) == [second]


@pytest.mark.parametrize("pinned", [True, False])
def test_while_the_newest_lies_in_the_future_nothing_is_decided(pinned: bool) -> None:
    with pytest.raises(RefusedError, match="dated in the future"):
        decide([old(-1, pinned=pinned), *map(old, range(20))], 3, NOW)


def test_a_backup_of_this_very_moment_is_not_in_the_future() -> None:
    assert kept([old(0)], 1) == [old(0)]


def of(address: str, hours: float, keys: int = 1, databases: list[int] | None = None) -> Manifest:
    return old(hours).model_copy(update={"source": Origin(address=address, databases=databases), "keys": keys})


def test_one_sources_backups_push_out_no_others() -> None:
    backups = [of("a:1", 1), of("a:1", 2), of("b:1", 3), of("b:1", 4), of("a:1", 5, databases=[0])]
    assert kept(backups, 1) == [backups[0], backups[2], backups[4]]


def test_backups_of_an_emptied_server_do_not_push_out_the_last_that_holds_keys() -> None:
    backups = [of("a:1", 1, keys=0), of("a:1", 2, keys=0), of("a:1", 3), of("a:1", 4)]
    decisions = decide(backups, 1, NOW)
    assert [decision.keep for decision in decisions] == [True, False, True, False]
    assert decisions[2].reason == "the newest that holds keys"


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.booleans()), max_size=30, unique_by=lambda one: one[0]),
    st.integers(1, 12),
)
def test_whatever_there_is_the_newest_stay_and_the_pinned(ages: list[tuple[int, bool]], keep: int) -> None:
    backups = [old(hours, pinned=pinned) for hours, pinned in ages]
    decisions = decide(backups, keep, NOW)
    assert sorted(decision.manifest.name for decision in decisions) == sorted(backup.name for backup in backups)
    free = [decision for decision in decisions if not decision.manifest.pinned]
    assert [decision.keep for decision in free] == [place < keep for place in range(len(free))]
    assert all(decision.keep for decision in decisions if decision.manifest.pinned)
    assert [decision.manifest.created_at for decision in decisions] == sorted(
        (one.created_at for one in backups), reverse=True
    )
    assert all(decision.reason for decision in decisions)


def way_back(hours: float, restored: Manifest, *, pinned: bool = False) -> Manifest:
    return old(hours, pinned=pinned).model_copy(update={"kind": "undo", "restored": restored.name})


def why(backups: list[Manifest], undos: list[Manifest], days: int = 7) -> list[tuple[bool, str]]:
    return [(one.keep, one.reason) for one in decide(backups, 1, NOW, Undos(undos, days))]


def test_an_undo_is_kept_for_its_days_and_pushes_out_no_backup() -> None:
    backup = old(300)
    young, aged = way_back(7 * 24 - 1, backup), way_back(7 * 24, backup)
    told = "a restore can be undone for 7 days"
    assert why([backup], [aged, young]) == [(True, "one of the 1 newest"), (True, told), (False, told)]
    assert why([backup], [young], days=0) == [
        (True, "one of the 1 newest"),
        (False, "a restore can be undone for 0 days"),
    ]


def test_a_backup_that_an_undo_needs_is_kept_with_that_reason_and_no_longer_than_the_undo() -> None:
    newest, restored, other = old(1), old(200), old(300)
    undo = way_back(2, restored)
    decisions = why([newest, restored, other], [undo])
    assert [keep for keep, _ in decisions] == [True, True, False, True]
    assert decisions[1][1] == f"needed by {undo.name}, which can undo its restore"
    assert [keep for keep, _ in why([newest, restored, other], [way_back(169, restored)])] == [
        True,
        False,
        False,
        False,
    ]


def test_an_undo_whose_own_restore_can_be_undone_is_kept_too() -> None:
    backup = old(400)
    first = way_back(200, backup)
    second = way_back(1, first)
    assert [keep for keep, _ in why([backup], [first, second])] == [True, True, True]
    assert [keep for keep, _ in why([old(1), backup], [first, second])] == [True, True, True, True]


def test_an_undo_from_the_future_means_that_the_clock_is_wrong() -> None:
    with pytest.raises(RefusedError, match="dated in the future"):
        why([old(1)], [way_back(-1, old(1))])
    assert why([old(1)], [way_back(500, old(1), pinned=True)])[1] == (True, "pinned")
