"""What SCAN may answer: a cursor and keys, and nothing else is taken for that; what it repeats is dropped."""

from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from worker.server.reading import scanning
from worker.server.reading.scanning import Repeats, named


def test_a_cursor_and_keys_are_an_answer() -> None:
    assert named([b"17", [b"a", b"b"]]) == (b"17", [b"a", b"b"])
    assert named([b"0", []]) == (b"0", [])


@pytest.mark.parametrize(
    "reply",
    [None, b"0", [], [b"0"], [[b"a"], b"0"], [b"0", [b"a"], b"more"], [b"", []], [b"-1", [b"a"]], [b"0", [1]]],
    ids=repr,
)
def test_nothing_else_is(reply: Any) -> None:
    with pytest.raises(RedisConnectionError, match="SCAN"):
        named(reply)


def test_an_error_stays_one() -> None:
    with pytest.raises(ResponseError, match="no"):
        named(ResponseError("no"))


@pytest.mark.parametrize(("keys", "size"), [(1 << 16, 10), (2, 8 << 20)], ids=["bytes", "keys"])
def test_a_repeat_is_dropped_within_a_window_of_keys_or_bytes(
    keys: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "WINDOW_KEYS", keys)
    monkeypatch.setattr(scanning, "WINDOW_BYTES", size)
    repeats = Repeats()
    a, b, c, d, e, f = (letter * 5 for letter in (b"a", b"b", b"c", b"d", b"e", b"f"))
    assert repeats.fresh([b, a, b]) == [b, a]
    assert repeats.fresh([c]) == [c]
    assert repeats.fresh([a, d, c]) == [d], "one of the window before, and one of this"
    assert repeats.fresh([a, b]) == [a, b], "two windows ago"
    assert repeats.fresh([e, a, f]) == [e, f]
    assert repeats.fresh([]) == []


def test_a_window_of_bytes_is_counted_from_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "WINDOW_BYTES", 10)
    repeats = Repeats()
    for key in (b"a" * 10, b"b" * 9):
        assert repeats.fresh([key]) == [key]
    assert repeats.fresh([b"a" * 10]) == []
    assert repeats.fresh([b"c"]) == [b"c"]
    assert repeats.fresh([b"a" * 10]) == [b"a" * 10]
