"""Values of every encoding, written by hand, decode to what they stand for."""

from math import inf, isnan
from typing import Any

import pytest

from tests.formats.rdb.samples import ENTRIES, FIELDS, PRODUCERS, SAMPLES, YEAR_2100, a_group, a_stream, decodes
from tests.support.payloads import length, listpack, milliseconds, stream_id, stream_node, string, ziplist
from worker.errors import FormatError
from worker.formats.entries import Consumer, Group, Opaque, Pending, Stream
from worker.formats.rdb.codes import TYPE_OF
from worker.formats.rdb.payload import seal
from worker.formats.rdb.values import decode
from worker.formats.rdb.vectors import NAME as VECTOR_SET
from worker.formats.types import NAMES


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
    assert not decodes(payload, 12)


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
    payload = a_stream(code, a_group(code, owned=2), producers=PRODUCERS if code >= 26 else b"")
    assert decode(payload, 12) == _expected_stream(code, 2 if code >= 19 else None)


def test_reads_that_the_server_does_not_know_are_none() -> None:
    assert decode(a_stream(21, a_group(21, entries_read=2**64 - 1, owned=2)), 12) == _expected_stream(21, None)


def test_pending_entries_of_nobody_keep_a_newest_stream_whole_and_damage_an_older_one() -> None:
    newest = a_stream(27, a_group(27), producers=PRODUCERS)
    assert decode(newest, 15) == Opaque(seal(newest, 15))
    with pytest.raises(FormatError, match="belong to nobody"):
        decode(a_stream(21, a_group(21)), 12)


def test_a_consumer_cannot_hold_what_its_group_has_not_delivered() -> None:
    group = a_group(15, owned=2)
    with pytest.raises(FormatError, match="its group has not"):
        decode(a_stream(15, group[: -len(stream_id(0, 0))] + stream_id(9, 9)), 9)


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
        decode(a_stream(21, nodes=nodes), 12)


def test_ids_before_their_node_and_at_the_end_of_time_are_kept() -> None:
    last = 2**64 - 1
    node = stream_node([b"a"], [2, 0, 0, 1], [2, 1, -100, 2], live=2, deleted=0)
    nodes = length(1) + string(stream_id(last - 1, 100)) + string(node)
    stream = decode(a_stream(21, nodes=nodes), 12)
    assert isinstance(stream, Stream)
    assert [id_ for id_, _ in stream.entries] == [f"{last - 1}-100", f"{last}-0"]


@pytest.mark.parametrize("code", [6, 7])
def test_a_modules_value_is_kept_whole(code: int) -> None:
    payload = bytes((code,)) + b"\x81whatever a module writes\x00"
    assert decode(payload, 9) == Opaque(seal(payload, 9))


def test_the_footer_is_the_version_and_the_checksum_that_redis_documents() -> None:
    # DUMP of the value 10, in Redis' documentation of that command.
    assert seal(b"\x00\xc0\n", 9) == b"\x00\xc0\n\t\x00\xbem\x06\x89Z(\x00\n"


@pytest.mark.parametrize(("code", "version"), [(8, 9), (28, 14), (33, 15), (99, 12), (255, 12), (24, 80), (23, 80)])
def test_an_unknown_type_is_refused_by_its_number(code: int, version: int) -> None:
    with pytest.raises(FormatError, match=f"RDB type {code} "):
        decode(bytes((code,)) + b"\x01\x01a", version)


def test_every_known_type_has_a_name_and_a_sample() -> None:
    assert {*TYPE_OF.values(), VECTOR_SET} == set(NAMES)
    assert {payload[0] for payload in SAMPLES.values()} | {6, 7} == set(TYPE_OF)
