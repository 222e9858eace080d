"""Large values piece by piece: which command follows which answer, and what of it all is the value."""

from collections import deque
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import redis
from redis.exceptions import ResponseError

from worker.engines import collections, streams
from worker.engines.collections import ELEMENTS, STRING_BYTES, add_expiry, read
from worker.engines.streams import PIECE, read_stream
from worker.formats.entries import Consumer, Group, Pending, Stream
from worker.formats.types import BY_NAME
from worker.server.pipeline import GoneError

Exchange = tuple[tuple[bytes, ...], Any]


class Script:
    """A server that is asked just this, one after the other, and answers that."""

    def __init__(self, *exchanges: Exchange) -> None:
        self._left = deque(exchanges)
        self._due: deque[Any] = deque()

    def send(self, data: bytes) -> None:
        lines = deque(data.split(b"\r\n")[:-1])
        while lines:
            count = int(lines.popleft()[1:])
            command: tuple[bytes, ...] = ()
            for _ in range(count):
                lines.popleft()
                command = (*command, lines.popleft())
            expected, reply = self._left.popleft()
            assert command == expected
            self._due.append(reply)

    def replies(self, count: int) -> Iterator[Any]:
        return iter([self._due.popleft() for _ in range(count)])

    def done(self) -> bool:
        return not self._left


def value(kind: str, *exchanges: Exchange) -> Any:
    wire: Any = Script(*exchanges)
    found = read(wire, BY_NAME[kind], b"k")
    assert wire.done()
    return found


def test_a_string_is_read_until_a_piece_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collections, "STRING_BYTES", 4)
    assert STRING_BYTES == 64 << 20
    ask = [(b"GETRANGE", b"k", b"%d" % start, b"%d" % (start + 3)) for start in (0, 4, 8)]
    assert value("string", (ask[0], b"abc")) == b"abc"
    assert value("string", (ask[0], b"abcd"), (ask[1], b"")) == b"abcd"
    assert value("string", (ask[0], b"abcd"), (ask[1], b"efgh"), (ask[2], b"i")) == b"abcdefghi"


def test_a_list_is_read_until_a_piece_is_short() -> None:
    members = [b"%d" % number for number in range(2 * ELEMENTS + 1)]
    for number in (0, 1, ELEMENTS - 1, ELEMENTS, ELEMENTS + 1, 2 * ELEMENTS, 2 * ELEMENTS + 1):
        exchanges: list[Exchange] = [
            (
                (b"LRANGE", b"k", b"%d" % start, b"%d" % (start + ELEMENTS - 1)),
                members[start : min(number, start + ELEMENTS)],
            )
            for start in range(0, number + 1, ELEMENTS)
        ]
        assert value("list", *exchanges) == members[:number]


@pytest.mark.parametrize(
    ("kind", "command", "pieces", "found"),
    [
        ("set", b"SSCAN", [[b"a", b"b"], [b"b", b"c"]], [b"a", b"b", b"c"]),
        ("zset", b"ZSCAN", [[b"a", b"1", b"b", b"inf"], [b"a", b"2"]], [(b"a", 2.0), (b"b", float("inf"))]),
        ("hash", b"HSCAN", [[b"f", b"v", b"g", b"w"], [b"g", b"x"]], [(b"f", b"v", None), (b"g", b"x", None)]),
    ],
)
def test_a_scan_goes_on_to_its_end_and_what_it_repeats_is_there_once(
    kind: str, command: bytes, pieces: list[list[bytes]], found: Any
) -> None:
    ask = [(command, b"k", cursor, b"COUNT", b"%d" % ELEMENTS) for cursor in (b"0", b"7")]
    assert value(kind, (ask[0], [b"7", pieces[0]]), (ask[1], [b"0", pieces[1]])) == found
    assert value(kind, (ask[0], [b"0", []])) == []


