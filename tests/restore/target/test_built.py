"""The very commands that make a value anew, on servers of each age: none too many, and none that a server does not know."""

from struct import pack
from typing import Any

import pytest

from worker.formats.entries import Consumer, Element, Entry, Group, Opaque, Pending, Stream, VectorSet
from worker.restore.target.commands import ELEMENTS, PIECE, build

OLD, MIDDLE, NEW = (3, 2), (6, 2), (8, 0, 0)


def built(kind: str, value: Any, version: tuple[int, ...] = NEW, **more: Any) -> list[tuple[Any, ...]]:
    return list(build(Entry(0, b"k", None, kind, None, value), version, **more))


@pytest.mark.parametrize(("version", "name"), [((3, 2, 12), "HMSET"), ((4, 0), "HSET"), (NEW, "HSET")])
def test_many_fields_at_once_have_another_command_on_old_servers(version: tuple[int, ...], name: str) -> None:
    assert built("hash", [(b"f", b"v", None), (b"g", b"w", None)], version) == [(name, b"k", b"f", b"v", b"g", b"w")]


@pytest.mark.parametrize(
    ("kind", "value", "command"),
    [
        ("string", b"v", ("SET", b"k", b"v")),
        ("list", [b"a", b"b"], ("RPUSH", b"k", b"a", b"b")),
        ("set", [b"a", b"b"], ("SADD", b"k", b"a", b"b")),
        ("zset", [(b"a", 0.1), (b"b", float("-inf"))], ("ZADD", b"k", "0.1", b"a", "-inf", b"b")),
        ("hash", Opaque(b"dump"), ("RESTORE", b"k", 0, b"dump")),
    ],
)
def test_a_small_value_is_one_command(kind: str, value: Any, command: tuple[Any, ...]) -> None:
    assert built(kind, value) == [command]


@pytest.mark.parametrize("number", [1, ELEMENTS - 1, ELEMENTS, ELEMENTS + 1, 2 * ELEMENTS, 2 * ELEMENTS + 1])
def test_so_many_elements_go_into_one_command(number: int) -> None:
    members = [b"%d" % place for place in range(number)]
    pieces = [members[start : start + ELEMENTS] for start in range(0, number, ELEMENTS)]
    assert built("list", members) == [("RPUSH", b"k", *piece) for piece in pieces]
    scores = [(member, 1.0) for member in members]
    assert [len(command) for command in built("zset", scores)] == [2 + 2 * len(piece) for piece in pieces]


@pytest.mark.parametrize(
    ("sizes", "pieces"),
    [([PIECE], [1]), ([PIECE - 1, 1, 1], [2, 1]), ([PIECE - 2, 1, 1], [3]), ([PIECE, 1, PIECE], [1, 2])],
)
def test_so_many_bytes_go_into_one_command(sizes: list[int], pieces: list[int]) -> None:
    assert [len(command) - 2 for command in built("list", [bytes(size) for size in sizes])] == pieces


FIELDS = [(b"a", b"1", 500), (b"b", b"2", None), (b"c", b"3", 900), (b"d", b"4", 500)]
ALL_FIELDS = ("HSET", b"k", b"a", b"1", b"b", b"2", b"c", b"3", b"d", b"4")
EXPIRIES = [
    ("HPEXPIREAT", b"k", 500, "FIELDS", 2, b"a", b"d"),
    ("HPEXPIREAT", b"k", 900, "FIELDS", 1, b"c"),
]


@pytest.mark.parametrize(
    ("version", "said", "expire"),
    [((7, 2, 4), None, False), ((7, 4), None, True), (NEW, None, True), ((7, 2, 4), True, True), (NEW, False, False)],
)
def test_fields_expire_where_the_server_knows_that(version: tuple[int, ...], said: bool | None, expire: bool) -> None:
    assert built("hash", FIELDS, version, field_expiry=said) == [ALL_FIELDS, *(EXPIRIES if expire else [])]


PENDING = [Pending("5-1", 70, 2), Pending("6-1", 70, 2), Pending("7-1", 80, 2)]
GROUP = Group(b"g", "6-1", 3, [Consumer(b"c", pending=PENDING), Consumer(b"d")])
STREAM = Stream(
    [("5-1", [(b"f", b"v")]), ("6-1", [(b"f", b"w"), (b"g", b"x")]), ("7-1", [(b"f", b"")])], "9-0", "4-0", 8, [GROUP]
)
ENTRIES = [
    ("XADD", b"k", "5-1", b"f", b"v"),
    ("XADD", b"k", "6-1", b"f", b"w", b"g", b"x"),
    ("XADD", b"k", "7-1", b"f", b""),
]
CLAIMS = [
    ("XCLAIM", b"k", b"g", b"c", 0, "5-1", "6-1", "TIME", 70, "RETRYCOUNT", 2, "FORCE", "JUSTID"),
    ("XCLAIM", b"k", b"g", b"c", 0, "7-1", "TIME", 80, "RETRYCOUNT", 2, "FORCE", "JUSTID"),
]


def test_a_stream_comes_with_its_counters_groups_and_what_they_hold() -> None:
    assert built("stream", STREAM) == [
        *ENTRIES,
        ("XSETID", b"k", "9-0", "ENTRIESADDED", 8, "MAXDELETEDID", "4-0"),
        ("XGROUP", "CREATE", b"k", b"g", "6-1", "ENTRIESREAD", 3),
        ("XGROUP", "CREATECONSUMER", b"k", b"g", b"c"),
        *CLAIMS,
        ("XGROUP", "CREATECONSUMER", b"k", b"g", b"d"),
    ]


