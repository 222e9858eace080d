"""Two sides of a key: the same however they are encoded, and what differs shown so that a person can read it."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.support.backups import asking, endpoint, fill_all
from tests.support.servers import Server
from worker.engines.scan import Scan
from worker.formats.compare.rows import LONGEST, ROWS, rows, text
from worker.formats.compare.values import Sides, judged, same_value
from worker.formats.entries import Consumer, Entry, Group, Opaque, Pending, Stream, Value
from worker.formats.types import NAMES
from worker.server import wire
from worker.server.endpoint import SOURCE, Endpoint
from worker.server.reading.keys import AHEAD, Keys
from worker.server.throttle import Pace

NOW = 1_700_000_000_000
SIDES = Sides(11, 11, NOW)


def entry(value: Value, kind: str = "string", expires_at: int | None = None) -> Entry:
    return Entry(0, b"k", expires_at, kind, None, value)


def shown(one: Entry | None, other: Entry | None) -> list[tuple[str | None, str | None, str | None]]:
    return [(row["part"], row["backup"], row["live"]) for row in rows(one, other, SIDES)[0]]


def read(server: Server, *keys: str | bytes, db: int = 0) -> tuple[list[Entry | None], int | None]:
    names = [key.encode() if isinstance(key, str) else key for key in keys]
    with Keys(endpoint(server)) as live:
        return [*live.read(db, names)], live.rdb_version


def test_every_kind_of_key_is_told_apart() -> None:
    one = entry(b"x", expires_at=NOW + 5000)
    assert judged(one, None, SIDES) == "new"
    assert judged(one, one, SIDES) == "identical"
    assert judged(one, one._replace(value=b"y"), SIDES) == "differs"
    assert judged(one, one._replace(expires_at=None), SIDES) == "expiry"
    assert judged(one, one._replace(expires_at=NOW + 6000), SIDES) == "expiry"
    # What has expired is nothing else besides.
    for live in (None, one, one._replace(value=b"y")):
        assert judged(one._replace(expires_at=NOW), live, SIDES) == "expired"
    for at, kind in ((NOW, "expired"), (NOW + 1, "new"), (None, "new")):
        assert judged(entry([(b"f", b"1", NOW), (b"g", b"2", at)], "hash"), None, SIDES) == kind


def test_an_expiry_that_an_old_server_cannot_tell_more_exactly_is_the_same() -> None:
    one = entry(b"x", expires_at=NOW + 5000)
    assert judged(one, one._replace(expires_at=NOW + 5003), SIDES) == "identical"
    assert judged(one, one._replace(expires_at=NOW + 5100), SIDES) == "expiry"


SAME: dict[str, tuple[Entry, Entry]] = {
    "a set in another order": (entry([b"a", b"b"], "set"), entry([b"b", b"a"], "set")),
    "a hash in another order": (
        entry([(b"f", b"1", None), (b"g", b"2", NOW + 9)], "hash"),
        entry([(b"g", b"2", NOW + 9), (b"f", b"1", None)], "hash"),
    ),
    "a hash whose field has expired": (
        entry([(b"f", b"1", NOW + 9), (b"g", b"2", NOW - 9), (b"h", b"3", None)], "hash"),
        entry([(b"f", b"1", NOW + 9), (b"h", b"3", None)], "hash"),
    ),
    "a zset with a score that is no number": (
        entry([(b"a", float("nan")), (b"b", 1.0)], "zset"),
        entry([(b"b", 1.0), (b"a", float("nan"))], "zset"),
    ),
    "a module's value of another RDB version": (
        entry(Opaque(b"\x07module" + b"\x0b\0" + b"checksum"), "module"),
        entry(Opaque(b"\x07module" + b"\x0c\0" + b"CHECKSUM"), "module"),
    ),
    "a module's value, kept in both ways": (
        entry(Opaque(b"\x07module" + b"\x0b\0" + b"checksum"), "module"),
        Entry(0, b"k", None, "module", b"\x07module"),
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_what_means_the_same_is_the_same(name: str) -> None:
    one, other = SAME[name]
    assert same_value(one, other, SIDES)
    assert same_value(other, one, SIDES)
    assert shown(one, other) == []


def stream(**changes: Any) -> Stream:
    pending = [Pending("1-0", NOW, 2)]
    groups = [Group(b"g", "1-0", 1, [Consumer(b"ann", 5, 6, pending)]), Group(b"h", "0-0", 0, [])]
    told: dict[str, Any] = {"max_deleted_id": "0-0", "entries_added": 2, "groups": groups} | changes
    return Stream([("1-0", [(b"a", b"b")]), ("2-0", [(b"a", b"c")])], "2-0", **told)


def test_of_a_stream_counts_all_but_when_consumers_were_seen() -> None:
    one = stream()
    assert same_value(entry(one, "stream"), entry(stream(), "stream"), SIDES)
    seen = stream(
        groups=[
            replace(one.groups[1]),
            replace(one.groups[0], consumers=[Consumer(b"ann", 7, 8, [Pending("1-0", NOW, 2)])]),
        ]
    )
    assert same_value(entry(one, "stream"), entry(seen, "stream"), SIDES)
    older = stream(entries_added=None, max_deleted_id=None)
    assert same_value(entry(one, "stream"), entry(older, "stream"), SIDES)
    assert same_value(entry(older, "stream"), entry(one, "stream"), SIDES)


def test_a_stream_is_shown_by_id_and_by_group() -> None:
    one, other = stream(), stream(entries_added=3, groups=[Group(b"g", "2-0", 1, [Consumer(b"bob")])])
    other.entries = [("1-0", [(b"a", b"x")]), ("3-0", [(b"new", b"1"), (b"two", b"2")])]
    assert shown(entry(one, "stream"), entry(other, "stream")) == [
        ("entry 1-0", "a: b", "a: x"),
        ("entry 2-0", "a: c", None),
        ("entries added", "2", "3"),
        ("group g", "1-0", "2-0"),
        ("consumer g/ann", "there", None),
        ("pending g/ann/1-0", "delivered 2023-11-14 22:13:20 UTC, 2 times", None),
        ("group h", "0-0", None),
        ("entries read by h", "0", None),
        ("entry 3-0", None, "new: 1, two: 2"),
        ("consumer g/bob", None, "there"),
    ]


def test_collections_are_shown_by_what_they_hold() -> None:
    hashes = entry([(b"same", b"1", None), (b"f", b"Ann", None), (b"gone", b"\xff", NOW + 9)], "hash")
    other = entry([(b"same", b"1", None), (b"f", b"Bob", NOW + 1000), (b"more", b"", None)], "hash")
    assert shown(hashes, other) == [
        ("f", "Ann", "Bob (expires 2023-11-14 22:13:21 UTC)"),
        ("gone", "0xff (expires 2023-11-14 22:13:20 UTC)", None),
        ("more", None, ""),
    ]
    assert shown(entry([b"a", b"b"], "set"), entry([b"b", b"c"], "set")) == [("a", "there", None), ("c", None, "there")]
    assert shown(entry([b"a", b"b"], "list"), entry([b"a", b"x", b"y"], "list")) == [
        ("position 1", "b", "x"),
        ("position 2", None, "y"),
    ]
    scores = entry([(b"m", 1.5), (b"n", float("inf"))], "zset"), entry([(b"m", 2.0), (b"n", float("inf"))], "zset")
    assert shown(*scores) == [("m", "1.5", "2.0")]


def test_a_key_of_one_side_is_shown_with_what_it_holds() -> None:
    assert shown(entry(b"x"), None) == [("value", "x", None)]
    assert shown(None, entry([b"a"], "set")) == [("a", None, "there")]


def test_another_type_is_said_first_and_a_little_of_both_is_shown() -> None:
    found, more = rows(entry([b"%d" % one for one in range(30)], "list"), entry(b"text", expires_at=NOW + 1), SIDES)
    assert found[0] == {"part": "type", "backup": "list", "live": "string"}
    assert found[1] == {"part": "expires", "backup": "never", "live": "2023-11-14 22:13:20 UTC"}
    assert found[2] == {"part": "position 0", "backup": "0", "live": None}
    assert found[-1] == {"part": "value", "backup": None, "live": "text"}
    assert len(found) == 3 + ROWS // 2
    assert more == 30 - ROWS // 2


def test_many_differences_are_counted_and_only_some_are_shown() -> None:
    found, more = rows(entry([b"%d" % one for one in range(1000)], "set"), entry([], "set"), SIDES)
    assert (len(found), more) == (ROWS, 1000 - ROWS)


def test_an_expiry_beyond_all_calendars_is_shown_all_the_same() -> None:
    never, late = entry(b"x"), entry(b"x", expires_at=2**62)
    assert shown(never, late) == [("expires", "never", f"{2**62:,} ms after 1970")]


def test_a_long_string_is_shown_where_it_begins_to_differ() -> None:
    one, other = b"a" * 5000 + b"ONE" + b"b" * 5000, b"a" * 5000 + b"OTHER" + b"b" * 5000
    ((part, backup, live),) = shown(entry(one), entry(other))
    assert part == "value"
    assert backup is not None
    assert live is not None
    assert backup.startswith("…aaaa")
    assert "aONEb" in backup
    assert backup.endswith("b… (10,003 bytes)")
    assert "aOTHERb" in live
    assert max(len(backup), len(live)) < LONGEST + 30


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", ""),
        ("grüße, мир, 世界 🎉".encode(), "grüße, мир, 世界 🎉"),
        (b"two\nlines\tand a tab", "two\nlines\tand a tab"),
        (b"\x00\xff", "0x00ff"),
        (b"colours \x1b[31m", "0x636f6c6f757273201b5b33316d"),
        ("é".encode() * 150, "é" * 100 + "… (300 bytes)"),
        (b"x" + "é".encode() * 150, "x" + "é" * 99 + "… (301 bytes)"),
        (bytes(300), "0x" + "00" * 100 + "… (300 bytes)"),
        (b"a" * 200, "a" * 200),
    ],
)
def test_bytes_are_shown_as_text_where_they_are_text(value: bytes, expected: str) -> None:
    assert text(value) == expected


def test_what_cannot_be_decoded_is_compared_as_bytes() -> None:
    one, other = Entry(0, b"k", None, "unknown", b"\xc8abc"), Entry(0, b"k", None, "unknown", b"\xc8abd")
    assert judged(one, one, SIDES) == "identical"
    assert judged(one, other, SIDES) == "differs"
    assert shown(one, other) == [("payload", "0xc8616263", "0xc8616264")]


# Values in small and in large encodings: converted by a member that is added and taken away again.
ENCODINGS = {
    "list": (["RPUSH", "{}", "a", "b"], ["RPUSH", "{}", "x" * 20_000], ["RPOP", "{}"]),
    "set": (["SADD", "{}", "1", "2"], ["SADD", "{}", "x" * 100], ["SREM", "{}", "x" * 100]),
    "zset": (
        ["ZADD", "{}", "1", "a", "inf", "b", "0.1", "c"],
        ["ZADD", "{}", "1", "x" * 100],
        ["ZREM", "{}", "x" * 100],
    ),
    "hash": (["HSET", "{}", "a", "1", "b", "2"], ["HSET", "{}", "x" * 100, "1"], ["HDEL", "{}", "x" * 100]),
    "string": (["SET", "{}", "12345"], ["APPEND", "{}", "6"], ["SETRANGE", "{}", "0", "12345"]),
}


@pytest.mark.parametrize("kind", ENCODINGS)
def test_equal_values_in_different_encodings_are_identical(kind: str, source: Server) -> None:
    made, converted, back = ENCODINGS[kind]
    client = asking(source)
    for name in ("small", "large"):
        client.execute_command(*(part.format(name) for part in made))
    client.execute_command(*(part.format("large") for part in converted))
    if kind == "string":
        client.execute_command("SETRANGE", "large", 0, "12345")
        client.execute_command("APPEND", "small", "6")
        client.execute_command("SET", "small", "123456")
    else:
        client.execute_command(*(part.format("large") for part in back))
    (small, large), version = read(source, "small", "large")
    assert small is not None
    assert large is not None
    assert same_value(small, large._replace(key=b"small"), Sides(version, version, NOW))
    if kind not in ("list", "string"):
        assert small.payload != large.payload


def test_every_value_is_itself_and_no_other(source: Server) -> None:
    fill_all(source)
    scan = Scan(endpoint(source), [0])
    entries = [one for batch in scan.batches() for one in batch]
    assert {one.type for one in entries} == set(NAMES) - {"module", "vectorset"}
    found, version = read(source, *(one.key for one in entries))
    sides = Sides(scan.rdb_version, version, time.time() * 1000)
    assert [judged(one, live, sides) for one, live in zip(entries, found, strict=True)] == ["identical"] * len(entries)
    alike = {frozenset((a.key, b.key)) for a in entries for b in entries if a is not b and same_value(a, b, sides)}
    assert alike == {frozenset((b"ttl:ms", b"ttl:years"))}


# sources/keys.py


def test_keys_are_read_in_the_order_that_they_were_named(source: Server) -> None:
    for db in (0, 3):
        source.client(db).mset({f"key:{number}": f"{db}/{number}" for number in range(2000)})
    names = [f"key:{number}" for number in range(2999, -1, -2)]
    for db in (3, 0, 3):
        found, version = read(source, *names, db=db)
        there = [one.key.decode() if one else None for one in found]
        assert there == [name if int(name[4:]) < 2000 else None for name in names]
        assert {one.db for one in found if one} == {db}
    assert version
    assert read(source) == ([], None)


def test_large_values_are_held_one_at_a_time(source: Server) -> None:
    client = source.client()
    for number in range(40):
        client.set(f"big:{number}", bytes([number]) * 3_000_000)
        client.set(f"small:{number}", "x", px=10_000_000)
    names = [f"{kind}:{number}".encode() for number in range(40) for kind in ("big", "small")]
    with Keys(endpoint(source)) as live:
        seen = [one.key for one in live.read(0, names) if one is not None]
        again = [one.key for one in live.read(0, names) if one is not None]
    assert seen == again == names


def test_a_key_named_twice_is_given_twice(source: Server) -> None:
    source.client().set("k", "v", px=10_000_000)
    found, _ = read(source, "k", "none", "k")
    assert [one and one.key for one in found] == [b"k", None, b"k"]


def test_a_server_without_pexpiretime_gives_the_same_order_and_times(source: Server) -> None:
    client, url = source.client(), source.url
    if source.binary.version >= (7, 0):
        asking(source).execute_command("ACL", "SETUSER", "old", "on", ">pw", "~*", "+@all", "-pexpiretime")
        url = url.replace("//", "//old:pw@")
    now = int(time.time() * 1000)
    for number in range(300):
        client.set(f"key:{number}", number)
        client.pexpireat(f"key:{number}", now + 1_000_000 + number)
    with Keys(Endpoint(url, SOURCE)) as live:
        found = [*live.read(0, [f"key:{number}".encode() for number in range(301)])]
    assert found[300] is None
    told = [one.expires_at for one in found if one is not None]
    assert len(told) == 300
    assert all(at is not None and abs(at - now - 1_000_000 - number) <= 5 for number, at in enumerate(told))


def read_ahead(source: Server, *parts: list[bytes]) -> Iterator[tuple[list[bytes | None], int]]:
    """The keys of what is there, and how many parts had been taken by then."""
    taken = 0

    def taking() -> Iterator[tuple[int, list[bytes]]]:
        nonlocal taken
        for keys in parts:
            taken += 1
            yield 0, keys

    with Keys(endpoint(source)) as live:
        for part in live.read_ahead(taking()):
            yield [entry and entry.key for entry in part], taken


@pytest.fixture
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a server that nobody else asks, from the first batch on."""
    monkeypatch.setattr(Pace, "ahead", lambda _, most, least: max(most, least))


