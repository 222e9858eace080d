import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.servers import Binary, Server
from worker.formats.entries import Consumer, Entry, Group, Opaque, Pending, Stream
from worker.restore.target.commands import (
    ELEMENTS,
    LONGEST_SET,
    PIECE,
    STRING_PIECE,
    Command,
    build,
    expires_by_field,
    without_field_expiry,
)

NEW = (8, 0, 0)


def entry(kind: str, value: Any, key: bytes = b"k") -> Entry:
    return Entry(0, key, None, kind, None, value)


def commands(kind: str, value: Any, version: tuple[int, ...] = NEW) -> list[Command]:
    return list(build(entry(kind, value), version))


def make(server: Server, kind: str, value: Any, key: bytes = b"k") -> Any:
    """A client with plain replies of a server that now holds the value."""
    client: Any = server.client()
    client.response_callbacks.clear()
    for command in build(entry(kind, value, key), server.binary.version, field_expiry=server.binary.fields_expire):
        client.execute_command(*command)
    return client


def facts(flat: list[Any]) -> dict[bytes, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def needs(binary: Binary, version: tuple[int, ...], what: str) -> None:
    if binary.version < version:
        pytest.skip(f"{binary} has no {what}")


def test_small_values_take_one_command() -> None:
    assert commands("string", b"v") == [("SET", b"k", b"v")]
    assert commands("list", [b"a", b"b", b"a"]) == [("RPUSH", b"k", b"a", b"b", b"a")]
    assert commands("set", [b"a", b"b"]) == [("SADD", b"k", b"a", b"b")]
    assert commands("zset", [(b"a", 0.1)]) == [("ZADD", b"k", "0.1", b"a")]
    assert commands("hash", [(b"f", b"v", None)]) == [("HSET", b"k", b"f", b"v")]
    assert commands("hash", [(b"f", b"v", None)], (3, 2, 6)) == [("HMSET", b"k", b"f", b"v")]
    assert commands("module", Opaque(b"dump")) == [("RESTORE", b"k", 0, b"dump")]


@pytest.mark.parametrize("kind", ["list", "set", "zset", "hash"])
def test_an_empty_collection_takes_no_command(kind: str) -> None:
    assert commands(kind, []) == []


def test_a_collection_comes_in_pieces_of_a_bounded_number_and_size() -> None:
    counts = [len(command) - 2 for command in commands("list", [b"x"] * (2 * ELEMENTS + 1))]
    assert counts == [ELEMENTS, ELEMENTS, 1]
    pairs = [len(command) - 2 for command in commands("hash", [(b"f%d" % i, b"v", None) for i in range(ELEMENTS + 1)])]
    assert pairs == [2 * ELEMENTS, 2]
    big = b"x" * (PIECE // 4)
    assert [len(command) - 2 for command in commands("set", [big + b"%d" % i for i in range(10)])] == [4, 4, 2]


def test_a_huge_string_is_appended_in_pieces() -> None:
    huge = bytes(LONGEST_SET + 1)
    made = commands("string", huge)
    assert [command[0] for command in made] == ["SET"] + ["APPEND"] * 16
    assert [len(command[2]) for command in made if isinstance(command[2], bytes)] == [STRING_PIECE] * 16 + [1]
    assert [command[0] for command in commands("string", huge[:-1])] == ["SET"]


def test_scores_keep_every_bit(source: Server) -> None:
    scores = [0.1 + 0.2, 5e-324, 1.7976931348623157e308, float("inf"), float("-inf"), 1 / 3, -1e-17, 12345678.0]
    client = make(source, "zset", [(b"%d" % i, score) for i, score in enumerate(scores)])
    assert [float(client.execute_command("ZSCORE", "k", i)) for i in range(len(scores))] == scores


def test_fields_with_one_expiry_share_a_command() -> None:
    fields = [(b"%d" % i, b"v", [None, 5000, 6000][i % 3]) for i in range(6)]
    assert commands("hash", fields)[1:] == [
        ("HPEXPIREAT", b"k", 5000, "FIELDS", 2, b"1", b"4"),
        ("HPEXPIREAT", b"k", 6000, "FIELDS", 2, b"2", b"5"),
    ]


def test_field_expiry_is_kept_where_the_server_knows_it(source: Server) -> None:
    if not source.binary.fields_expire:
        pytest.skip(f"{source.binary} has no expiry of fields")
    later = int(time.time() * 1000) + 1_000_000
    client = make(source, "hash", [(b"stays", b"1", None), (b"goes", b"2", later), (b"gone", b"3", 1000)])
    assert facts(client.execute_command("HGETALL", "k")) == {b"stays": b"1", b"goes": b"2"}
    assert client.execute_command("HPEXPIRETIME", "k", "FIELDS", 2, "stays", "goes") == [-1, later]


def test_a_hash_reaches_a_server_that_knows_no_field_expiry(source: Server) -> None:
    fields = [(b"f", b"v", 9_999_999_999_999)]
    client: Any = source.client()
    for command in build(entry("hash", fields), source.binary.version, field_expiry=False):
        client.execute_command(*command)
    assert client.hgetall("k") == {b"f": b"v"}


def test_where_fields_do_not_expire_those_that_have_expired_are_left_out() -> None:
    fields = entry("hash", [(b"a", b"b", None), (b"gone", b"v", 5), (b"f", b"v", 6)])
    assert expires_by_field(fields)
    assert without_field_expiry(fields, 5).value == [(b"a", b"b", None), (b"f", b"v", None)]
    assert without_field_expiry(entry("hash", [(b"gone", b"v", 5)]), 5).value == []
    for other in (entry("hash", [(b"a", b"b", None)]), entry("string", b"v"), entry("hash", Opaque(b"x"))):
        assert not expires_by_field(other)
        assert without_field_expiry(other, 5) is other


@pytest.mark.parametrize("last_id", ["0-0", "5-1"])
def test_an_emptied_stream_comes_back_with_its_last_id(source: Server, last_id: str) -> None:
    client = make(source, "stream", Stream([], last_id))
    told = facts(client.execute_command("XINFO", "STREAM", "k"))
    assert (told[b"length"], told[b"last-generated-id"], told[b"groups"]) == (0, last_id.encode(), 0)


def test_a_streams_counters_come_back(source: Server) -> None:
    needs(source.binary, (7, 0), "counters of streams")
    entries = [("5-1", [(b"f", b"v"), (b"f", b"w")]), ("5-3", [(b"", b"\xff")])]
    stream = Stream(entries, "9-0", "5-2", 17, [Group(b"read", "5-1", 16), Group(b"unread", "5-1", None)])
    client = make(source, "stream", stream)
    told = facts(client.execute_command("XINFO", "STREAM", "k"))
    assert (told[b"last-generated-id"], told[b"max-deleted-entry-id"], told[b"entries-added"]) == (b"9-0", b"5-2", 17)
    groups = [facts(group) for group in client.execute_command("XINFO", "GROUPS", "k")]
    assert {group[b"name"]: group[b"entries-read"] for group in groups} == {b"read": 16, b"unread": None}
    held = client.execute_command("XRANGE", "k", "-", "+")
    assert held == [[b"5-1", [b"f", b"v", b"f", b"w"]], [b"5-3", [b"", b"\xff"]]]


def _pending(client: Any, group: str) -> list[tuple[bytes, bytes, int, int]]:
    now = int(time.time() * 1000)
    told = client.execute_command("XPENDING", "k", group, "-", "+", 5000)
    return [(one, owner, now - idle, deliveries) for one, owner, idle, deliveries in told]


def test_consumers_and_their_pending_entries_come_back(source: Server) -> None:
    delivered = [(f"1-{i}", 1_600_000_000_000 + i % 2, 1 + i % 3) for i in range(1, 1500)]
    ann = Consumer(b"ann", pending=[Pending(*one) for one in delivered])
    entries = [(f"1-{i}", [(b"f", b"v")]) for i in range(1, 1501)]
    bob = Consumer(b"bob", pending=[Pending("1-1500", 5, 0)])
    groups = [Group(b"g", "1-1500", 1500, [ann, Consumer(b"idle"), bob])]
    client = make(source, "stream", Stream(entries, "1-1500", "0-0", 1500, groups))
    found = _pending(client, "g")
    for (one, owner, at, deliveries), wanted in zip(found, [*delivered, ("1-1500", 5, 0)], strict=True):
        assert (one.decode(), deliveries) == (wanted[0], wanted[2])
        assert owner == (b"bob" if wanted[0] == "1-1500" else b"ann")
        assert abs(at - wanted[1]) < 2000
    names = {facts(told)[b"name"] for told in client.execute_command("XINFO", "CONSUMERS", "k", "g")}
    assert names == {b"ann", b"idle", b"bob"}


@pytest.mark.parametrize("deleted", ["0-0", "1-5"])
@pytest.mark.parametrize("held", [["1-4", "1-6"], []])
def test_pending_entries_that_are_deleted_or_trimmed_stay_pending(
    source: Server, held: list[str], deleted: str
) -> None:
    gone = ["1-1", "1-2"] if deleted == "0-0" else ["1-1", "1-2", "1-5"]
    pending = [Pending(one, 1_600_000_000_000, 3) for one in [*gone, *held[:1]]]
    group = Group(b"g", "1-6", 6, [Consumer(b"ann", pending=pending)])
    client = make(source, "stream", Stream([(one, [(b"f", b"v")]) for one in held], "1-6", deleted, 6, [group]))
    assert [one.decode() for one, *_ in _pending(client, "g")] == sorted([*gone, *held[:1]])
    assert [one.decode() for one, _ in client.execute_command("XRANGE", "k", "-", "+")] == held
    told = facts(client.execute_command("XINFO", "STREAM", "k"))
    assert told[b"last-generated-id"] == b"1-6"
    if source.binary.version >= (7, 0):
        assert (told[b"entries-added"], told[b"max-deleted-entry-id"]) == (6, deleted.encode())


def test_an_opaque_value_is_restored(source: Server) -> None:
    client: Any = source.client()
    client.set("from", "here")
    dump = client.dump("from")
    assert isinstance(dump, bytes)
    make(source, "module", Opaque(dump), b"to")
    assert client.get("to") == b"here"


@pytest.mark.parametrize("kind", ["list", "set", "zset", "hash"])
def test_a_big_collection_arrives_whole(source: Server, kind: str) -> None:
    members = [b"m%d" % i for i in range(3000)]
    values: dict[str, Callable[[], Any]] = {
        "list": lambda: members,
        "set": lambda: members,
        "zset": lambda: [(member, 1.5) for member in members],
        "hash": lambda: [(member, b"v", None) for member in members],
    }
    client = make(source, kind, values[kind]())
    counts = {"list": "LLEN", "set": "SCARD", "zset": "ZCARD", "hash": "HLEN"}
    assert client.execute_command(counts[kind], "k") == 3000
