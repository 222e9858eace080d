"""The shares in which CI runs the slow tests, by turns."""

import pytest

from tests.support.shares import split


def test_shares_are_together_all_tests_and_each_once(request: pytest.FixtureRequest) -> None:
    items = request.session.items
    shares = [split(items, f"{number}/2") for number in (1, 2)]
    assert sorted(item.nodeid for chosen, _ in shares for item in chosen) == sorted(item.nodeid for item in items)
    assert [len(chosen) + len(others) for chosen, others in shares] == [len(items)] * 2


@pytest.mark.parametrize("share", ["0/2", "3/2", "2", "a/b", "1/0"])
def test_a_share_that_is_none_is_refused(share: str) -> None:
    with pytest.raises(pytest.UsageError, match="give it as 3/24"):
        split([], share)
