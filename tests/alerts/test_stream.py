"""What can be wrong with the replication stream, and what is said of it."""

from datetime import timedelta
from typing import Any

import pytest

from tests.alerts.given import NOW, SOURCE, backup, facts, settings
from worker.alerts.conditions.condition import Condition
from worker.alerts.conditions.table import judge
from worker.segments.visits.standing import Standing

NOW_MS = int(NOW.timestamp() * 1000)
FOLLOWED = settings(backup_stream_seconds=5, drill_every_days=0)


def standing(**more: Any) -> Standing:
    """A chain of three hours, visited just now."""
    usual = {"address": SOURCE, "ms": NOW_MS, "here_ms": NOW_MS, "began": NOW_MS - 3 * 3_600_000, "follows": True}
    return Standing.model_validate(usual | {"base": "a backup", "base_ms": NOW_MS - 3 * 3_600_000} | more)


def wrong(stream: Standing | None, config: Any = FOLLOWED, **more: Any) -> list[Condition]:
    return [*judge(facts(backup(), config=config, stream=stream, **more)).conditions.values()]


def test_a_chain_that_is_visited_is_well() -> None:
    assert wrong(standing()) == []


def test_a_gap_is_bad_until_a_backup_ends_it_and_told_for_an_hour() -> None:
    lost = {"gap": "the source was restarted", "gap_since": NOW_MS - 60_000, "began": NOW_MS - 50_000}
    (condition,) = wrong(standing(**lost, base=""))
    assert (condition.key, condition.level) == ("stream.gap", "bad")
    assert condition.sentence == (
        "No moment after 2025-11-03 11:59:00 UTC so far can be gone back to: the source was restarted."
    )
    (condition,) = wrong(standing(**lost, base_ms=NOW_MS - 40_000))
    assert condition.level == "warning"
    assert "until the backup of 11:59:20" in condition.sentence
    assert wrong(standing(**lost | {"began": NOW_MS - 3_700_000})) == []


@pytest.mark.parametrize(("seconds", "late"), [(30, False), (59, False), (61, True)])
def test_visits_are_late_after_a_minute(seconds: int, late: bool) -> None:
    keys = [condition.key for condition in wrong(standing(here_ms=NOW_MS - seconds * 1000))]
    assert keys == (["stream.late"] if late else [])


def test_visits_that_never_began_are_late_as_well() -> None:
    assert [condition.key for condition in wrong(None)] == ["stream.late"]
    assert judge(facts(backup(), config=FOLLOWED)).unknown >= {"stream.gap", "stream.short"}


def test_a_backlog_that_is_too_small_says_which_is_not() -> None:
    (condition,) = wrong(standing(backlog=1 << 20, peak=400_000.0, absence=5.0, largest=1000))
    assert condition.key == "stream.short"
    assert "1,048,576 bytes" in condition.sentence
    assert "4,001,000" in condition.sentence


def test_nothing_is_wrong_with_a_stream_that_nobody_wants() -> None:
    away = standing(here_ms=NOW_MS - 10**9, gap="the source was restarted", base="")
    assert wrong(away, settings(drill_every_days=0)) == []


def test_what_was_most_in_a_day_is_forgotten_after_it() -> None:
    busy = standing(peak_ms=NOW_MS - 3_600_000).measured(5, 5_000_000, 700)
    assert (busy.peak, busy.absence, busy.largest) == (1_000_000, 5, 700)
    calm = busy.measured(2, 100, 30)
    assert (calm.peak, calm.absence, calm.largest) == (1_000_000, 5, 700)
    tomorrow = calm.model_copy(update={"ms": NOW_MS + int(timedelta(days=1).total_seconds() * 1000)}).measured(
        2, 100, 30
    )
    assert (tomorrow.peak, tomorrow.absence, tomorrow.largest) == (50, 2, 30)