@pytest.mark.parametrize("reply", [ResponseError("WRONGTYPE x"), ResponseError("ERR no such key")])
def test_what_has_become_another_type_has_gone(reply: Exception) -> None:
    with pytest.raises(GoneError):
        value("list", ((b"LRANGE", b"k", b"0", b"%d" % (ELEMENTS - 1)), reply))


@pytest.mark.parametrize("reply", [None, b"abc", [1], [b"a", None], (b"a",)])
def test_what_is_no_list_of_strings_is_nonsense(reply: Any) -> None:
    with pytest.raises(TypeError):
        collections.strings(reply)


def test_members_come_with_what_stands_behind_them() -> None:
    assert collections.scores([b"a", b"1.5", b"b", b"-inf"]) == [(b"a", 1.5), (b"b", float("-inf"))]
    assert collections.fields([b"f", b"v", b"g", b"w"]) == [(b"f", b"v", None), (b"g", b"w", None)]
    for odd in (collections.scores, collections.fields):
        with pytest.raises(ValueError, match="zip"):
            odd([b"a"])


def held(*names: bytes) -> list[tuple[bytes, bytes, int | None]]:
    return [(name, b"v", None) for name in names]


def expiry_of(key: bytes, *names: bytes) -> tuple[bytes, ...]:
    return (b"HPEXPIRETIME", key, b"FIELDS", b"%d" % len(names), *names)


def test_each_field_gets_its_expiry_and_those_that_have_gone_are_left_out() -> None:
    wire: Any = Script(
        (expiry_of(b"a", b"f", b"g", b"h", b"i"), [-1, 500, -2, 0]),
        (expiry_of(b"b", b"f"), None),
        (expiry_of(b"c", b"f"), ResponseError("WRONGTYPE x")),
        (expiry_of(b"e", b"f"), []),
    )
    hashes = [
        (b"a", held(b"f", b"g", b"h", b"i")),
        (b"b", held(b"f")),
        (b"c", held(b"f")),
        (b"d", []),
        (b"e", held(b"f")),
    ]
    assert add_expiry(wire, hashes) == [[(b"f", b"v", None), (b"g", b"v", 500), (b"i", b"v", 0)], [], [], [], []]
    assert wire.done()


@pytest.mark.parametrize("number", [1, ELEMENTS, ELEMENTS + 1, 101 * ELEMENTS])
def test_so_many_fields_are_asked_for_at_once(number: int) -> None:
    names = [b"%d" % place for place in range(number)]
    slices = [names[start : start + ELEMENTS] for start in range(0, number, ELEMENTS)]
    wire: Any = Script(*[(expiry_of(b"k", *some), [7] * len(some)) for some in slices])
    assert add_expiry(wire, [(b"k", held(*names))]) == [[(name, b"v", 7) for name in names]]
    assert wire.done()


@pytest.mark.parametrize("reply", [[1], [1, 2, 3], [1, b"2"], [1, -3], (1, 2), b"12"])
def test_an_expiry_that_is_none_is_damage(reply: Any) -> None:
    wire: Any = Script((expiry_of(b"k", b"f", b"g"), reply))
    with pytest.raises(redis.ConnectionError):
        add_expiry(wire, [(b"k", held(b"f", b"g"))])


# Streams.
FULL = (b"XINFO", b"STREAM", b"k", b"FULL", b"COUNT", b"%d" % PIECE)
COUNT = b"%d" % PIECE


def flat(**named: Any) -> list[Any]:
    return [part for name, content in named.items() for part in (name.replace("_", "-").encode(), content)]


def item(at: str) -> list[Any]:
    return [at.encode(), [b"f", b"v"]]


def entries(*ids: str) -> list[tuple[str, list[tuple[bytes, bytes]]]]:
    return [(at, [(b"f", b"v")]) for at in ids]


def stream(*exchanges: Exchange) -> Stream | None:
    wire: Any = Script(*exchanges)
    found = read_stream(wire, b"k")
    assert wire.done()
    return found


