"""Values of every encoding: as each server of this machine writes them, written by hand, and damaged."""

import struct
import time
from math import inf, isnan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

from tests.conftest import StartServer
from tests.formats.rdb import files as rdb
from tests.support import payloads
from tests.support.data import fill
from tests.support.payloads import length, listpack, milliseconds, stream_id, stream_node, string, strings, ziplist
from tests.support.reading import raw, read, settle
from tests.support.servers import Server
from worker.errors import FormatError
from worker.formats.entries import Consumer, Group, Opaque, Pending, Stream
from worker.formats.rdb.codes import TYPE_OF, known
from worker.formats.rdb.payload import seal
from worker.formats.rdb.reader import Reader
from worker.formats.rdb.values import decode
from worker.formats.rdb.vectors import NAME as VECTOR_SET
from worker.formats.types import NAMES

YEAR_2100 = 4_102_444_800_000
FIELDS = [(b"keeps", b"1", None), (b"expires", b"2", YEAR_2100), (b"later", b"3", YEAR_2100 + 5)]
TTL_LISTPACK = string(listpack(b"expires", 2, YEAR_2100, b"later", 3, YEAR_2100 + 5, b"keeps", 1, 0))
NODE = stream_node(
    [b"n", b"t"],
    [2, 0, 0, 1, b"one"],
    [3, 0, 1, 2, b"gone"],
    [0, 5, -1, 1, b"other", b"x"],
    live=2,
    deleted=1,
)
ENTRIES = [("100-7", [(b"n", b"1"), (b"t", b"one")]), ("105-6", [(b"other", b"x")])]


def _stream(code: int, *groups: bytes, nacked: int = 0, producers: bytes = b"", nodes: bytes | None = None) -> bytes:
    """A stream payload around NODE; a group is all that follows its name, without what types before 27 do not have."""
    body = length(1) + string(stream_id(100, 7)) + string(NODE) if nodes is None else nodes
    body += length(2) + length(105) + length(6)
    if code >= 19:
        body += length(100) + length(7) + length(100) + length(8) + length(3)
    body += length(len(groups)) + b"".join(groups)
    return bytes((code,)) + body + producers


def _group(code: int, *, entries_read: int = 2, owned: int = 1) -> bytes:
    """A group with two pending entries, `owned` of which belong to the one consumer."""
    body = string(b"workers") + length(100) + length(8) + (length(entries_read) if code >= 19 else b"")
    body += length(2) + stream_id(100, 7) + milliseconds(1000) + length(1)
    body += stream_id(100, 8) + milliseconds(2000) + length(300)
    body += length(1) + string(b"alice") + milliseconds(3000) + (milliseconds(-1) if code >= 21 else b"")
    body += length(owned) + b"".join((stream_id(100, 7), stream_id(100, 8))[:owned])
    nacked = [stream_id(100, 8)][: 2 - owned]
    return body + (length(len(nacked)) + b"".join(nacked) if code >= 27 else b"")


PRODUCERS = length(100) + length(10) + length(1) + string(b"p") + length(1) + string(b"i") + length(9) + length(1)
PRODUCERS += length(1) + length(0)

