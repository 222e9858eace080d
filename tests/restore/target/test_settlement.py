"""What a target's replies mean for each key that was sent, and what is known of those without a reply."""

from contextlib import suppress
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from worker.formats.entries import Entry
from worker.restore.target.flow import Batch, Sent
from worker.restore.target.report import Report
from worker.restore.target.settlement import Settlement

OK, QUEUED = b"OK", b"QUEUED"
KEYS = ("restored", "skipped", "expired", "failed", "built", "unconfirmed", "unfinished")


def entry(number: int = 0) -> Entry:
    return Entry(0, b"key:%d" % number, None, "list", None)


class Replying:
    """A wire that has these replies, and then breaks."""

    def __init__(self, replies: list[Any]) -> None:
        self.replies = replies

    def gather(self, expected: int, into: list[Any]) -> None:
        into += self.replies[:expected]
        if len(self.replies) < expected:
            raise RedisConnectionError("gone")


class Named:
    """What becomes of values that were built."""

    def __init__(self) -> None:
        self.named: list[bytes] = []
        self.discarded: list[bytes] = []

    def name(self, _: Entry, temporary: bytes) -> None:
        self.named.append(temporary)

    def discard(self, _: Entry, temporary: bytes) -> None:
        self.discarded.append(temporary)


def settled(batch: Batch, *replies: Any) -> tuple[dict[str, int], Settlement, Named]:
    """The counts that are not nought, and what follows."""
    report, values = Report(), Named()
    wire: Any = Replying(list(replies))
    named: Any = values
    settlement = Settlement(wire, named, report)
    with suppress(RedisConnectionError):
        settlement.settle(batch)
    return {name: number for name in KEYS if (number := getattr(report, name))}, settlement, values


def test_each_ok_is_a_key_that_was_restored() -> None:
    assert settled([entry(number) for number in range(3)], OK, OK, OK)[0] == {"restored": 3}
    assert settled([Sent(1), entry(), entry(1)], OK, OK, OK)[0] == {"restored": 2}, "a SELECT is none"


def test_a_key_that_is_there_is_skipped_and_one_that_is_refused_has_failed() -> None:
    busy, refused = ResponseError("BUSYKEY Target key name already exists."), ResponseError("ERR Bad data format")
    counts, settlement, _ = settled([entry(number) for number in range(4)], OK, busy, refused, OK)
    assert counts == {"restored": 2, "skipped": 1, "failed": 1}
    assert settlement.fatal is None


@pytest.mark.parametrize(
    "words", ["OOM no memory", "READONLY no", "LOADING it", "MISCONF disk", "NOPERM no", "MASTERDOWN x", "MOVED 1 a:1"]
)
def test_what_every_further_key_would_be_told_is_no_failure_of_this_one(words: str) -> None:
    counts, settlement, _ = settled([entry(), entry(1)], OK, ResponseError(words))
    assert counts == {"restored": 1}
    assert str(settlement.fatal) == words


def test_a_select_that_is_refused_ends_all() -> None:
    first, second = ResponseError("ERR DB index is out of range"), ResponseError("ERR other")
    counts, settlement, _ = settled([Sent(1), Sent(1)], first, second)
    assert counts == {}
    assert settlement.fatal is first


def test_keys_without_a_reply_may_be_there() -> None:
    counts, settlement, _ = settled([entry(number) for number in range(4)], OK, OK)
    assert counts == {"restored": 2, "unconfirmed": 2}
    assert settlement.fatal is None


def test_a_string_that_set_has_found_there_is_skipped() -> None:
    assert settled([Sent(1, entry()), Sent(1, entry(1))], OK, None)[0] == {"restored": 1, "skipped": 1}


BUILT = [OK, QUEUED, QUEUED, [3, 1]]
"""MULTI, RPUSH, EXPIRE and EXEC."""


def test_a_value_that_is_whole_gets_its_name() -> None:
    counts, _, values = settled([Sent(5, entry(), b"temporary")], *BUILT, 7)
    assert (counts, values.named, values.discarded) == ({}, [b"temporary"], [])


