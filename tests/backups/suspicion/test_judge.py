"""Whether a backup lost what those before it had."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.backups import manifest_of
from worker.backups.suspicion.judge import AGREEING, Thresholds, judge, watched
from worker.repository.manifest import Manifest, Origin, Size, artifact_name

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
HALF = Thresholds()


def made(hours: float, keys: int | None = 1000, *, size: int = 50_000, **more: Any) -> Manifest:
    """A backup that was made so many hours ago."""
    at = NOW - timedelta(hours=hours)
    counts = {0: {"string": keys}} if keys else {}
    name = artifact_name(at, more.get("data_format", "rdb"), ".zst")
    fields = {"keys": keys, "keys_by_db": counts, "bytes": Size(raw=size, stored=size), **more}
    return manifest_of(name, created_at=at, **fields)


USUAL = [made(hours) for hours in range(1, 13)]


def test_one_like_those_before_it_is_not_suspicious_and_neither_is_the_first() -> None:
    assert judge(made(0), USUAL, HALF) == ()
    assert judge(made(0, 0), [], HALF) == ()
    assert judge(made(0, 5000, size=900_000), USUAL, HALF) == ()


@pytest.mark.parametrize(("keys", "is_suspicious"), [(500, False), (499, True), (1, True)])
def test_keys_that_fell_by_more_than_half_are_told_with_both_numbers(keys: int, is_suspicious: bool) -> None:
    fell = judge(made(0, keys), USUAL, HALF)
    words = f"It holds {keys:,} {'key' if keys == 1 else 'keys'}, and the last 10 good ones held 1,000 in the middle."
    assert fell == ((words,) if is_suspicious else ())


def test_thresholds_are_settings_and_a_hundred_percent_never_is() -> None:
    assert judge(made(0, 899), USUAL, Thresholds(keys=10))
    assert not judge(made(0, 901), USUAL, Thresholds(keys=10))
    assert not judge(made(0, 1, size=1), USUAL, Thresholds(keys=100, bytes=100))
    assert judge(made(0, 0, size=1), USUAL, Thresholds(keys=100, bytes=100))[0].startswith("It is empty")


def test_bytes_are_held_against_those_of_the_same_format() -> None:
    (sentence,) = judge(made(0, size=20_000), USUAL, HALF)
    assert sentence == "Its data takes 20,000 bytes, and that of the last 10 good ones took 50,000."
    assert judge(made(0, size=20_000, data_format="json"), USUAL, HALF) == ()


def test_it_is_the_middle_of_the_last_ten_that_counts() -> None:
    once_large = [made(1, 100_000), *(made(hours) for hours in range(2, 12))]
    assert judge(made(0), once_large, HALF) == ()
    long_ago = [*(made(hours, 400) for hours in range(1, 11)), *(made(hours) for hours in range(11, 20))]
    assert judge(made(0, 400), long_ago, HALF) == ()


def test_an_empty_one_and_a_database_that_vanished_are_told() -> None:
    assert judge(made(0, 0), USUAL[:1], HALF)[0] == "It is empty, and the good one before it held 1,000 keys."
    two = [made(hours, 1000, keys_by_db={0: {"string": 900}, 3: {"hash": 100}}) for hours in (1, 2)]
    assert judge(made(0, 900), two, HALF) == ("Database 3 is empty, and the last 2 good ones held 100 keys in it.",)
    now_and_then = [two[0], made(2)]
    assert judge(made(0, 900), now_and_then, HALF) == ()


def test_a_share_of_expiring_keys_that_jumped_is_told() -> None:
    (sentence,) = judge(made(0, expiring=900), [made(hours, expiring=100) for hours in (1, 2)], HALF)
    assert sentence == "90% of its keys expire, and of the last 2 good ones 10% did."
    assert judge(made(0, 99, expiring=99), [made(1, 99)], HALF) == ()


def test_only_what_is_of_the_same_source_databases_and_slots_is_compared() -> None:
    others = [
        made(1, source=Origin(address="other:6379")),
        made(1, source=Origin(databases=[0])),
        made(1, kind="adopted"),
        made(1, kind="partial"),
        made(1, source=Origin(slots="0-5")),
        made(-1),
    ]
    assert judge(made(0, 3), others, HALF) == ()
    assert judge(made(0, 3, kind="part"), [made(1, kind="part")], HALF)


def test_suspicious_ones_are_no_measure_until_three_more_agree() -> None:
    history = [*USUAL]
    for number in range(AGREEING + 3):
        new = made(-number, 10)
        fell = judge(new, history, HALF)
        assert bool(fell) == (number < AGREEING), number
        history.append(new.model_copy(update={"suspicious": fell}))
    assert judge(made(-10, 4), history, HALF)
    assert judge(made(-10, 1000), history, HALF) == ()


def test_three_that_differ_agree_on_nothing() -> None:
    doubted = [made(-number, keys, suspicious=("fell",)) for number, keys in enumerate((400, 90, 90))]
    assert judge(made(-4, 10), [*USUAL, *doubted], HALF)


def test_what_somebody_accepted_is_how_things_are_now() -> None:
    accepted = made(0.5, 10, accepted_at=NOW)
    assert judge(made(0, 10), [*USUAL, accepted], HALF) == ()
    assert judge(made(0, 10), [*USUAL, made(0.7, 10, suspicious=("fell",)), accepted], HALF) == ()


def test_what_a_prune_has_left_over_is_enough_to_know_how_things_are() -> None:
    """Of a fall that others agreed with: the good one before it, the first that fell, and the newest."""
    left = [made(9), made(8, 10, suspicious=("fell",)), made(1, 10)]
    assert judge(made(0, 10), left, HALF) == ()
    assert judge(made(0, 2), left, HALF)


def test_the_newest_that_nobody_has_judged_is_judged_when_it_is_looked_at() -> None:
    fallen = made(0, 3)
    seen = watched([fallen, *USUAL, made(0.5, 3, source=Origin(address="other:6379"))], HALF, NOW)
    assert [bool(backup.suspicious) for backup in seen] == [True, *[False] * 13]
    assert watched([fallen.model_copy(update={"accepted_at": NOW}), *USUAL], HALF, NOW)[0].suspicious == ()
    assert watched(seen, HALF, NOW) == seen
    assert watched([made(-5, 3), *USUAL], HALF, NOW)[0].suspicious == ()