SAMPLES = {
    "string": b"\x00" + string(b"text"),
    "string int32": b"\x00\xc2\x15\xcd\x5b\x07",
    "string lzf": b"\x00\xc3" + length(5) + length(261) + b"\x00a\xe0\xfb\x00",
    "list": b"\x01" + strings(b"a", b"x" * 100, b""),
    "set": b"\x02" + strings(b"a", b"b"),
    "zset of text": b"\x03" + length(2) + string(b"a") + b"\x03" + b"1.5" + string(b"b") + b"\xfe",
    "hash": b"\x04" + length(1) + string(b"f") + string(b"v"),
    "zset": b"\x05" + length(1) + string(b"a") + struct.pack("<d", 0.1),
    "zipmap": b"\x09" + string(b"\x01\x01f\x01\x00v\xff"),
    "list ziplist": b"\x0a" + string(ziplist(b"\x01a", b"\xf5")),
    "intset": b"\x0b" + string(payloads.intset(2, 1, 2)),
    "zset ziplist": b"\x0c" + string(ziplist(b"\x01a", b"\x031.5")),
    "hash ziplist": b"\x0d" + string(ziplist(b"\x01f", b"\x01v")),
    "quicklist": b"\x0e" + strings(ziplist(b"\x01a"), ziplist(b"\x01b", b"\xf2")),
    "stream 1": _stream(15, _group(15, owned=2)),
    "hash listpack": b"\x10" + string(listpack(b"f", 5)),
    "zset listpack": b"\x11" + string(listpack(b"a", 5, b"b", b"-inf")),
    "quicklist2": b"\x12" + length(2) + b"\x01" + string(b"plain") + b"\x02" + string(listpack(b"a", 1)),
    "stream 2": _stream(19, _group(19, owned=2)),
    "set listpack": b"\x14" + string(listpack(b"a", 5)),
    "stream 3": _stream(21, _group(21, owned=2)),
    "hash ttl rc": b"\x16" + length(1) + length(YEAR_2100) + string(b"f") + string(b"v"),
    "hash ttl listpack rc": b"\x17" + TTL_LISTPACK,
    "hash ttl": b"\x18" + milliseconds(YEAR_2100) + length(1) + length(1) + string(b"f") + string(b"v"),
    "hash ttl listpack": b"\x19" + milliseconds(YEAR_2100) + TTL_LISTPACK,
    "stream 4": _stream(26, _group(26, owned=2), producers=PRODUCERS),
    "stream 5": _stream(27, _group(27, owned=2), producers=PRODUCERS),
}


def _decodes(payload: bytes, rdb_version: int = 12) -> bool:
    """Whether it decodes; any error but FormatError fails the test that asks."""
    try:
        decode(payload, rdb_version)
    except FormatError:
        return False
    return True


# As servers write them


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


# Written by hand


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"\x00\x00", b""),
        (b"\x00\x43\xe8" + b"x" * 1000, b"x" * 1000),
        (b"\x00\x80\x00\x00\x00\x02hi", b"hi"),
        (b"\x00\x81\x00\x00\x00\x00\x00\x00\x00\x02hi", b"hi"),
        (b"\x00\xc0\x80", b"-128"),
        (b"\x00\xc1\xff\x7f", b"32767"),
        (b"\x00\xc2\x00\x00\x00\x80", b"-2147483648"),
        (SAMPLES["string lzf"], b"a" * 261),
    ],
)
def test_a_string_decodes_from_every_encoding(payload: bytes, text: bytes) -> None:
    assert decode(payload, 9) == text


def test_lists_sets_and_hashes_of_strings_keep_their_order() -> None:
    assert decode(SAMPLES["list"], 6) == [b"a", b"x" * 100, b""]
    assert decode(SAMPLES["set"], 6) == [b"a", b"b"]
    assert decode(SAMPLES["hash"], 6) == [(b"f", b"v", None)]


def test_scores_of_text_can_be_infinite_and_even_not_a_number() -> None:
    members = [(b"a", b"\x0417.5"), (b"b", b"\xfe"), (b"c", b"\xff"), (b"d", b"\x04-0.1"), (b"e", b"\xfd")]
    decoded: Any = decode(b"\x03" + length(5) + b"".join(string(name) + score for name, score in members), 6)
    assert decoded[:4] == [(b"a", 17.5), (b"b", inf), (b"c", -inf), (b"d", -0.1)]
    assert isnan(decoded[4][1])


def test_packed_scores_are_numbers_or_text() -> None:
    assert decode(SAMPLES["zset listpack"], 10) == [(b"a", 5.0), (b"b", -inf)]
    assert decode(SAMPLES["zset ziplist"], 9) == [(b"a", 1.5)]


@pytest.mark.parametrize(
    "payload",
    [
        b"\x11" + string(listpack(b"a", b"much")),
        b"\x11" + string(listpack(b"a", 1, b"b")),
        b"\x0c" + string(ziplist(b"\x01a", b"\x01?")),
        b"\x03" + length(1) + string(b"a") + b"\x03" + b"1,5",
        b"\x10" + string(listpack(b"field without value")),
    ],
)
def test_a_score_that_is_no_number_and_a_half_pair_are_refused(payload: bytes) -> None:
    with pytest.raises(FormatError, match="at byte"):
        decode(payload, 10)


def test_the_small_hash_of_redis_before_2_6_decodes() -> None:
    assert decode(SAMPLES["zipmap"], 3) == [(b"f", b"v", None)]


