"""A payload of every type and encoding, written by hand."""

import struct

from tests.support import payloads
from tests.support.payloads import length, listpack, milliseconds, stream_id, stream_node, string, strings, ziplist
from worker.errors import FormatError
from worker.formats.rdb.values import decode

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


def a_stream(code: int, *groups: bytes, nacked: int = 0, producers: bytes = b"", nodes: bytes | None = None) -> bytes:
    """A stream payload around NODE; a group is all that follows its name, without what types before 27 do not have."""
    body = length(1) + string(stream_id(100, 7)) + string(NODE) if nodes is None else nodes
    body += length(2) + length(105) + length(6)
    if code >= 19:
        body += length(100) + length(7) + length(100) + length(8) + length(3)
    body += length(len(groups)) + b"".join(groups)
    return bytes((code,)) + body + producers


def a_group(code: int, *, entries_read: int = 2, owned: int = 1) -> bytes:
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
    "stream 1": a_stream(15, a_group(15, owned=2)),
    "hash listpack": b"\x10" + string(listpack(b"f", 5)),
    "zset listpack": b"\x11" + string(listpack(b"a", 5, b"b", b"-inf")),
    "quicklist2": b"\x12" + length(2) + b"\x01" + string(b"plain") + b"\x02" + string(listpack(b"a", 1)),
    "stream 2": a_stream(19, a_group(19, owned=2)),
    "set listpack": b"\x14" + string(listpack(b"a", 5)),
    "stream 3": a_stream(21, a_group(21, owned=2)),
    "hash ttl rc": b"\x16" + length(1) + length(YEAR_2100) + string(b"f") + string(b"v"),
    "hash ttl listpack rc": b"\x17" + TTL_LISTPACK,
    "hash ttl": b"\x18" + milliseconds(YEAR_2100) + length(1) + length(1) + string(b"f") + string(b"v"),
    "hash ttl listpack": b"\x19" + milliseconds(YEAR_2100) + TTL_LISTPACK,
    "stream 4": a_stream(26, a_group(26, owned=2), producers=PRODUCERS),
    "stream 5": a_stream(27, a_group(27, owned=2), producers=PRODUCERS),
}


def decodes(payload: bytes, rdb_version: int = 12) -> bool:
    """Whether it decodes; any error but FormatError fails the test that asks."""
    try:
        decode(payload, rdb_version)
    except FormatError:
        return False
    return True
