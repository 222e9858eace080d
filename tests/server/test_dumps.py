"""What DUMP's answers mean, and how many keys are asked for next: after each batch, by what it took."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from redis.exceptions import ResponseError

from worker.errors import SourceError
from worker.formats.entries import Entry
from worker.formats.rdb.payload import FOOTER_BYTES, footer, seal
from worker.server.endpoint.roles import SOURCE
from worker.server.pipeline import Abilities
from worker.server.reading.dumps import BATCH_BYTES, BATCH_SECONDS, FIRST_KEYS, LEAST_BYTES, MOST_KEYS, Dumps
from worker.server.wire import pack

MODERN, OLD = Abilities(absolute=True, fields=True), Abilities(absolute=False, fields=False)
NEVER, GONE = -1, -2
SMALL = seal(b"\x00\x01v", 11)


class Peer:
    """A server and the pace at it: answers what it is given, in runs of a size, and allows so many keys."""

    def __init__(self, *replies: Any, run: int = 1000, most: int = MOST_KEYS) -> None:
        self._replies, self._run, self._most = list(replies), run, most
        self.rests = 0
        self.endpoint: Any = self
        self.role = SOURCE

    def runs(self, count: int, *, cut: int) -> Iterator[list[Any]]:
        assert (count, cut) == (len(self._replies), FOOTER_BYTES)
        return (self._replies[start : start + self._run] for start in range(0, count, self._run))

    def keys(self, most: int) -> int:
        return min(most, self._most)

    def rest(self) -> None:
        self.rests += 1


def dumps(peer: Peer, able: Abilities = MODERN, versions: list[int] | None = None) -> Dumps:
    one: Any = peer
    return Dumps(one, 3, able, one, (versions if versions is not None else []).append)


def keys(number: int) -> list[bytes]:
    return [b"key:%d" % place for place in range(number)]


def entry(key: bytes, payload: bytes = b"\x00\x01v", at: int | None = None, kind: str = "string") -> Entry:
    return Entry(3, key, at, kind, payload)


def read(*replies: Any, run: int = 1000) -> list[Entry | None]:
    peer = Peer(*replies, run=run)
    found = [one for batch in dumps(peer).answers(keys(len(replies) // 2)) for one in batch]
    assert peer.rests == 1
    return found


@pytest.mark.parametrize("size", [0, 1, 9, 10, 99, 100, 254, 255, 256, 257, 5000])
def test_a_key_of_any_length_is_asked_for_as_a_client_would(size: int) -> None:
    key, other = b"k" * size, b"other"
    asked = b"".join(pack(b"DUMP", one) + pack(b"PEXPIRETIME", one) for one in (key, other))
    assert dumps(Peer()).commands([key, other]) == asked


def test_before_there_was_an_absolute_expiry_the_clock_is_asked_around_it() -> None:
    one = pack(b"DUMP", b"k") + pack(b"TIME") + pack(b"PTTL", b"k") + pack(b"TIME")
    old = dumps(Peer(), OLD)
    assert (old.commands([b"k", b"k"]), old.exact, dumps(Peer()).exact) == (one * 2, False, True)


@pytest.mark.parametrize("run", [1, 2, 3, 4, 5, 1000])
def test_each_answer_belongs_to_its_key_however_they_come(run: int) -> None:
    listed = seal(b"\x01\x01\x01a", 11)
    found = read(SMALL, NEVER, listed, 5, None, GONE, SMALL, GONE, None, NEVER, SMALL, 0, run=run)
    names = keys(6)
    assert found == [
        entry(names[0]),
        entry(names[1], b"\x01\x01\x01a", 5, "list"),
        None,
        None,
        None,
        entry(names[5], at=0),
    ]


@pytest.mark.parametrize("run", [2, 1000])
def test_a_large_payload_comes_with_its_footer_apart(run: int) -> None:
    payload = b"\x00\x81" + (9).to_bytes(8, "big") + b"123456789"
    versions: list[int] = []
    peer = Peer((payload, footer(payload, 12)), NEVER, SMALL, 7, run=run)
    (batch,) = dumps(peer, versions=versions).answers(keys(2))
    assert batch == [entry(b"key:0", payload), entry(b"key:1", at=7)]
    assert set(versions) == {12, 11}


def test_what_modules_made_is_told_from_what_is_built_in() -> None:
    module = seal(b"\x07\x81" + bytes(7) + b"\x01\x00", 11)
    found = read(module, NEVER, SMALL, NEVER)
    assert [one and one.type for one in found] == ["module", "string"]


def test_a_key_that_is_refused_is_named() -> None:
    with pytest.raises(
        SourceError, match=r"The source does not give the key 'key:1' of database 3: NOPERM no, really\."
    ):
        read(SMALL, NEVER, ResponseError("NOPERM no, really"), NEVER)


@pytest.mark.parametrize("error", [redis.exceptions.BusyLoadingError("x"), redis.exceptions.MasterDownError("x")])
def test_what_is_the_servers_trouble_is_no_keys(error: Exception) -> None:
    with pytest.raises(type(error)):
        read(SMALL, NEVER, error, NEVER)


def test_an_expiry_that_was_told_too_vaguely_is_asked_for_again() -> None:
    def clock(milliseconds: int) -> list[bytes]:
        return [b"%d" % (milliseconds // 1000), b"%d" % (milliseconds % 1000 * 1000)]

    near = (SMALL, clock(1000), 500, clock(1001))
    far = (SMALL, clock(1000), 500, clock(1900))
    never = (SMALL, clock(1000), NEVER, clock(1900))
    old = dumps(Peer(*near, *far, *never), OLD)
    (batch,) = old.answers(keys(3))
    assert batch == [entry(b"key:0", at=1501), None, entry(b"key:2")]
    assert [(one.key, window) for one, window in old.unsure] == [(b"key:1", (1500, 2400))]


@pytest.mark.parametrize("payloads", [1, 2, 3, 5])
def test_what_large_values_fill_is_given_away_early(payloads: int) -> None:
    half = seal(b"\x00\x80" + (BATCH_BYTES // 2).to_bytes(4, "big") + bytes(BATCH_BYTES // 2), 11)
    peer = Peer(*[half, NEVER] * payloads, run=2)
    sizes = [len(batch) for batch in dumps(peer).answers(keys(payloads))]
    assert sizes == {1: [1], 2: [2, 0], 3: [2, 1], 5: [2, 2, 1]}[payloads]


def next_count(monkeypatch: pytest.MonkeyPatch, asked: int, seconds: float, size: int, **peer: int) -> int:
    """How many keys are asked for after a batch of so many, which took so long and was so large together."""
    clock = iter([0.0, seconds])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    each = seal(bytes(max(1, size // asked - FOOTER_BYTES)), 11)
    one = dumps(Peer(*[each, NEVER] * asked, **peer))
    one.count = asked
    list(one.answers(keys(asked)))
    return one.count


@pytest.mark.parametrize(
    ("asked", "seconds", "size", "count"),
    [
        (1, 0, 100, 2),
        (8, 0, 800, 16),
        (60, 0, 6000, MOST_KEYS),
        (100, BATCH_SECONDS / 2, 10_000, MOST_KEYS),
        (64, 10, 64 * 100, MOST_KEYS),
        (64, 10, 2 * LEAST_BYTES, 32),
        (64, BATCH_SECONDS, 16 * LEAST_BYTES, 64),
        (64, 2 * BATCH_SECONDS, 16 * LEAST_BYTES, 32),
        (64, 4 * BATCH_SECONDS, 16 * LEAST_BYTES, 16),
        (64, 1000 * BATCH_SECONDS, 16 * LEAST_BYTES, 4),
        (32, 0, 2 * BATCH_BYTES, 16),
        (4, 0, 4 * BATCH_BYTES, 1),
        (1, 0, 4 * BATCH_BYTES, 1),
        (2, 10, 64 * LEAST_BYTES, 1),
    ],
)
def test_the_next_batch_is_as_large_as_this_one_allows(
    asked: int, seconds: float, size: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert next_count(monkeypatch, asked, seconds, size) == count


def test_beside_others_it_is_as_large_as_the_pace_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert next_count(monkeypatch, 16, 0, 1600, most=20) == 20
    assert dumps(Peer()).count == FIRST_KEYS