def test_a_list_of_plain_and_packed_nodes_decodes() -> None:
    assert decode(SAMPLES["quicklist2"], 10) == [b"plain", b"a", b"1"]
    with pytest.raises(FormatError, match="unknown kind 3"):
        decode(b"\x12" + length(1) + b"\x03" + string(b"plain"), 10)


def test_fields_that_expire_decode_from_every_redis_layout() -> None:
    rows = list(zip((0, YEAR_2100, YEAR_2100 + 5), (b"keeps", b"expires", b"later"), (b"1", b"2", b"3"), strict=True))
    absolute = b"".join(length(time) + string(field) + string(value) for time, field, value in rows)
    relative = b"".join(
        length(time and time - YEAR_2100 + 1) + string(field) + string(value) for time, field, value in rows
    )
    assert decode(b"\x16" + length(3) + absolute, 12) == FIELDS
    assert decode(b"\x18" + milliseconds(YEAR_2100) + length(3) + relative, 12) == FIELDS
    packed = [FIELDS[1], FIELDS[2], FIELDS[0]]
    assert decode(SAMPLES["hash ttl listpack rc"], 12) == packed
    assert decode(SAMPLES["hash ttl listpack"], 12) == packed


def test_fields_that_expire_decode_from_valkeys_layout() -> None:
    rows = [(field, value, -1 if time is None else time) for field, value, time in FIELDS]
    payload = b"\x16" + length(3) + b"".join(string(f) + string(v) + milliseconds(t) for f, v, t in rows)
    assert decode(payload, 80) == FIELDS
    assert not _decodes(payload, 12)


@pytest.mark.parametrize("time", [-2, 2**48, 2**63])
def test_a_field_that_expires_at_an_impossible_time_is_refused(time: int) -> None:
    later = time + 1 if time > 0 else 1
    earliest = min(time, 0)
    payload = b"\x18" + milliseconds(earliest) + length(1) + length(later) + string(b"f") + string(b"v")
    with pytest.raises(FormatError, match="impossible time"):
        decode(payload, 12)


def _expected_stream(code: int, entries_read: int | None) -> Stream:
    pending = [Pending("100-7", 1000, 1), Pending("100-8", 2000, 300)]
    group = Group(b"workers", "100-8", entries_read, [Consumer(b"alice", 3000, None, pending)])
    counts: tuple[str | None, int | None] = ("100-8", 3) if code >= 19 else (None, None)
    return Stream(ENTRIES, "105-6", *counts, [group])


@pytest.mark.parametrize("code", [15, 19, 21, 26, 27])
def test_a_stream_of_every_type_decodes_with_groups_and_pending(code: int) -> None:
    payload = _stream(code, _group(code, owned=2), producers=PRODUCERS if code >= 26 else b"")
    assert decode(payload, 12) == _expected_stream(code, 2 if code >= 19 else None)


def test_reads_that_the_server_does_not_know_are_none() -> None:
    assert decode(_stream(21, _group(21, entries_read=2**64 - 1, owned=2)), 12) == _expected_stream(21, None)


def test_pending_entries_of_nobody_keep_a_newest_stream_whole_and_damage_an_older_one() -> None:
    newest = _stream(27, _group(27), producers=PRODUCERS)
    assert decode(newest, 15) == Opaque(seal(newest, 15))
    with pytest.raises(FormatError, match="belong to nobody"):
        decode(_stream(21, _group(21)), 12)


def test_a_consumer_cannot_hold_what_its_group_has_not_delivered() -> None:
    group = _group(15, owned=2)
    with pytest.raises(FormatError, match="its group has not"):
        decode(_stream(15, group[: -len(stream_id(0, 0))] + stream_id(9, 9)), 9)


@pytest.mark.parametrize(
    "node",
    [
        listpack(),
        listpack(1, 0, -1, 0),
        listpack(1, 0, 1, b"n", 1),
        stream_node([b"n"], [2, 0, 0, 1], live=2, deleted=0),
        stream_node([b"n"], [3, 0, 0, 1], live=1, deleted=0),
        stream_node([b"n"], [2, 0, b"x", 1], live=1, deleted=0),
        stream_node([b"n"], [0, 0, 0, 2**62, b"n", b"v"], live=1, deleted=0),
        stream_node([b"n"], [2, 0, 0], live=1, deleted=0),
        listpack(1, 0, 1, b"n", 0, 2, 0, 0, b"v", 5),
    ],
)
def test_a_stream_node_that_contradicts_itself_is_refused(node: bytes) -> None:
    nodes = length(1) + string(stream_id(1, 0)) + string(node)
    with pytest.raises(FormatError, match="at byte"):
        decode(_stream(21, nodes=nodes), 12)


