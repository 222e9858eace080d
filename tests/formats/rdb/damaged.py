"""Payloads that are damaged, each in a way of its own, and files that hold them."""

import struct
from pathlib import Path

from tests.formats.rdb.samples import a_group, a_stream
from tests.support.backups import Given
from tests.support.payloads import length, listpack, milliseconds, stream_id, stream_node, string, strings
from worker.formats import portable
from worker.formats.entries import Entry, Opaque
from worker.formats.rdb.payload import seal
from worker.formats.rdb.writer import write


def intset(*numbers: int) -> bytes:
    return b"\x0b" + string(struct.pack(f"<II{len(numbers)}h", 2, len(numbers), *numbers))


def double(number: float) -> bytes:
    return struct.pack("<d", number)


GOOD_LISTPACK = listpack(b"a", b"1", b"b", b"2")
# Each of these a server takes without a word, and ends when the key is used, or does wrong from then on.
DAMAGED: dict[str, tuple[str, bytes]] = {
    "a listpack that breaks off": ("hash", b"\x10" + string(GOOD_LISTPACK[:-3] + b"\xff")),
    "a listpack whose entry is too long": ("hash", b"\x10" + string(GOOD_LISTPACK.replace(b"\x81b", b"\xbfb"))),
    "a listpack of a wrong count": ("hash", b"\x10" + string(listpack(b"a", b"1", b"b", b"2", count=7))),
    "half a pair": ("hash", b"\x10" + string(listpack(b"a", b"1", b"b"))),
    "a field twice": ("hash", b"\x10" + string(listpack(b"a", b"1", b"a", b"2"))),
    "a field twice, unpacked": ("hash", b"\x04" + length(2) + string(b"a") * 4),
    "a member twice": ("set", b"\x14" + string(listpack(b"a", b"a"))),
    "a member twice, unpacked": ("set", b"\x02" + strings(b"a", b"a")),
    "integers out of order": ("set", intset(3, 1, 2)),
    "an integer twice": ("set", intset(1, 1, 2)),
    "an intset of another width": ("set", b"\x0b" + string(struct.pack("<II3h", 3, 3, 1, 2, 3))),
    "a scored member twice": ("zset", b"\x11" + string(listpack(b"a", b"1", b"a", b"2"))),
    "a score that is no number": ("zset", b"\x05" + length(1) + string(b"m") + double(float("nan"))),
    "a score of text that is no number": ("zset", b"\x11" + string(listpack(b"a", b"nan"))),
    "a list with a node of no kind": ("list", b"\x12" + length(1) + length(7) + string(listpack(b"a"))),
    "fields in a wrong order of expiry": (
        "hash",
        b"\x19" + milliseconds(9) + string(listpack(b"a", b"1", 0, b"b", b"2", 10**12)),
    ),
    "a compressed string that is none": ("string", b"\x00\xc3\x04\x08\xe0\xff\xff\xff"),
    "a string that breaks off in a stream": ("stream", b"\x0f" + length(1) + string(bytes(16)) + string(b"x")),
}
FINE = [Entry(0, b"fine:%d" % number, None, "string", b"\x00" + string(b"v")) for number in range(20)]


def file_of(folder: Path, entries: list[Entry], data_format: str = "rdb", rdb_version: int = 9) -> Path:
    """A file as somebody else may bring it, with a good checksum."""
    path = folder / f"given.{data_format}"
    given = Given(entries, rdb_version=rdb_version)
    if data_format == "json":
        given = Given(
            [one._replace(payload=None, value=Opaque(seal(one.payload or b"", rdb_version))) for one in entries]
        )
    chunks = write(given, {}) if data_format == "rdb" else portable.write(given, {})
    path.write_bytes(b"".join(chunks))
    return path


def entries(*ids: tuple[int, int], last: tuple[int, int] = (9, 9)) -> bytes:
    """A stream with an entry under each of these ids, in nodes of their own."""
    nodes = b"".join(
        string(stream_id(*one)) + string(stream_node([b"f"], [2, 0, 0, b"v"], live=1, deleted=0)) for one in ids
    )
    return b"\x0f" + length(len(ids)) + nodes + length(len(ids)) + length(last[0]) + length(last[1]) + length(0)


MORE: dict[str, bytes] = {
    "entries out of order": entries((2, 0), (1, 0)),
    "an entry behind the last id": entries((2, 0), last=(1, 0)),
    "a group twice": a_stream(15, a_group(15, owned=2), a_group(15, owned=2)),
    "pending entries of nobody": a_stream(15, a_group(15, owned=1)),
    "a node without an id": b"\x0f" + length(1) + string(b"short") + string(b"x") + length(0) * 4,
    "a text that expands beyond all measure": b"\x00\xc3\x01\x80\x00\x0f\x42\x40\x00",
    "a field that expires at an impossible time": b"\x17" + string(listpack(b"f", b"v", 2**60)),
    "fields with an expiry that lack a part": b"\x17" + string(listpack(b"f", b"v")),
    "an expiring field twice": b"\x19" + milliseconds(9) + string(listpack(b"f", b"v", 0, b"f", b"w", 0)),
    "a number of times that lacks its bytes": b"\x0a" + string(b"\xff" * 11),
    "a small hash without an end": b"\x09" + string(b"\x01\x01f\x01\x00v\xfe"),
}
KINDS = {what: payload for what, (_, payload) in DAMAGED.items()} | MORE
