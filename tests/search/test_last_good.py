"""Which backup is taken for the last good one."""

import pytest

from worker.search.last_good import Step, last_good


def steps(*harm: tuple[int, int]) -> list[Step]:
    """Newest first, each with how many keys went and changed."""
    names = ["live", *(f"b{number}" for number in range(len(harm), 0, -1))]
    return [
        Step(before, after, gone, differs)
        for before, after, (gone, differs) in zip(names[1:], names, harm, strict=False)
    ]


@pytest.mark.parametrize(
    ("harm", "good"),
    [
        ([(0, 0), (0, 0)], None),
        ([], None),
        ([(10, 1191), (0, 3), (0, 2)], "b3"),
        # It happened before the newest backup, which holds the damage.
        ([(0, 2), (10, 1191), (0, 3)], "b2"),
        # One value that changed once, and then went.
        ([(1, 0), (0, 1), (0, 0)], "b3"),
        # What changes all the time is no damage, and the newest of several alike is taken.
        ([(0, 1), (0, 1), (0, 1)], "b3"),
        ([(200, 50), (0, 5000), (0, 40), (0, 60)], "b4"),
        ([(0, 50), (0, 5000), (0, 40), (0, 60)], "b3"),
    ],
)
def test_the_last_good_one_is_that_before_more_went_or_changed_than_is_usual(
    harm: list[tuple[int, int]], good: str | None
) -> None:
    step = last_good(steps(*harm))
    assert (step.before if step else None) == good
