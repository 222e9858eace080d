"""What a server's words about an expiry mean: one moment, or two that it lies between."""

from collections.abc import Iterator
from typing import Any

import pytest
from redis.exceptions import RedisError

from worker.server.pipeline import Abilities, GoneError
from worker.server.reading.expiry import Window, exact, expiry, is_expiry_reply


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


@pytest.mark.parametrize("told", [0, 5, -1, -2, [b"1", b"2"], RedisError("no")])
def test_a_number_a_time_or_an_error_may_be_told(told: Any) -> None:
    assert is_expiry_reply(told)


@pytest.mark.parametrize(
    "told", [-3, True, 1.5, b"7", None, [], [b"1"], [b"1", b"2", b"3"], [b"1", b"x"], [1, 2], [b"1", None]]
)
def test_nothing_else_is_taken_for_an_expiry(told: Any) -> None:
    assert not is_expiry_reply(told)
    with pytest.raises(ValueError, match="no answer"):
        expiry([told])


def test_an_error_is_raised_as_it_is() -> None:
    with pytest.raises(RedisError, match="no such right"):
        expiry([[b"1", b"2"], RedisError("no such right"), [b"1", b"2"]])


class Answering:
    """A wire to a server that answers the same to each round of questions, and counts these."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.rounds = answers, 0

    def send(self, *_: bytes) -> None:
        self.rounds += 1

    def replies(self, count: int) -> Iterator[Any]:
        assert count == len(self.answers)
        return iter(self.answers)


BEFORE_7 = Abilities(absolute=False, fields=False)


def test_only_what_is_not_known_closely_is_asked_for_again() -> None:
    wire: Any = Answering(clock(1_000_000), 5015, clock(1_000_001))
    windows = {b"wide": Window(1_005_010, 1_005_020), b"close": Window(7, 8), b"never": None}
    assert exact(wire, windows.items(), BEFORE_7) == {b"wide": 1_005_016, b"close": 8, b"never": None}
    assert wire.rounds == 1


def test_a_server_that_stays_slow_is_asked_a_few_times() -> None:
    wire: Any = Answering(clock(1_000_000), 5000, clock(1_000_900))
    assert exact(wire, [(b"slow", Window(1_005_000, 1_005_500))], BEFORE_7) == {b"slow": 1_005_500}
    assert wire.rounds == 4
    nobody: Any = Answering()
    assert exact(nobody, [], BEFORE_7) == {}
    assert nobody.rounds == 0


def test_each_answer_belongs_to_the_key_that_was_asked_for() -> None:
    now = clock(1_000_000)
    answers = [now, 5000, now, now, -2, now, now, -1, now, now, "nonsense", now]

    class Fewer(Answering):
        """Of the first key enough is known after one round."""

        def replies(self, count: int) -> Iterator[Any]:
            return iter(answers[-count:])

    wire: Any = Fewer()
    wide = Window(1_004_000, 1_006_000)
    told = exact(wire, [(key, wide) for key in (b"asked", b"gone", b"stays", b"nonsense")], BEFORE_7)
    assert told == {b"asked": 1_005_000, b"gone": 1_006_000, b"stays": 1_006_000, b"nonsense": 1_006_000}