def group(**more: Any) -> list[Any]:
    usual: dict[str, Any] = {"name": b"g", "last_delivered_id": b"1-1", "entries_read": 1}
    return flat(**usual | more)


def full(*ids: str, groups: Any = (), length: int | None = None, last: bytes = b"9-9", **more: Any) -> list[Any]:
    """What Redis answers of all of a stream."""
    known = {"last_generated_id": last, "length": len(ids) if length is None else length}
    return flat(**known, entries=list(map(item, ids)), groups=list(groups), **more)


def test_a_small_stream_comes_in_one_answer() -> None:
    consumers = [
        flat(name=b"c", seen_time=50, active_time=40, pending=[]),
        flat(name=b"d", seen_time=60, active_time=-1, pending=[]),
        flat(name=b"e", seen_time=70, pending=[]),
        flat(name=b"f", seen_time=80, active_time=0, pending=[]),
    ]
    pending = [[b"1-1", b"c", 30, 2], [b"2-1", b"d", 31, 1], [b"3-1", b"c", 32, 3]]
    one = group(pel_count=3, pending=pending, consumers=consumers)
    found = stream((FULL, full("1-1", "2-1", groups=[one], max_deleted_entry_id=b"0-5", entries_added=7)))
    assert found == Stream(
        entries("1-1", "2-1"),
        "9-9",
        "0-5",
        7,
        [
            Group(
                b"g",
                "1-1",
                1,
                [
                    Consumer(b"c", 50, 40, [Pending("1-1", 30, 2), Pending("3-1", 32, 3)]),
                    Consumer(b"d", 60, None, [Pending("2-1", 31, 1)]),
                    Consumer(b"e", 70, None),
                    Consumer(b"f", 80, 0),
                ],
            )
        ],
    )


def test_what_a_first_answer_has_not_all_of_is_asked_for_behind_it() -> None:
    rest: Exchange = ((b"XRANGE", b"k", b"2-2", b"9-9", b"COUNT", COUNT), [item("3-1")])
    assert stream((FULL, full("1-1", "2-1", length=3)), rest) == Stream(entries("1-1", "2-1", "3-1"), "9-9")


def test_an_empty_stream_may_have_got_entries_meanwhile() -> None:
    rest: Exchange = ((b"XRANGE", b"k", b"-", b"9-9", b"COUNT", COUNT), [])
    assert stream((FULL, full()), rest) == Stream([], "9-9")


def test_a_long_stream_is_asked_for_until_a_piece_is_short() -> None:
    ids = [f"{number}-1" for number in range(1, 2 * PIECE + 1)]
    pieces = [ids[:PIECE], ids[PIECE:], []]
    starts = [b"-", b"%d-2" % PIECE, b"%d-2" % (2 * PIECE)]
    asked: list[Exchange] = [
        ((b"XRANGE", b"k", start, b"9-9", b"COUNT", COUNT), list(map(item, piece)))
        for start, piece in zip(starts, pieces, strict=True)
    ]
    assert stream((FULL, full()), *asked) == Stream(entries(*ids), "9-9")


@pytest.mark.parametrize(
    ("at", "behind"),
    [("5-0", b"5-1"), (f"5-{2**64 - 2}", b"5-%d" % (2**64 - 1)), (f"5-{2**64 - 1}", b"6-0")],
)
def test_the_next_id_is_behind_the_last_one_that_came(at: str, behind: bytes) -> None:
    rest: Exchange = ((b"XRANGE", b"k", behind, b"9-9", b"COUNT", COUNT), [])
    assert stream((FULL, full(at, length=2)), rest) == Stream(entries(at), "9-9")


