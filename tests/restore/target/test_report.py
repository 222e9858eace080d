"""What is told of a restore whose connection was cut."""

from typing import Any

import pytest

from worker.restore.target.report import counts, on_their_way

KNOWN: dict[str, Any] = {"restored": 1200, "skipped": 3, "expired": 0, "failed": 0, "deleted": 0}


@pytest.mark.parametrize(
    ("unknown", "told"),
    [
        ({}, ""),
        ({"unconfirmed": 1500}, " are confirmed, and up to 1,500 more were on their way"),
        ({"undeleted": 2}, " are confirmed, and up to 2 more may be deleted"),
        (
            {"unconfirmed": 1, "undeleted": 2, "unfinished": 3},
            " are confirmed, and up to 1 more were on their way, and up to 2 more may be deleted, "
            "and up to 3 unfinished values go by themselves within an hour (redis_backup:...)",
        ),
    ],
)
def test_what_nobody_knows_is_told_beside_what_is_confirmed(unknown: dict[str, int], told: str) -> None:
    assert on_their_way(KNOWN | unknown) == told
    assert counts(KNOWN | unknown) == "1,200 restored, 3 skipped, 0 expired, 0 failed" + told


def test_what_differs_is_told_of_what_stays() -> None:
    assert counts(KNOWN | {"differing": 1}).startswith(
        "1,200 restored, 3 skipped (1 of them differs and stays as it is),"
    )
    assert counts(KNOWN | {"differing": 2}).startswith(
        "1,200 restored, 3 skipped (2 of them differ and stay as they are),"
    )
    assert counts(KNOWN | {"deleted": 4, "evicted": 5}).endswith("0 failed, 4 deleted, 5 evicted")
