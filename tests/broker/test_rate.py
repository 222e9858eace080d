"""What counts as too slow, to the byte and the second."""

import pytest
from redis.exceptions import TimeoutError as RedisTimeoutError

from worker.broker.timeouts import LEAST_BYTES_A_SECOND, Rate, TooSlowError

SILENCE, WINDOW = 30.0, 10.0
ENOUGH = int(LEAST_BYTES_A_SECOND * WINDOW)


@pytest.fixture
def rate() -> Rate:
    return Rate("sends", SILENCE, WINDOW)


def test_the_first_byte_may_take_as_long_as_a_silence(rate: Rate) -> None:
    assert rate.patience == SILENCE
    rate.count(1, SILENCE - 1)
    assert rate.patience == WINDOW, "what was waited for the first byte does not count"


def test_what_has_begun_has_what_is_left_of_its_window(rate: Rate) -> None:
    rate.count(1, 0)
    rate.count(1, 4)
    assert rate.patience == WINDOW - 4


def test_of_window_and_silence_the_shorter_ends_it() -> None:
    rate = Rate("sends", 3, WINDOW)
    rate.count(1, 0)
    assert rate.patience == 3


def test_who_has_sent_enough_for_its_window_has_a_whole_silence(rate: Rate) -> None:
    rate.count(ENOUGH - 1, 0)
    assert rate.patience == WINDOW
    rate.count(1, 0)
    assert rate.patience == SILENCE


def test_at_the_end_of_its_window_it_has_sent_enough_or_is_too_slow(rate: Rate) -> None:
    rate.count(ENOUGH - 1, 0)
    with pytest.raises(TooSlowError, match=r"^sends less than 1 KB a second for 10 seconds$"):
        rate.count(0, WINDOW)


def test_who_was_fast_enough_begins_anew(rate: Rate) -> None:
    rate.count(ENOUGH - 1, 0)
    rate.count(1, WINDOW)
    assert rate.patience == SILENCE
    rate.count(1, WINDOW - 1)
    assert rate.patience == WINDOW, "it is the first byte of the next window"


def test_how_it_ended_is_said_by_what_was_waited_for(rate: Rate) -> None:
    assert type(rate.over()) is RedisTimeoutError
    assert str(rate.over()) == "no answer"
    rate.count(1, 0)
    assert type(rate.over()) is TooSlowError
    rate.begin()
    assert type(rate.over()) is RedisTimeoutError
