"""Which backups are kept, and why."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.backups import manifest_of
from worker.backups.retention.decide import decide
from worker.backups.retention.decision import Decision, narrowed, replacements
from worker.backups.retention.policy import Policy
from worker.repository.manifest import CLOCKS_APART, Manifest, Origin, artifact_name

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FUTURE = "dated in the future: until then it neither counts nor goes"


def old(hours: float, *, pinned: bool = False, **changes: Any) -> Manifest:
    created_at = NOW - timedelta(hours=hours)
    made = manifest_of(artifact_name(created_at, "rdb", ".zst"), created_at=created_at, pinned=pinned)
    return made.model_copy(update=changes)


def by_hand(hours: float, asked_by: str = "admin", **changes: Any) -> Manifest:
    return old(hours, trigger="manual", asked_by=asked_by, **changes)


def decided(
    backups: list[Manifest], keep: int, undos: list[Manifest] | None = None, *, manual: int = 7, days: int = 7
) -> list[Decision]:
    return decide(backups, undos or [], Policy(keep, manual, days), NOW)


def kept(backups: list[Manifest], keep: int, **more: Any) -> list[Manifest]:
    return [decision.manifest for decision in decided(backups, keep, **more) if decision.keep]


def test_without_backups_nothing_is_decided() -> None:
    assert decided([], 7) == []


def test_the_newest_are_kept_and_the_rest_may_go_each_with_a_reason() -> None:
    backups = [old(hours) for hours in (3, 1, 2)]
    decisions = decided(backups, 2)
    assert [decision.manifest for decision in decisions] == [backups[1], backups[2], backups[0]]
    assert [decision.keep for decision in decisions] == [True, True, False]
    assert [decision.reason for decision in decisions] == [
        "one of the 2 newest of the schedule",
        "one of the 2 newest of the schedule",
        "older than the 2 newest of the schedule",
    ]


def test_a_pinned_backup_is_kept_and_counts_for_no_other() -> None:
    pinned, newest, older = old(1, pinned=True), old(2), old(3)
    decisions = decided([newest, pinned, older], 1)
    assert [(decision.manifest, decision.keep) for decision in decisions] == [
        (pinned, True),
        (newest, True),
        (older, False),
    ]
    assert decisions[0].reason == "pinned"
    why = pinned.model_copy(update={"pin_reason": "before the migration"})
    assert decided([why], 1)[0].reason == "pinned: before the migration"


def test_of_partial_ones_the_two_newest_are_kept_and_push_out_nothing_else() -> None:
    partials = [old(hours, kind="partial") for hours in (1, 2, 3, 4)]
    pinned = old(5, pinned=True, kind="partial")
    good = [old(0.5), old(7)]
    decisions = decided([*partials, pinned, *good], 1)
    assert [one.keep for one in decisions] == [True, True, True, False, False, True, False]
    assert [one.reason for one in decisions[2:4]] == [
        "partial, one of the 2 newest such of the schedule",
        "partial, older than the 2 newest such of the schedule",
    ]


def test_partial_ones_that_are_newer_than_the_last_good_one_all_stay() -> None:
    partials = [old(hours, kind="partial") for hours in (1, 2, 3, 4)]
    decisions = decided([*partials, old(6), old(7)], 1)
    assert [one.keep for one in decisions] == [True, True, True, True, True, False]
    assert decisions[3].reason == "newer than the last good one"


@pytest.mark.parametrize("keep", [0, -1, 1])
def test_the_last_one_never_goes(keep: int) -> None:
    assert kept([old(1)], keep) == [old(1)]
    assert kept([old(1), old(2)], keep) == [old(1)]
    assert kept([by_hand(1), by_hand(2)], 1, manual=keep) == [by_hand(1)]


def test_of_two_of_one_second_the_later_name_is_the_newer() -> None:
    first, second = (manifest_of(f"redis_backup_20260301_11000{second}.rdb", created_at=NOW) for second in (0, 1))
    assert kept([first, second], 1) == [second]
    assert kept([second, first], 1) == [second]


# A clock that is wrong.


@pytest.mark.parametrize("pinned", [True, False])
def test_what_is_dated_in_the_future_is_kept_and_counts_for_nothing(pinned: bool) -> None:
    ahead = [old(-1, pinned=pinned), old(-24 * 365, pinned=pinned)]
    decisions = decided([*ahead, *map(old, range(20))], 3)
    assert [one.keep for one in decisions[:2]] == [True, True]
    assert {one.reason for one in decisions[:2]} == {"pinned" if pinned else FUTURE}
    assert [one.keep for one in decisions[2:]] == [True] * 3 + [False] * 17


def test_machines_may_disagree_a_little_about_the_time() -> None:
    apart = CLOCKS_APART.total_seconds() / 3600
    assert kept([old(0), old(1)], 1) == [old(0)]
    assert kept([old(-apart), old(1)], 1) == [old(-apart)]
    assert kept([old(-apart - 0.001), old(1)], 1) == [old(-apart - 0.001), old(1)]


def test_one_from_the_future_counts_when_its_date_has_come() -> None:
    ahead, backups = old(-48), [old(1), old(2)]
    later = NOW + timedelta(hours=48)
    told = decide([ahead, *backups], [], Policy(2, 7, 7), later)
    assert [(one.manifest, one.keep) for one in told] == [(ahead, True), (backups[0], True), (backups[1], False)]


def of(address: str, hours: float, keys: int = 1, databases: list[int] | None = None) -> Manifest:
    return old(hours, source=Origin(address=address, databases=databases), keys=keys)


def test_one_sources_backups_push_out_no_others() -> None:
    backups = [of("a:1", 1), of("a:1", 2), of("b:1", 3), of("b:1", 4), of("a:1", 5, databases=[0])]
    assert kept(backups, 1) == [backups[0], backups[2], backups[4]]


def test_backups_of_an_emptied_server_do_not_push_out_the_last_that_holds_keys() -> None:
    backups = [of("a:1", 1, keys=0), of("a:1", 2, keys=0), of("a:1", 3), of("a:1", 4)]
    decisions = decided(backups, 1)
    assert [decision.keep for decision in decisions] == [True, False, True, False]
    assert decisions[2].reason == "the newest of the schedule that holds keys"


# Made by hand.


def test_what_is_made_by_hand_pushes_out_nothing_of_the_schedule() -> None:
    scheduled = [old(hours) for hours in range(10, 17)]
    hand = [by_hand(hours / 10) for hours in range(20)]
    token = [by_hand(3 + hours / 10, "token ci") for hours in range(20)]
    assert kept([*scheduled, *hand, *token], 7, manual=3) == [*hand[:3], *token[:3], *scheduled]
    reasons = [one.reason for one in decided([*scheduled, *hand, *token], 7, manual=3)]
    assert reasons[0] == "one of the 3 newest made by hand"
    assert reasons[19] == "older than the 3 newest made by hand"
    assert reasons[20] == "one of the 3 newest made by token ci"
    assert reasons[-1] == "one of the 7 newest of the schedule"


def test_what_the_schedule_makes_pushes_out_nothing_made_by_hand_and_one_token_nothing_of_another() -> None:
    backups = [old(1), old(2), by_hand(3), by_hand(4, "shell root@host"), by_hand(5, "token a"), by_hand(6, "token b")]
    assert kept(backups, 1, manual=1) == [backups[0], backups[2], backups[4], backups[5]]


def test_a_backup_that_does_not_say_who_asked_for_it_is_the_schedules() -> None:
    text = old(1)
    assert (text.trigger, text.asked_by) == ("schedule", None)
    assert kept([old(1, asked_by="beat daily"), old(2)], 1) == [old(1, asked_by="beat daily")]


def test_partial_ones_of_a_token_push_out_none_of_the_schedule() -> None:
    partials = [by_hand(hours / 10, "token ci", kind="partial") for hours in range(5)]
    mine = [old(5, kind="partial"), old(6, kind="partial")]
    assert kept([*partials, *mine], 7) == [*partials[:2], *mine]


def test_who_may_delete_only_their_own_deletes_only_their_own() -> None:
    backups = [old(1), old(2), by_hand(3), by_hand(4), by_hand(5, "token ci"), by_hand(6, "token ci")]
    undo = way_back(24 * 90, old(24 * 100))
    decisions = narrowed(decided([*backups, old(3), old(4)], 1, [undo], manual=1), "token ci")
    assert [one.manifest for one in decisions if not one.keep] == [backups[5]]
    spared = [one.reason for one in decisions if one.reason.endswith("but not made by token ci")]
    assert "older than the 1 newest made by hand, but not made by token ci" in spared
    assert [one for one in narrowed(decisions, "beat daily") if not one.keep] == []


def test_the_newest_of_each_pool_that_loses_one_is_to_be_read_back() -> None:
    scheduled, hand = [old(-5), old(1), old(2)], [by_hand(3), by_hand(4)]
    assert replacements(decided([*scheduled, *hand], 1, manual=1)) == [scheduled[1], hand[0]]
    assert replacements(decided([*scheduled, *hand], 1, manual=2)) == [scheduled[1]]
    assert replacements(decided([*scheduled[:2], *hand], 1, manual=2)) == []
    partials = [old(hours / 10, kind="partial") for hours in range(3)]
    assert replacements(decided([old(-0.01), *partials], 1)) == [old(-0.01)]
    assert replacements(decided(partials, 1)) == [partials[0]]


def test_those_who_hold_the_keys_are_told_apart_by_who_made_them() -> None:
    scheduled = [old(1, keys=0), old(2, keys=0), old(3), old(4)]
    hand = by_hand(2.5)
    assert kept([*scheduled, hand], 1) == [scheduled[0], hand, scheduled[2]]


ONE = st.builds(
    lambda hours, pinned, keys, asked_by, kind: old(
        hours,
        pinned=pinned,
        keys=keys,
        keys_by_db={},
        kind=kind,
        trigger="manual" if asked_by else "schedule",
        asked_by=asked_by,
    ),
    st.integers(-1000, 10_000),
    st.booleans(),
    st.sampled_from([0, 1, None]),
    st.sampled_from([None, "admin", "token a", "token b"]),
    st.sampled_from(["backup", "backup", "backup", "partial"]),
)
ALL = st.lists(ONE, max_size=30, unique_by=lambda one: one.name)


@given(ALL, st.integers(1, 5), st.integers(1, 5))
def test_whatever_there_is_the_last_good_one_of_each_who_makes_some_stays(
    backups: list[Manifest], keep: int, manual: int
) -> None:
    decisions = decided(backups, keep, manual=manual)
    assert sorted(one.manifest.name for one in decisions) == sorted(one.name for one in backups)
    assert all(one.reason for one in decisions)
    assert all(one.keep for one in decisions if one.manifest.pinned or one.manifest.is_ahead(NOW))
    for asked_by in (None, "admin", "token a", "token b"):
        good = [
            one
            for one in decisions
            if (one.manifest.asked_by, one.manifest.kind) == (asked_by, "backup")
            and not (one.manifest.pinned or one.manifest.is_ahead(NOW))
        ]
        most = manual if asked_by else keep
        assert [one.keep for one in good[:most]] == [True] * min(most, len(good))
        holding = [one for one in good if one.manifest.keys != 0]
        assert all(one.keep for one in holding[:1])
        assert sum(one.keep for one in good) <= most + 1


@pytest.mark.slow
@given(ALL, ALL, st.integers(1, 5))
def test_nothing_that_is_made_by_hand_changes_what_becomes_of_the_schedules(
    backups: list[Manifest], more: list[Manifest], keep: int
) -> None:
    scheduled = {one.name: one for one in backups if one.trigger == "schedule"}
    hand = [one for one in more if one.trigger == "manual" and one.name not in scheduled]
    alone = {one.manifest.name: one for one in decided([*scheduled.values()], keep)}
    beside = {one.manifest.name: one for one in decided([*scheduled.values(), *hand], keep)}
    assert {name: beside[name] for name in alone} == alone


# Undos.


def way_back(hours: float, restored: Manifest, *, pinned: bool = False) -> Manifest:
    return old(hours, pinned=pinned, kind="undo", restored=restored.name)


def why(backups: list[Manifest], undos: list[Manifest], days: int = 7) -> list[tuple[bool, str]]:
    return [(one.keep, one.reason) for one in decided(backups, 1, undos, days=days)]


FIRST = (True, "one of the 1 newest of the schedule")


def test_an_undo_is_kept_for_its_days_and_pushes_out_no_backup() -> None:
    backup, before = old(1), old(1)
    young, aged = way_back(7 * 24 - 1, old(300)), way_back(7 * 24 + 2, old(300))
    told = "a restore can be undone for 7 days"
    assert why([backup, old(2)], [aged, young])[0] == FIRST
    assert why([backup, old(2)], [aged, young])[2:] == [(True, told), (False, told)]
    assert why([backup, before], [young], days=0)[2:] == [(False, "a restore can be undone for 0 days")]


def test_an_undo_is_given_up_only_after_two_backups_that_were_made_when_its_days_were_over() -> None:
    undo = way_back(8 * 24, old(300))
    for made, gone in (
        ([], False),
        ([old(1)], False),
        ([old(1), old(2)], True),
        ([old(1), old(30)], False),
        ([old(1), old(2, source=Origin(address="b:1"))], False),
        ([old(1), old(-5)], False),
        ([old(1), old(2, kind="adopted")], False),
    ):
        assert decided(made, 7, [undo])[-1].keep == (not gone), made


def test_a_clock_that_jumps_ahead_gives_up_no_undo_with_the_first_backup() -> None:
    undos = [way_back(hours, old(50)) for hours in (1, 20, 40)]
    made = [old(hours) for hours in (2, 26, 50)]
    jumped = NOW + timedelta(days=365)
    first = manifest_of(artifact_name(jumped, "rdb", ".zst"), created_at=jumped)
    told = decide([first, *made], undos, Policy(7, 7, 7), jumped)
    assert all(one.keep for one in told)


def test_a_backup_that_an_undo_needs_is_kept_with_that_reason_and_no_longer_than_the_undo() -> None:
    newest, second, restored, other = old(1), old(1.5), old(200), old(300)
    undo = way_back(2, restored)
    decisions = why([newest, restored, other], [undo])
    assert [keep for keep, _ in decisions] == [True, True, False, True]
    assert decisions[1][1] == f"needed by {undo.name}, which can undo its restore"
    gone = why([newest, second, restored, other], [way_back(170, restored)])
    assert [keep for keep, _ in gone] == [True, False, False, False, False]


def test_an_undo_whose_own_restore_can_be_undone_is_kept_too() -> None:
    backup = old(400)
    first = way_back(200, backup)
    second = way_back(1, first)
    assert [keep for keep, _ in why([backup], [first, second])] == [True, True, True]
    assert [keep for keep, _ in why([old(1), old(2), backup], [first, second])] == [True, False, True, True, True]


def test_an_undo_from_the_future_is_kept_and_so_is_what_it_needs() -> None:
    restored = old(300)
    ahead = way_back(-1, restored)
    assert why([old(1), old(2), restored], [ahead])[2:] == [
        (True, f"needed by {ahead.name}, which can undo its restore"),
        (True, FUTURE),
    ]
    assert why([old(1), old(2)], [way_back(500, old(1), pinned=True)])[-1] == (True, "pinned")
