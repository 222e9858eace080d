"""What no policy, and no history, gives up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.backups import manifest_of
from tests.support.golden import rehearsal
from worker.backups.retention.decide import decide
from worker.backups.retention.policy import Policy
from worker.repository.manifest import Manifest, Origin, Size, artifact_name

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
COUNT = st.sampled_from([0, 0, 1, 2, 5])
POLICIES = st.builds(
    Policy,
    keep=st.integers(0, 5),
    keep_manual=st.integers(0, 5),
    undo_days=st.integers(0, 9),
    hourly=COUNT,
    daily=COUNT,
    weekly=COUNT,
    monthly=COUNT,
    yearly=COUNT,
    hours=st.sampled_from([0, 1, 48, 1000]),
    bytes=st.sampled_from([0, 1, 50, 1000]),
    tz=st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Apia", "Australia/Lord_Howe"]),
)


def _made(hours: float, address: str, size: int, rehearsed: float | None, more: dict[str, Any]) -> Manifest:
    at = NOW - timedelta(hours=hours)
    made = manifest_of(artifact_name(at, "rdb", ".zst"), created_at=at, source=Origin(address=address))
    came = None if rehearsed is None else rehearsal(at + timedelta(hours=abs(rehearsed)), is_good=rehearsed >= 0)
    return made.model_copy(update={**more, "bytes": Size(raw=size, stored=size), "rehearsed": came})


BACKUP = st.builds(
    _made,
    st.integers(-500, 20_000).map(lambda tenth: tenth / 2),
    st.sampled_from(["a:6379", "b:6379"]),
    st.integers(0, 100),
    st.sampled_from([None, None, -1.0, 1.0, 500.0]),
    st.fixed_dictionaries(
        {
            "keys": st.sampled_from([0, 1, None]),
            "kind": st.sampled_from(["backup", "backup", "backup", "partial", "part"]),
            "pinned": st.sampled_from([False, False, False, True]),
            "suspicious": st.sampled_from([(), (), ("fell",)]),
            "trigger": st.sampled_from(["schedule", "manual"]),
            "asked_by": st.sampled_from([None, "admin", "token ci"]),
        }
    ),
)
ALL = st.lists(BACKUP, max_size=25, unique_by=lambda backup: backup.name)


@given(ALL, POLICIES)
def test_the_guarantees_hold_for_any_policy_and_any_backups(backups: list[Manifest], policy: Policy) -> None:
    decisions = decide(backups, [], policy, NOW)
    assert sorted(decision.manifest.name for decision in decisions) == sorted(backup.name for backup in backups)
    assert all(decision.reason for decision in decisions)
    gone = [decision.manifest for decision in decisions if not decision.keep]
    assert not [backup for backup in gone if backup.pinned or backup.is_ahead(NOW)]
    for backup in gone:
        lane = [
            other
            for other in backups
            if (other.scope, other.kind == "part") == (backup.scope, backup.kind == "part") and not other.is_ahead(NOW)
        ]
        lane.sort(key=lambda other: (other.created_at, other.name), reverse=True)
        whole = [other for other in lane if other.kind != "partial"]
        assert not whole or not whole[0].suspicious
        good = [other for other in whole if not (other.suspicious or other.pinned)]
        if good:
            assert lane.index(backup) > lane.index(good[0]), "the last good one, or newer"
        proven = [(other, other.rehearsed.at) for other in lane if other.rehearsed and other.rehearsed.is_good]
        if proven:
            assert backup not in (proven[0][0], max(proven, key=lambda pair: pair[1])[0])


@given(ALL, POLICIES)
def test_rules_only_keep_more_and_a_ceiling_only_less(backups: list[Manifest], policy: Policy) -> None:
    none: dict[str, Any] = {"hourly": 0, "daily": 0, "weekly": 0, "monthly": 0, "yearly": 0, "hours": 0}
    without_ceiling = replace(policy, bytes=0)
    alone, ruled, lowered = (
        {decision.manifest.name for decision in decide(backups, [], rules, NOW) if decision.keep}
        for rules in (replace(without_ceiling, **none), without_ceiling, policy)
    )
    assert alone <= ruled
    assert lowered <= ruled


@given(ALL, POLICIES)
def test_what_was_given_up_is_missed_by_nobody(backups: list[Manifest], policy: Policy) -> None:
    """A prune right after a prune deletes nothing."""
    left = [decision.manifest for decision in decide(backups, [], policy, NOW) if decision.keep]
    again = [decision for decision in decide(left, [], policy, NOW) if not decision.keep]
    assert [decision.manifest.name for decision in again] == []