@pytest.mark.parametrize(
    "replies",
    [
        [OK, QUEUED, QUEUED, [ResponseError("ERR value"), 1], 7],
        [OK, QUEUED, QUEUED, [3, 1], ResponseError("ERR value")],
        [OK, ResponseError("ERR value"), QUEUED, ResponseError("EXECABORT"), 7],
    ],
)
def test_a_value_of_which_a_part_was_refused_is_discarded_and_has_failed(replies: list[Any]) -> None:
    counts, settlement, values = settled([Sent(5, entry(), b"temporary")], *replies)
    assert (counts, values.named, values.discarded) == ({"failed": 1}, [], [b"temporary"])
    assert settlement.fatal is None


def test_a_value_that_a_full_target_refuses_ends_all_and_is_discarded() -> None:
    counts, settlement, values = settled([Sent(5, entry(), b"temporary")], *BUILT, ResponseError("OOM no"))
    assert (counts, values.discarded, str(settlement.fatal)) == ({}, [b"temporary"], "OOM no")


def naming(*executed: Any) -> list[Any]:
    """The replies to MULTI, PERSIST, RENAMENX, EXPIRE and EXEC."""
    return [OK, QUEUED, QUEUED, QUEUED, list(executed)]


def a_name() -> Sent:
    return Sent(5, entry(), b"temporary", naming=True)


@pytest.mark.parametrize("renamed", [1, OK])
def test_a_value_with_its_name_was_restored_and_built(renamed: Any) -> None:
    """The last reply says only that there is nothing left to expire."""
    counts, _, values = settled([a_name()], *naming(1, renamed, 0))
    assert (counts, values.discarded) == ({"restored": 1, "built": 1}, [])


def test_a_name_that_is_taken_is_left_alone_and_the_value_discarded() -> None:
    counts, _, values = settled([a_name()], *naming(1, 0, 1))
    assert (counts, values.named, values.discarded) == ({"skipped": 1}, [], [b"temporary"])


def test_a_value_that_has_expired_by_then_is_counted_as_that() -> None:
    gone = ResponseError("ERR no such key")
    counts, _, values = settled([a_name()], *naming(1, gone, 0))
    assert (counts, values.discarded) == ({"expired": 1}, [])


def test_a_name_that_is_refused_has_failed() -> None:
    counts, _, values = settled([a_name()], *naming(1, ResponseError("ERR no"), 1))
    assert (counts, values.discarded) == ({"failed": 1}, [b"temporary"])
    aborted = [OK, QUEUED, ResponseError("ERR unknown"), QUEUED, ResponseError("EXECABORT")]
    assert settled([a_name()], *aborted)[0] == {"failed": 1}


def test_of_what_was_never_answered_each_may_be_there_or_unfinished() -> None:
    """A value is unfinished until it has its name; a DEL brings no key."""
    report = Report()
    settlement = Settlement(None, None, report)  # type: ignore[arg-type]
    settlement.leave(
        [Sent(5, entry(1), b"one"), a_name(), entry(2), Sent(1, entry(3)), Sent(1, temporary=b"two"), Sent(1)]
    )
    assert report.unconfirmed == 3
    assert [one["key"] for one in report.unconfirmed_keys] == ["key:0", "key:2", "key:3"]
    assert report.unfinished == 3


def test_values_that_are_not_named_any_more_are_unfinished() -> None:
    report = Report()
    settlement = Settlement(None, None, report)  # type: ignore[arg-type]
    settlement.abandon([a_name(), entry(), Sent(1), Sent(5, entry(1), b"one")])
    assert (report.unfinished, report.unconfirmed) == (2, 0)


def test_each_reply_belongs_to_what_was_sent_in_that_place() -> None:
    batch: Batch = [
        Sent(1),
        entry(),
        Sent(5, entry(1), b"one"),
        entry(2),
        a_name(),
        Sent(1, temporary=b"old"),
        entry(3),
    ]
    busy = ResponseError("BUSYKEY it")
    counts, _, values = settled(batch, OK, busy, *BUILT, 7, OK, *naming(1, 1, 0), 1, OK)
    assert counts == {"restored": 3, "built": 1, "skipped": 1}
    assert (values.named, values.discarded) == ([b"one"], [])
    counts, _, values = settled(batch, OK, OK, *BUILT)
    assert counts == {"restored": 1, "unconfirmed": 3, "unfinished": 3}
    assert values.named == []
