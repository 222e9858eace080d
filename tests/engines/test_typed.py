import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count, cycle
from typing import Any, ClassVar

import pytest
import redis

from tests.conftest import StartServer
from tests.support.data import BINARY, fill
from tests.support.servers import Binary, Server
from tests.support.states import assert_same
from worker.engines import collections, database, streams, typed
from worker.engines.typed import Typed
from worker.errors import SourceError, SourceUnavailableError
from worker.formats import portable
from worker.formats.entries import Entry, Opaque, Stream
from worker.restore.target.commands import build
from worker.server.endpoint import SOURCE, Endpoint
from worker.server.reading.scanning import WINDOW_KEYS, Repeats, scan_keys
from worker.server.wire import Wire


def engine(server: Server, *databases: int) -> Typed:
    return Typed(Endpoint(server.url, SOURCE), list(databases) or [0])


def read(server: Server, *databases: int) -> dict[tuple[int, bytes], Entry]:
    entries = [entry for batch in engine(server, *databases).batches() for entry in batch]
    by_key = {(entry.db, entry.key): entry for entry in entries}
    assert len(by_key) == len(entries), "a key came twice"
    return by_key


def filled(server: Server) -> Server:
    for db in (0, 3):
        client = server.client(db)
        # Before 6.2 SET knows no PXAT: all else of the pipeline is done by then.
        with contextlib.suppress(redis.ResponseError) if server.binary.version < (6, 2) else contextlib.nullcontext():
            fill(client, server.binary)
        if server.binary.version < (6, 2):
            client.set("ttl:ms", "x", px=3_600_123)
    return server


def raw(server: Server, db: int) -> Any:
    client = server.client(db)
    client.response_callbacks.clear()
    return client


def expiries(server: Server, db: int) -> dict[bytes, int]:
    """Milliseconds since the epoch: exact from 7.0 on, to a millisecond or two before."""
    client, absolute = raw(server, db), server.binary.version >= (7, 0)
    found: dict[bytes, int] = {}
    for key in client.execute_command("KEYS", "*"):
        pipe = client.pipeline(transaction=False)
        pipe.execute_command("PEXPIRETIME" if absolute else "PTTL", key)
        pipe.execute_command("TIME")
        left, (seconds, micros) = pipe.execute()
        if left >= 0:
            found[key] = left if absolute else left + int(seconds) * 1000 + int(micros) // 1000
    return found


