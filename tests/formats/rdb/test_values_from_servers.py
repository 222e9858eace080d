"""Values that each server of this machine writes decode to what it says of them; those by hand are taken by it."""

from typing import Any

import pytest
from redis import Redis

from tests.conftest import StartServer
from tests.formats.rdb.samples import SAMPLES, YEAR_2100
from tests.support.data import fill
from tests.support.reading import raw, read, settle
from tests.support.servers import Server
from worker.formats.entries import Opaque, Stream
from worker.formats.rdb.codes import TYPE_OF, known
from worker.formats.rdb.payload import seal
from worker.formats.rdb.values import decode


def _rdb_version(dump: bytes) -> int:
    return int.from_bytes(dump[-10:-8], "little")


def _assert_decodes_as_read(client: "Redis", key: bytes, server: Server) -> int:
    """DUMP decodes to what the ordinary commands say, and seals to itself again; gives its RDB type."""
    ask: Any = client.execute_command
    dump, kind = ask("DUMP", key), ask("TYPE", key).decode()
    version = _rdb_version(dump)
    assert TYPE_OF[dump[0]] == kind
    assert settle(decode(dump[:-10], version), kind) == read(client, kind, key, server.binary), key
    assert seal(dump[:-10], version) == dump
    return int(dump[0])


def test_every_value_decodes_to_what_the_server_says_of_it(source: Server) -> None:
    if source.binary.version < (5, 0):
        pytest.skip("the data has streams; files in tests/formats/rdb/files stand for older servers")
    client = raw(source)
    fill(source.client(), source.binary)
    ask: Any = client.execute_command
    codes = {_assert_decodes_as_read(client, key, source) for key in ask("KEYS", "*")}
    assert len(codes) >= 8


def test_large_elements_in_nodes_of_their_own_decode(source: Server) -> None:
    if source.binary.version < (7, 0):
        pytest.skip("quicklists have such nodes since 7.0")
    client = raw(source)
    ask: Any = client.execute_command
    ask("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "200B")
    ask("RPUSH", "plain", "a", "b" * 300, bytes(range(256)) * 2, "c", "d" * 201)
    assert _assert_decodes_as_read(client, b"plain", source) == 18


def test_fields_that_expire_decode_from_both_encodings(source: Server) -> None:
    if not source.binary.fields_expire:
        pytest.skip("fields expire since 7.4")
    client = raw(source)
    ask: Any = client.execute_command
    for key, filler in ((b"small", "x"), (b"large", "x" * 100)):
        ask("HSET", key, "keeps", filler, "expires", "2", "later", "3")
        ask("HPEXPIREAT", key, YEAR_2100, "FIELDS", 1, "expires")
        ask("HPEXPIREAT", key, YEAR_2100 + 400 * 86_400_000, "FIELDS", 1, "later")
    assert _assert_decodes_as_read(client, b"large", source) in (22, 24)
    assert _assert_decodes_as_read(client, b"small", source) in (22, 25)


def test_a_stream_with_entries_given_back_is_kept_whole(source: Server) -> None:
    if source.binary.name != "redis" or source.binary.version < (8, 8):
        pytest.skip("XNACK is there since Redis 8.8")
    ask: Any = raw(source).execute_command
    ask("XADD", "s", "1-1", "a", "1")
    ask("XGROUP", "CREATE", "s", "g", "0")
    ask("XREADGROUP", "GROUP", "g", "alice", "STREAMS", "s", ">")
    ask("XNACK", "s", "g", "FAIL", "IDS", 1, "1-1")
    dump = ask("DUMP", "s")
    assert decode(dump[:-10], _rdb_version(dump)) == Opaque(dump)


def test_a_stream_with_idempotent_producers_decodes_without_them(source: Server) -> None:
    if source.binary.name != "redis" or source.binary.version < (8, 6):
        pytest.skip("IDMP is there since Redis 8.6")
    client = raw(source)
    ask: Any = client.execute_command
    for number in range(3):
        ask("XADD", "s", "IDMP", "producer", f"id {number}", "*", "a", number)
    assert _assert_decodes_as_read(client, b"s", source) in (26, 27)


def test_a_group_that_lost_count_of_its_reads_has_none(source: Server) -> None:
    if source.binary.version < (7, 0):
        pytest.skip("groups count what they have read since 7.0")
    client = raw(source)
    ask: Any = client.execute_command
    for number in range(1, 6):
        ask("XADD", "s", f"{number}-0", "a", "1")
    ask("XGROUP", "CREATE", "s", "g", "3-0")
    _assert_decodes_as_read(client, b"s", source)
    dump = ask("DUMP", "s")
    stream = decode(dump[:-10], _rdb_version(dump))
    assert isinstance(stream, Stream)
    assert stream.groups[0].entries_read is None


@pytest.mark.parametrize("name", [name for name in SAMPLES if "rc" not in name])
def test_what_is_written_by_hand_is_taken_by_a_server_and_read_the_same(
    name: str, newest: Any, start_server: StartServer
) -> None:
    server = start_server(newest)
    client, payload = raw(server), SAMPLES[name]
    ask: Any = client.execute_command
    version = 9 if payload[0] < 16 else 10 if payload[0] < 20 else 11 if payload[0] < 22 else 12
    version = {26: 13, 27: 15}.get(payload[0], version)
    own = _rdb_version(ask("DUMP", b"x")) if ask("SET", "x", 1) else 0
    if version > own:
        pytest.skip(f"{newest} knows RDB {own}, and not {version}")
    if known(payload[0], own) is None:
        pytest.skip(f"{newest} has no type byte {payload[0]}, which is the other make's")
    ask("RESTORE", "k", 0, seal(payload, version))
    kind = ask("TYPE", "k").decode()
    said = read(client, kind, b"k", server.binary)
    ours = settle(decode(payload, version), kind)
    if isinstance(ours, Stream) and isinstance(said, Stream) and payload[0] < 21:
        # What an old type does not say the server makes up; entries, ids and pending must agree.
        for stream in (ours, said):
            stream.max_deleted_id = stream.entries_added = None
            for group in stream.groups:
                group.entries_read = None
                for consumer in group.consumers:
                    consumer.active_at = None
    assert ours == said
