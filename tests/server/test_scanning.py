"""What SCAN may answer: a cursor and keys, and nothing else is taken for that."""

from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from worker.server.reading.scanning import named


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