CLOCK = [b"100", b"5000"]
"""100,005 milliseconds."""
UNKNOWN_FULL = (FULL, ResponseError("ERR syntax error"))
GROUPS = (b"XINFO", b"GROUPS", b"k")
CONSUMERS = (b"XINFO", b"CONSUMERS", b"k", b"g")
TIME = (b"TIME",)
XINFO = (b"XINFO", b"STREAM", b"k")
LISTED: Exchange = (GROUPS, [group()])
SHORT: Exchange = (XINFO, flat(last_generated_id=b"9-9", length=1))
ENTRIES: Exchange = ((b"XRANGE", b"k", b"-", b"9-9", b"COUNT", COUNT), [item("1-1")])


def pending_from(start: bytes) -> tuple[bytes, ...]:
    return (b"XPENDING", b"k", b"g", start, b"+", COUNT)


@pytest.mark.parametrize(
    "first",
    [
        UNKNOWN_FULL,
        (FULL, full("1-1", groups=[group(pel_count=2, pending=[[b"1-1", b"c", 1, 1]], consumers=[])])),
        (FULL, full("1-1", groups=[group(pel_count=0, pending=[], consumers=[], nacked_count=1)])),
    ],
    ids=["of 5.0", "cut", "given back"],
)
def test_what_does_not_come_in_one_answer_is_asked_for_group_by_group(first: Exchange) -> None:
    consumers = [
        flat(name=b"c", idle=5, inactive=7),
        flat(name=b"d", idle=6, inactive=-1),
        flat(name=b"e", idle=8),
        flat(name=b"f", idle=1, inactive=0),
    ]
    waiting = [[b"1-1", b"c", 3, 2], [b"2-1", b"new", 4, 1]]
    found = stream(
        first,
        LISTED,
        (CONSUMERS, consumers),
        (TIME, CLOCK),
        (pending_from(b"-"), waiting),
        (TIME, CLOCK),
        SHORT,
        ENTRIES,
    )
    now = 100_005
    assert found == Stream(
        entries("1-1"),
        "9-9",
        groups=[
            Group(
                b"g",
                "1-1",
                1,
                [
                    Consumer(b"c", now - 5, now - 7, [Pending("1-1", now - 3, 2)]),
                    Consumer(b"d", now - 6),
                    Consumer(b"e", now - 8),
                    Consumer(b"f", now - 1, now),
                    Consumer(b"new", None, None, [Pending("2-1", now - 4, 1)]),
                ],
            )
        ],
    )


def test_many_pending_entries_are_asked_for_until_a_piece_is_short() -> None:
    rows = [[b"%d-1" % (number + 1), b"c", 3, 2] for number in range(PIECE)]
    found = stream(
        UNKNOWN_FULL,
        LISTED,
        (CONSUMERS, [flat(name=b"c", idle=5)]),
        (TIME, CLOCK),
        (pending_from(b"-"), rows),
        (TIME, CLOCK),
        (pending_from(b"%d-2" % PIECE), [[b"5000-1", b"c", 3, 2]]),
        (TIME, CLOCK),
        SHORT,
        ENTRIES,
    )
    assert found is not None
    ids = [int(one.id.split("-")[0]) for one in found.groups[0].consumers[0].pending]
    assert (len(ids), ids[-1]) == (PIECE + 1, 5000)
    assert all(earlier < later for earlier, later in pairwise(ids))


def test_what_belongs_to_nobody_cannot_be_said() -> None:
    nobodys = [[b"1-1", b"", 3, 2]]
    asked: list[Exchange] = [(CONSUMERS, []), (TIME, CLOCK), (pending_from(b"-"), nobodys), (TIME, CLOCK)]
    assert stream(UNKNOWN_FULL, LISTED, *asked) is None


@pytest.mark.parametrize("reply", [ResponseError("ERR no such key"), ResponseError("WRONGTYPE x")])
def test_a_stream_that_has_gone_is_told(reply: Exception) -> None:
    with pytest.raises(GoneError):
        stream((FULL, reply), (GROUPS, reply))


def test_a_key_of_an_entry_without_a_value_is_nonsense() -> None:
    with pytest.raises(ValueError, match="zip"):
        streams._item([b"1-1", [b"f"]])