def test_ids_before_their_node_and_at_the_end_of_time_are_kept() -> None:
    last = 2**64 - 1
    node = stream_node([b"a"], [2, 0, 0, 1], [2, 1, -100, 2], live=2, deleted=0)
    nodes = length(1) + string(stream_id(last - 1, 100)) + string(node)
    stream = decode(_stream(21, nodes=nodes), 12)
    assert isinstance(stream, Stream)
    assert [id_ for id_, _ in stream.entries] == [f"{last - 1}-100", f"{last}-0"]


@pytest.mark.parametrize("code", [6, 7])
def test_a_modules_value_is_kept_whole(code: int) -> None:
    payload = bytes((code,)) + b"\x81whatever a module writes\x00"
    assert decode(payload, 9) == Opaque(seal(payload, 9))


def test_the_footer_is_the_version_and_the_checksum_that_redis_documents() -> None:
    # DUMP of the value 10, in Redis' documentation of that command.
    assert seal(b"\x00\xc0\n", 9) == b"\x00\xc0\n\t\x00\xbem\x06\x89Z(\x00\n"


# Damaged


@pytest.mark.parametrize(("code", "version"), [(8, 9), (28, 14), (33, 15), (99, 12), (255, 12), (24, 80), (23, 80)])
def test_an_unknown_type_is_refused_by_its_number(code: int, version: int) -> None:
    with pytest.raises(FormatError, match=f"RDB type {code} "):
        decode(bytes((code,)) + b"\x01\x01a", version)


def test_every_known_type_has_a_name_and_a_sample() -> None:
    assert {*TYPE_OF.values(), VECTOR_SET} == set(NAMES)
    assert {payload[0] for payload in SAMPLES.values()} | {6, 7} == set(TYPE_OF)


@pytest.mark.parametrize("payload", SAMPLES.values(), ids=SAMPLES)
def test_every_truncation_and_every_byte_too_many_is_refused(payload: bytes) -> None:
    assert _decodes(payload)
    assert not any(_decodes(payload[:size]) for size in range(len(payload)))
    with pytest.raises(FormatError, match=r"\A[^\n]+ 1 more bytes follow\.\Z"):
        decode(payload + b"\x00", 12)


@pytest.mark.parametrize("payload", SAMPLES.values(), ids=SAMPLES)
def test_every_flipped_bit_decodes_or_is_refused(payload: bytes) -> None:
    flipped = [
        payload[:at] + bytes((payload[at] ^ 1 << bit,)) + payload[at + 1 :]
        for at in range(len(payload))
        for bit in range(8)
    ]
    assert not all(_decodes(data) for data in flipped)


@pytest.mark.parametrize("code", sorted(set(TYPE_OF) - {6, 7}))
@pytest.mark.parametrize("count", [2**32 - 1, 2**63, 2**64 - 1])
def test_an_absurd_count_is_refused_at_once(code: int, count: int) -> None:
    started = time.monotonic()
    assert not _decodes(bytes((code,)) + length(count) + b"\x00" * 1000)
    assert not _decodes(bytes((code,)) + milliseconds(0) + length(count) + b"\x00" * 1000)
    assert time.monotonic() - started < 5


@given(data=st.binary(max_size=400), code=st.sampled_from(sorted(TYPE_OF)), version=st.sampled_from((9, 12, 80)))
def test_random_bytes_decode_or_are_refused(data: bytes, code: int, version: int) -> None:
    assert _decodes(bytes((code,)) + data, version) in (True, False)


def _real_payloads() -> list[bytes]:
    found = []
    for name in ("redis-2.8.17", "redis-3.2.6", "redis-6.2.14", "redis-8.2.2"):
        for batch in Reader(iter([rdb.data(name)]), values=True).batches():
            found += [entry.payload for entry in batch if entry.payload]
    return found


REAL = _real_payloads()


@settings(max_examples=500)
@given(st.data())
def test_real_payloads_with_changed_removed_and_added_bytes_decode_or_are_refused(data: st.DataObject) -> None:
    payload = bytearray(data.draw(st.sampled_from(REAL)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(payload)))
        payload[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    assert _decodes(bytes(payload)) in (True, False)