@pytest.mark.parametrize(
    ("version", "created"),
    [
        (MIDDLE, ("XGROUP", "CREATECONSUMER", b"k", b"g")),
        ((6, 0), ("XREADGROUP", "GROUP", b"g")),
        ((5, 0), ("XREADGROUP", "GROUP", b"g")),
    ],
)
def test_an_older_server_is_asked_for_less(version: tuple[int, ...], created: tuple[Any, ...]) -> None:
    ask = () if created[0] == "XGROUP" else ("COUNT", 1, "STREAMS", b"k", 0)
    assert built("stream", STREAM, version) == [
        *ENTRIES,
        ("XSETID", b"k", "9-0"),
        ("XGROUP", "CREATE", b"k", b"g", "6-1"),
        (*created, b"c", *ask),
        *CLAIMS,
        (*created, b"d", *ask),
    ]


def test_what_old_servers_did_not_count_is_what_is_there() -> None:
    stream = Stream(STREAM.entries, "9-0", groups=[Group(b"g", "6-1")])
    assert built("stream", stream)[3:] == [
        ("XSETID", b"k", "9-0", "ENTRIESADDED", 3, "MAXDELETEDID", "0-0"),
        ("XGROUP", "CREATE", b"k", b"g", "6-1"),
    ]
    assert built("stream", stream, (7, 0))[3][3] == "ENTRIESADDED"
    assert len(built("stream", stream, (6, 9))[3]) == 3


def test_an_empty_stream_is_made_by_a_group_that_goes_again() -> None:
    assert built("stream", Stream([], "9-0", entries_added=0)) == [
        ("XGROUP", "CREATE", b"k", "-", "0-0", "MKSTREAM"),
        ("XGROUP", "DESTROY", b"k", "-"),
        ("XSETID", b"k", "9-0", "ENTRIESADDED", 0, "MAXDELETEDID", "0-0"),
    ]


def claimed(*ids: str) -> list[Group]:
    return [Group(b"g", "99-0", None, [Consumer(b"c", pending=[Pending(one, 70, 2) for one in ids])])]


def test_what_is_pending_and_gone_is_there_while_it_is_claimed() -> None:
    stream = Stream(
        [("5-1", [(b"f", b"v")]), ("10-1", [(b"f", b"w")])], "99-0", "7-0", 4, claimed("10-1", "9-2", "4-1")
    )
    assert built("stream", stream) == [
        ("XADD", b"k", "4-1", b"", b""),
        ("XADD", b"k", "5-1", b"f", b"v"),
        ("XADD", b"k", "9-2", b"", b""),
        ("XADD", b"k", "10-1", b"f", b"w"),
        ("XSETID", b"k", "99-0", "ENTRIESADDED", 4, "MAXDELETEDID", "7-0"),
        ("XGROUP", "CREATE", b"k", b"g", "99-0"),
        ("XGROUP", "CREATECONSUMER", b"k", b"g", b"c"),
        ("XCLAIM", b"k", b"g", b"c", 0, "10-1", "9-2", "4-1", "TIME", 70, "RETRYCOUNT", 2, "FORCE", "JUSTID"),
        ("XDEL", b"k", "9-2"),
        ("XTRIM", b"k", "MAXLEN", 2),
        ("XSETID", b"k", "99-0", "ENTRIESADDED", 4, "MAXDELETEDID", "7-0"),
    ]


def test_placeholders_behind_the_first_entry_are_deleted_and_nothing_is_trimmed() -> None:
    stream = Stream([("5-1", [(b"f", b"v")])], "99-0", None, 1, claimed("6-1"))
    commands = built("stream", stream)
    assert ("XSETID", b"k", "99-0", "ENTRIESADDED", 2, "MAXDELETEDID", "0-0") in commands, "as many as there are then"
    assert commands[-2:] == [("XDEL", b"k", "6-1"), ("XSETID", b"k", "99-0", "ENTRIESADDED", 1, "MAXDELETEDID", "0-0")]


def test_of_a_stream_without_entries_all_placeholders_are_trimmed() -> None:
    commands = built("stream", Stream([], "99-0", None, 5, claimed("6-1", "5-1")))
    assert [command for command in commands if command[0] in ("XADD", "XDEL", "XTRIM")] == [
        ("XADD", b"k", "5-1", b"", b""),
        ("XADD", b"k", "6-1", b"", b""),
        ("XTRIM", b"k", "MAXLEN", 0),
    ]


@pytest.mark.parametrize("number", [ELEMENTS, ELEMENTS + 1])
def test_so_many_pending_entries_are_claimed_at_once(number: int) -> None:
    ids = [f"{place + 2}-1" for place in range(number)]
    stream = Stream([("1-1", [(b"f", b"v")])], f"{number + 9}-0", None, 1, claimed(*ids))
    for name, head, tail in (("XCLAIM", 5, 6), ("XDEL", 2, 0)):
        sizes = [len(command) - head - tail for command in built("stream", stream) if command[0] == name]
        assert sizes == [ELEMENTS, *([1] if number > ELEMENTS else [])]


@pytest.mark.parametrize(("quantisation", "word"), [("none", "NOQUANT"), ("q8", "Q8"), ("binary", "BIN")])
def test_vectors_are_added_the_last_one_first(quantisation: str, word: str) -> None:
    vector = {"none": pack("<f", 1), "q8": b"\x7f", "binary": b"\x01" + bytes(7)}[quantisation]
    elements = [Element(b"a", vector, 2.0, 1.0, b"{}", b""), Element(b"b", vector, 3.0, 1.0, b"", b"")]
    assert built("vectorset", VectorSet(1, quantisation, 5, None, elements)) == [
        ("VADD", b"k", "FP32", pack("<f", 3), b"b", word, "M", 5),
        ("VADD", b"k", "FP32", pack("<f", 2), b"a", word, "SETATTR", b"{}", "M", 5),
    ]