@pytest.mark.usefixtures("_alone")
def test_the_next_part_is_asked_for_before_one_is_given_away(source: Server) -> None:
    source.client().mset({b"a": b"1", b"b": b"2"})
    ahead = 1 + AHEAD if source.binary.version >= (7, 0) else 2
    parts = list(read_ahead(source, [b"a"], [b"b", b"none"], [b"a", b"b"], [b"none"]))
    assert [keys for keys, _ in parts] == [[b"a"], [b"b", None], [b"a", b"b"], [None]]
    assert [taken for _, taken in parts][:2] == [ahead, ahead + 1]


@pytest.mark.usefixtures("_alone")
def test_nothing_behind_a_part_without_keys_is_taken_before_all_is_given_away(source: Server) -> None:
    source.client().mset({b"a": b"1", b"b": b"2"})
    parts = list(read_ahead(source, [], [b"a"], [b"b"], [], [b"none"], []))
    given = [([], 1), ([b"a"], 4), ([b"b"], 4), ([], 4), ([None], 6), ([], 6)]
    if source.binary.version < (7, 0):
        given[1] = ([b"a"], 3)
    assert parts == given


def test_what_goes_wrong_with_the_parts_is_not_the_servers_doing(source: Server) -> None:
    def parts() -> Iterator[tuple[int, list[bytes]]]:
        yield 0, [b"a"]
        raise OSError("the disk")

    with Keys(endpoint(source)) as live, pytest.raises(OSError, match="the disk"):
        list(live.read_ahead(parts()))


@pytest.mark.parametrize("read_bytes", [1, 7, 64, 1000])
def test_replies_that_come_apart_anywhere_belong_to_their_keys(
    read_bytes: int, source: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = source.client()
    client.mset({f"key:{number}": "x" * number for number in range(60)})
    client.set("k" * 300, "long name", px=10_000_000)
    names = [b"k" * 300, *(b"key:%d" % number for number in range(70))]
    monkeypatch.setattr(wire, "READ_BYTES", read_bytes)
    with Keys(endpoint(source)) as live:
        found = list(live.read(0, names))
    assert [one and one.key for one in found] == names[:61] + [None] * 10
    assert found[0] is not None
    assert found[0].expires_at is not None
    assert [one and one.payload for one in found[1:61]] == [(client.dump(name) or b"")[:-10] for name in names[1:61]]
