"""What a server's words about an expiry mean: one moment, or two that it lies between."""

from typing import Any

import pytest

from worker.server.pipeline import GoneError
from worker.server.reading.expiry import Window, expiry


def clock(milliseconds: int) -> list[bytes]:
    seconds, rest = divmod(milliseconds, 1000)
    return [b"%d" % seconds, b"%d" % (rest * 1000)]


@pytest.mark.parametrize(
    ("replies", "window"),
    [
        ([1_700_000_000_123], Window(1_700_000_000_123, 1_700_000_000_123)),
        ([clock(1_700_000_000_123), 5000, clock(1_700_000_000_150)], Window(1_700_000_005_123, 1_700_000_005_150)),
        ([-1], None),
        ([clock(1_700_000_000_123), -1, clock(1_700_000_000_123)], None),
    ],
)
def test_it_lies_between_two_looks_at_the_clock_where_it_is_not_told_outright(
    replies: list[Any], window: Window | None
) -> None:
    assert expiry(replies) == window


@pytest.mark.parametrize("replies", [[-2], [clock(1), -2, clock(2)]])
def test_a_key_that_has_gone_has_none(replies: list[Any]) -> None:
    with pytest.raises(GoneError):
        expiry(replies)


def test_what_is_known_of_it_twice_is_what_both_allow() -> None:
    assert Window(10, 30).narrowed(Window(20, 40)) == Window(20, 30)
    assert Window(20, 40).narrowed(Window(10, 30)) == Window(20, 30)
    assert Window(10, 20).narrowed(Window(20, 40)) == Window(20, 20)


def test_another_expiry_belongs_to_another_value() -> None:
    assert Window(10, 19).narrowed(Window(20, 40)) == Window(10, 19)
