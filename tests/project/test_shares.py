"""The shares in which CI runs the slow tests, by turns."""

from typing import Any, cast

import pytest

from tests.support.shares import split, swept


def test_shares_are_together_all_tests_and_each_once(request: pytest.FixtureRequest) -> None:
    items = request.session.items
    shares = [split(items, f"{number}/2") for number in (1, 2)]
    assert sorted(item.nodeid for chosen, _ in shares for item in chosen) == sorted(item.nodeid for item in items)
    assert [len(chosen) + len(others) for chosen, others in shares] == [len(items)] * 2


@pytest.mark.parametrize("share", ["0/2", "3/2", "2", "a/b", "1/0"])
def test_a_share_that_is_none_is_refused(share: str) -> None:
    with pytest.raises(pytest.UsageError, match="give it as 3/24"):
        split([], share)


class Row:
    """A row of a test with such marks."""

    def __init__(self, nodeid: str, *marks: str) -> None:
        self.nodeid, self.marks = nodeid, marks

    def get_closest_marker(self, name: str) -> bool:
        return name in self.marks


def test_the_quick_set_has_two_rows_of_each_sweep_and_of_other_tests_all() -> None:
    rows = [Row(f"a.py::{test}[{row}]", "sweep") for test in ("one", "other") for row in range(7)]
    others = [Row(f"a.py::usual[{row}]") for row in range(7)] + [Row("a.py::one[8]", "sweep", "slow")]
    slow = [row.nodeid for row in swept(cast("Any", rows + others))]
    assert len(slow) == len(set(slow)) == 10
    for test in ("one", "other"):
        assert sum(nodeid.startswith(f"a.py::{test}[") for nodeid in slow) == 5
    assert {row.nodeid for row in swept(cast("Any", rows[::-1]))} == set(slow), "always the same"