def facts(flat: list[Any]) -> dict[bytes, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def groups(server: Server, db: int, key: str) -> list[dict[bytes, Any]]:
    """All that a server tells of a stream's groups, less the times of consumers, which no command can set."""
    client = raw(server, db)
    if server.binary.version < (6, 0):
        told = [facts(group) for group in client.execute_command("XINFO", "GROUPS", key)]
        for group in told:
            pending = client.execute_command("XPENDING", key, group[b"name"], "-", "+", 1000)
            group[b"pending"] = [[one, owner, deliveries] for one, owner, _, deliveries in pending]
        return told
    full = facts(client.execute_command("XINFO", "STREAM", key, "FULL", "COUNT", 0))
    told = [facts(group) for group in full[b"groups"]]
    for group in told:
        consumers = [facts(consumer) for consumer in group[b"consumers"]]
        group[b"consumers"] = [(consumer[b"name"], consumer[b"pending"]) for consumer in consumers]
    return told


def restore(entries: Iterator[Entry], server: Server) -> None:
    clients = {db: raw(server, db) for db in range(16)}
    for entry in entries:
        for command in build(entry, server.binary.version, field_expiry=server.binary.fields_expire):
            clients[entry.db].execute_command(*command)
        if entry.expires_at is not None:
            clients[entry.db].pexpireat(entry.key, entry.expires_at)


def torn(document: bytes) -> Iterator[bytes]:
    start = 0
    for size in cycle((1, 50, 5003, 2, 100_000, 77)):
        if start >= len(document):
            return
        yield document[start : start + size]
        start += size


def test_everything_comes_back_by_way_of_the_portable_document(source: Server, target: Server) -> None:
    stream = engine(filled(source), 0, 3)
    document = b"".join(portable.write(stream, {}))
    reader = portable.Reader(torn(document))
    restore((entry for batch in reader.batches() for entry in batch), target)
    for library in reader.libraries:
        raw(target, 0).execute_command("FUNCTION", "LOAD", library)
    assert len(reader.libraries) == (2 if source.binary.version >= (7, 0) else 0)
    assert_same(target, source, times=False)
    assert target.client().dbsize() > 40


def test_a_backup_of_the_newest_server_restores_into_an_older_one(
    newest: Binary, target: Server, start_server: StartServer
) -> None:
    entries = read(filled(start_server(newest)), 0)
    restore(iter(entries.values()), target)
    found = read(target, 0)
    assert found.keys() == entries.keys()
    for key, entry in entries.items():
        if isinstance(entry.value, list):
            knows = entry.type != "hash" or target.binary.fields_expire
            mine: list[Any] = entry.value
            theirs: Any = found[key].value
            shown = [sorted(rows if knows else [row[:2] for row in rows], key=repr) for rows in (mine, theirs)]
            assert shown[0] == shown[1]
        elif isinstance(entry.value, Stream):
            other = found[key].value
            assert isinstance(other, Stream)
            assert (other.entries, other.last_id) == (entry.value.entries, entry.value.last_id)
            assert [group.name for group in other.groups] == [group.name for group in entry.value.groups]
        else:
            assert found[key].value == entry.value


def test_expiry_is_exact(source: Server) -> None:
    client: Any = source.client()
    at = int(time.time() * 1000) + 5_000_000
    for number in range(2000):
        client.set(f"k{number}", b"x" * 3000)
        client.pexpireat(f"k{number}", at + number)
    client.set("stays", "x")
    found = read(source)
    exact = 0 if source.binary.version >= (7, 0) else 2
    for number in range(2000):
        told = found[0, b"k%d" % number].expires_at
        assert told is not None
        assert abs(told - at - number) <= exact
    assert found[0, b"stays"].expires_at is None


def test_field_expiry_is_read(source: Server) -> None:
    if not source.binary.fields_expire:
        pytest.skip(f"{source.binary} has no expiry of fields")
    client: Any = source.client()
    at = int(time.time() * 1000) + 5_000_000
    for name, size in (("small", 3), ("big", 2500)):
        client.hset(name, mapping={f"f{i}": i for i in range(size)})
        client.execute_command("HPEXPIREAT", name, at, "FIELDS", 2, "f0", "f2")
    for (_, key), entry in read(source).items():
        times: Any = {name: expires_at for name, _, expires_at in entry.value}  # type: ignore[union-attr, misc]
        assert len(times) == (3 if key == b"small" else 2500)
        assert {name for name, expires_at in times.items() if expires_at == at} == {b"f0", b"f2"}
        assert times[b"f1"] is None


def test_big_values_are_read_in_pieces(source: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collections, "STRING_BYTES", 1000)
    client: Any = source.client()
    texts = {size: (BINARY * 22)[:size] for size in (999, 1000, 1001, 2000, 5555)}
    for size, value in texts.items():
        client.set(f"string:{size}", value)
    members = [b"m%d" % i for i in range(database.WHOLE_ELEMENTS + 1001)]
    client.rpush("list", *members)
    client.sadd("set", *members)
    client.zadd("zset", {member: i / 3 for i, member in enumerate(members)})
    client.hset("hash", mapping={member: member for member in members}) if source.binary.version >= (4, 0) else None
    found: Any = {key: entry.value for (_, key), entry in read(source).items()}
    assert {size: found[b"string:%d" % size] for size in texts} == texts
    assert found[b"list"] == members
    assert sorted(found[b"set"]) == sorted(members)
    assert dict(found[b"zset"]) == {member: i / 3 for i, member in enumerate(members)}
    assert sorted(found[b"hash"]) == sorted((member, member, None) for member in members)


def test_a_long_stream_is_read_in_pieces(source: Server) -> None:
    client: Any = source.client()
    pipe = client.pipeline(transaction=False)
    total = 2 * streams.PIECE + 500
    for number in range(1, total + 1):
        pipe.xadd("s", {"n": number}, id=f"{number}-{number}")
    pipe.execute()
    client.xgroup_create("s", "g", id="0")
    client.xreadgroup("g", "ann", {"s": ">"}, count=streams.PIECE + 500)
    client.xreadgroup("g", "bob", {"s": ">"}, count=10)
    now = time.time() * 1000
    stream = read(source)[0, b"s"].value
    assert isinstance(stream, Stream)
    assert [one for one, _ in stream.entries] == [f"{number}-{number}" for number in range(1, total + 1)]
    assert stream.entries[0][1] == [(b"n", b"1")]
    ann, bob = stream.groups[0].consumers
    assert (ann.name, bob.name) == (b"ann", b"bob")
    assert [one.id for one in ann.pending] == [f"{number}-{number}" for number in range(1, streams.PIECE + 501)]
    assert len(bob.pending) == 10
    assert all(one.deliveries == 1 and abs(one.delivered_at - now) < 5000 for one in ann.pending)
    assert ann.seen_at is not None
    assert abs(ann.seen_at - now) < 5000


def test_a_pending_entry_that_nobody_owns_makes_the_stream_opaque(source: Server) -> None:
    client = raw(source, 0)
    client.execute_command("XADD", "s", "1-1", "f", "v")
    client.execute_command("XGROUP", "CREATE", "s", "g", 0)
    client.execute_command("XREADGROUP", "GROUP", "g", "ann", "STREAMS", "s", ">")
    try:
        client.execute_command("XNACK", "s", "g", "FAIL", "IDS", 1, "1-1")
    except redis.ResponseError:
        pytest.skip(f"{source.binary} has no XNACK")
    entry = read(source)[0, b"s"]
    assert isinstance(entry.value, Opaque)
    assert entry.type == "stream"


def test_a_type_that_only_dump_reads_is_kept_whole_or_named(source: Server, start_server: StartServer) -> None:
    client = raw(source, 0)
    try:
        client.execute_command("ARSET", "array", 0, "v")
    except redis.ResponseError:
        pytest.skip(f"{source.binary} has no type that we do not know")
    entry = read(source)[0, b"array"]
    assert entry == Entry(0, b"array", None, "unknown", None, Opaque(client.execute_command("DUMP", "array")))
    locked = start_server(source.binary, "--rename-command", "DUMP", "")
    raw(locked, 0).execute_command("ARSET", "array", 0, "v")
    with pytest.raises(SourceError, match="The array b'array' in database 0 holds what only DUMP can read"):
        read(locked)


def test_a_server_without_dump_is_read(binary: Binary, start_server: StartServer) -> None:
    server = filled(start_server(binary, "--rename-command", "DUMP", ""))
    entries = read(server, 0, 3)
    assert len(entries) == server.client(0).dbsize() + server.client(3).dbsize()


def test_an_empty_database_gives_no_entries_and_still_a_batch(source: Server) -> None:
    assert list(engine(source).batches()) == [[]]


def test_keys_that_come_go_and_change_under_our_eyes_do_no_harm(source: Server) -> None:
    client: Any = source.client()
    kinds: list[Callable[[str], object]] = [
        lambda key: client.set(key, "v"),
        lambda key: client.rpush(key, "a"),
        lambda key: client.hset(key, "f", "v"),
        lambda key: client.sadd(key, "m"),
        lambda key: client.zadd(key, {"m": 1}),
        lambda key: client.xadd(key, {"f": "v"}),
    ]
    for number in range(3000):
        client.set(f"steady:{number}", "v")
    stop = threading.Event()

    def churn() -> None:
        for number in count():
            if stop.is_set():
                return
            key = f"moving:{number % 301}"
            client.delete(key)
            kinds[number % len(kinds)](key)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(5):
            found = read(source)
            assert sum(key.startswith(b"steady:") for _, key in found) == 3000
            assert all(entry.value or entry.type == "string" for entry in found.values())
    finally:
        stop.set()
        thread.join()


class Meddled(Wire):
    """A wire whose key `k` becomes a list just before its value is asked for."""

    meddle: ClassVar[Callable[[], object]]

    def send(self, *packed: bytes) -> None:
        if re.search(rb"\r\n(GET|HGETALL|SSCAN|XINFO)\r\n", b"".join(packed)):
            type(self).meddle()
        super().send(*packed)


MAKE: dict[str, Callable[[Any], object]] = {
    "string": lambda client: client.set("k", "v"),
    "hash": lambda client: client.hset("k", "f", "v"),
    "big set": lambda client: client.sadd("k", *range(database.WHOLE_ELEMENTS + 1)),
    "stream": lambda client: client.xadd("k", {"f": "v"}),
}
"""The key `k`, of types that are each read in a way of their own."""


@pytest.mark.parametrize("kind", MAKE)
def test_a_key_that_changed_its_type_after_it_was_seen_is_read_once_more(
    source: Server, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    client: Any = source.client()
    MAKE[kind](client)
    monkeypatch.setattr(typed, "Wire", Meddled)
    monkeypatch.setattr(Meddled, "meddle", lambda: (client.delete("k"), client.rpush("k", "a")), raising=False)
    assert read(source)[0, b"k"] == Entry(0, b"k", None, "list", None, [b"a"])


@pytest.mark.parametrize("kind", MAKE)
def test_a_key_that_went_after_it_was_seen_is_left_out(
    source: Server, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    client: Any = source.client()
    client.set("other", "v")
    MAKE[kind](client)
    monkeypatch.setattr(typed, "Wire", Meddled)
    monkeypatch.setattr(Meddled, "meddle", lambda: client.delete("k"), raising=False)
    assert read(source).keys() == {(0, b"other")}


def test_a_server_that_dies_meanwhile_is_unavailable(source: Server) -> None:
    source.client().mset({f"k{number}": "v" for number in range(5000)})
    batches = engine(source).batches()
    assert next(batches)
    source.kill()
    with pytest.raises(SourceUnavailableError, match="The source at 127"):
        list(batches)


def test_a_server_that_was_restarted_meanwhile_is_not_read_on(source: Server) -> None:
    source.client().mset({f"k{number}": "v" for number in range(5000)})
    batches = engine(source).batches()
    assert next(batches)
    source.kill()
    source.start()
    with pytest.raises(SourceUnavailableError):
        list(batches)


def test_a_password_stays_out_of_errors(binary: Binary, start_server: StartServer) -> None:
    server = start_server(binary, password="s3cret-word")
    server.client().set("k", "v")
    assert read(server)[0, b"k"].value == b"v"
    wrong = Typed(Endpoint(server.url.replace("s3cret-word", "wr0ng-word"), SOURCE), [0])
    with pytest.raises(SourceError, match="password") as caught:
        list(wrong.batches())
    assert "word@" not in str(caught.value)
    assert "wr0ng" not in str(caught.value)


def test_a_key_that_came_lately_is_dropped() -> None:
    repeats = Repeats()
    assert repeats.fresh([b"a", b"b", b"a"]) == [b"a", b"b"]
    assert repeats.fresh([b"c", b"b"]) == [b"c"]


def test_the_memory_of_repeats_is_bounded_and_reaches_back_at_least_its_window() -> None:
    repeats = Repeats()
    for number in range(5 * WINDOW_KEYS):
        assert repeats.fresh([b"%d" % number])
    assert len(repeats._recent) + len(repeats._older) <= 2 * WINDOW_KEYS
    assert not repeats.fresh([b"%d" % (4 * WINDOW_KEYS + 1)])
    for number in range(100):
        repeats.fresh([b"%d" % number + bytes(1 << 20)])
    assert len(repeats._recent) + len(repeats._older) <= 16


def test_a_scan_under_a_shrinking_table_gives_each_key_once(source: Server) -> None:
    client: Any = source.client()
    for trial in range(0, 15, 3):
        client.flushall()
        client.mset({f"k{number}": "v" for number in range(5000)})
        steady = {b"k%d" % number for number in range(trial, 5000, 20)}
        passing = [b"k%d" % number for number in range(5000) if number % 20 != trial]
        seen: list[bytes] = []
        with Wire(Endpoint(source.url, SOURCE)) as wire:
            for keys in scan_keys(wire, 10):
                seen += keys
                if passing and len(seen) > 100 * trial:
                    client.delete(*passing)
                    passing = []
                    time.sleep(0.25)
        assert len(seen) == len(set(seen))
        assert steady <= set(seen)
