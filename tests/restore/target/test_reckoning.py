"""What each kind of value is reckoned at, to the byte: on an old server with usual limits, and on new ones with low ones.

That these bounds are true is tried with real servers (test_footprint.py); here whoever changes the reckoning sees all that
changes with it.
"""

from typing import Any

import pytest

from tests.formats.rdb.samples import SAMPLES
from tests.support.payloads import intset, length, listpack, string
from worker.formats.entries import Consumer, Element, Entry, Group, Opaque, Pending, Stream, VectorSet
from worker.formats.rdb.codes import TYPE_OF
from worker.formats.rdb.payload import seal
from worker.restore.target.footprint import OTHERS, Cost, Footprint, Limits, make_of

LOW = Limits(hash=2, zset=2, set=2, intset=2, lists_compressed=True)
FOOTPRINTS = (
    Footprint(OTHERS, Limits()),
    Footprint(make_of("redis", (8, 2)), LOW),
    Footprint(make_of("valkey", (9, 1)), LOW),
)


def members(number: int, size: int = 12) -> list[bytes]:
    return [b"%03d" % place + b"m" * (size - 3) for place in range(number)]


PAYLOADS: dict[str, bytes] = {
    **SAMPLES,
    "unknown": b"\xf0" + bytes(100),
    "module": b"\x07" + bytes(100),
    "long list": b"\x12" + length(3) + (b"\x02" + string(listpack(*members(9)))) * 3,
    "old list": b"\x0e" + length(2) + string(b"x" * 30) * 2,
    "long set": b"\x02" + length(200) + b"".join(map(string, members(200))),
    "set of numbers": b"\x0b" + string(intset(8, *range(2**40, 2**40 + 9))),
    "long hash": b"\x04" + length(200) + b"".join(string(member) * 2 for member in members(200)),
    "long sorted set": b"\x05" + length(200) + b"".join(string(member) + bytes(8) for member in members(200)),
    "packed hash": b"\x10" + string(listpack(*members(10))),
    "packed hash of long texts": b"\x10" + string(listpack(*members(10, 90))),
    "packed sorted set": b"\x11" + string(listpack(*members(10))),
    "packed set": b"\x14" + string(listpack(*members(10))),
}
GROUP = Group(b"g", "1-1", 1, [Consumer(b"c", 1, 1, [Pending("1-1", 1, 1)] * 3), Consumer(b"d")])
VALUES: dict[str, tuple[str, Any]] = {
    "text": ("string", b"x" * 40),
    "number": ("string", b"12345"),
    "list": ("list", members(3)),
    "list of one": ("list", members(1)),
    "list of long texts": ("list", members(3, 65)),
    "set": ("set", members(3)),
    "set of numbers": ("set", [b"1", b"22", b"333"]),
    "set of as many as may all be numbers": ("set", members(512)),
    "set of one more": ("set", members(513)),
    "long set": ("set", members(600)),
    "hash": ("hash", [(member, b"v", None) for member in members(3)]),
    "hash of long texts": ("hash", [(member, b"v" * 65, None) for member in members(3)]),
    "long hash": ("hash", [(member, b"v", None) for member in members(300)]),
    "hash that expires": ("hash", [(member, b"v", 5) for member in members(600)]),
    "sorted set": ("zset", [(member, 1.5) for member in members(3)]),
    "long sorted set": ("zset", [(member, 1.5) for member in members(200)]),
    "sorted set of long texts": ("zset", [(member, 1.5) for member in members(3, 65)]),
    "stream": ("stream", Stream([("1-1", [(b"field", b"v" * 90)] * 2), ("2-1", [])], "2-1", groups=[GROUP] * 2)),
    "empty stream": ("stream", Stream([], "0-0")),
    "vectors": ("vectorset", VectorSet(9, "q8", 5, (3, bytes(108)), [Element(b"e", bytes(9), 1, 1, b"{}", b"")] * 3)),
    "no vectors": ("vectorset", VectorSet(9, "q8", 5, None, [])),
    "as dumped": ("hash", Opaque(seal(SAMPLES["hash"], 12))),
}


def cost(footprint: Footprint, what: bytes | tuple[str, Any]) -> Cost:
    if isinstance(what, bytes):
        return footprint.of(Entry(0, b"key", None, TYPE_OF.get(what[0], "unknown"), what), 12)
    return footprint.of(Entry(0, b"key", 5, what[0], None, what[1]), None)


# At the least and at the most, for each of FOOTPRINTS.
OF_PAYLOADS = {
    "string": ((31, 112), (31, 112), (31, 72)),
    "string int32": ((27, 112), (27, 112), (27, 72)),
    "string lzf": ((288, 416), (288, 416), (288, 376)),
    "list": ((77, 520), (27, 520), (27, 480)),
    "set": ((28, 448), (28, 384), (28, 344)),
    "zset of text": ((28, 1352), (28, 1352), (28, 1248)),
    "hash": ((28, 392), (28, 392), (28, 344)),
    "zset": ((27, 1072), (27, 1072), (27, 1032)),
    "zipmap": ((32, 112), (32, 112), (32, 72)),
    "list ziplist": ((35, 280), (27, 144), (27, 104)),
    "intset": ((39, 112), (39, 112), (39, 72)),
    "zset ziplist": ((41, 128), (41, 128), (41, 88)),
    "hash ziplist": ((39, 128), (39, 128), (39, 88)),
    "quicklist": ((42, 376), (27, 376), (27, 336)),
    "stream 1": ((94, 1731), (94, 1731), (94, 1691)),
    "hash listpack": ((39, 112), (39, 112), (39, 72)),
    "zset listpack": ((48, 128), (48, 128), (48, 88)),
    "quicklist2": ((44, 344), (27, 344), (27, 304)),
    "stream 2": ((94, 1787), (94, 1787), (94, 1747)),
    "set listpack": ((39, 112), (39, 112), (39, 72)),
    "stream 3": ((94, 1843), (94, 1843), (94, 1803)),
    "hash ttl rc": ((28, 520), (28, 520), (28, 472)),
    "hash ttl listpack rc": ((85, 160), (85, 1534), (85, 1458)),
    "hash ttl": ((28, 520), (28, 520), (28, 472)),
    "hash ttl listpack": ((85, 160), (85, 1534), (85, 1458)),
    "stream 4": ((95, 2160), (95, 2160), (95, 2120)),
    "stream 5": ((95, 2167), (95, 2167), (95, 2127)),
    "unknown": ((27, 2832), (27, 2832), (27, 2792)),
    "module": ((27, 2832), (27, 2832), (27, 2792)),
    "long list": ((426, 856), (31, 856), (31, 816)),
    "old list": ((57, 408), (27, 408), (27, 368)),
    "long set": ((1227, 16288), (4427, 9888), (4427, 9848)),
    "set of numbers": ((107, 192), (107, 944), (107, 904)),
    "long hash": ((2427, 21088), (6827, 21088), (6827, 19448)),
    "long sorted set": ((1227, 31448), (8827, 31448), (8827, 25008)),
    "packed hash": ((174, 256), (174, 1275), (174, 1195)),
    "packed hash of long texts": ((964, 1120), (964, 2545), (964, 2465)),
    "packed sorted set": ((174, 256), (174, 2395), (174, 2195)),
    "packed set": ((174, 256), (174, 1235), (174, 1195)),
}
OF_VALUES = {
    "text": ((67, 192), (67, 192), (67, 152)),
    "number": ((29, 160), (29, 160), (29, 120)),
    "list": ((45, 472), (27, 472), (27, 432)),
    "list of one": ((33, 312), (27, 176), (27, 136)),
    "list of long texts": ((222, 664), (29, 664), (29, 624)),
    "set": ((45, 224), (93, 480), (93, 440)),
    "set of numbers": ((29, 192), (63, 480), (63, 440)),
    "set of as many as may all be numbers": ((1051, 41296), (11291, 24912), (11291, 24872)),
    "set of one more": ((11313, 41376), (11313, 24960), (11313, 24920)),
    "long set": ((13227, 48336), (13227, 29136), (13227, 29096)),
    "hash": ((45, 272), (96, 648), (96, 584)),
    "hash of long texts": ((198, 840), (288, 840), (288, 776)),
    "long hash": ((1827, 12432), (6927, 31536), (6927, 29096)),
    "hash that expires": ((13827, 139536), (13827, 139536), (13827, 134696)),
    "sorted set": ((45, 304), (45, 1552), (45, 1416)),
    "long sorted set": ((1227, 31496), (8827, 31496), (8827, 25056)),
    "sorted set of long texts": ((192, 1744), (192, 1744), (192, 1608)),
    "stream": ((122, 8709), (122, 8709), (122, 8669)),
    "empty stream": ((27, 4856), (27, 4856), (27, 4816)),
    "vectors": ((34, 6848), (34, 6848), (34, 6808)),
    "no vectors": ((27, 4232), (27, 4232), (27, 4192)),
    "as dumped": ((28, 440), (28, 440), (28, 392)),
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_payload_is_reckoned_at_so_many_bytes(name: str) -> None:
    assert tuple(cost(footprint, PAYLOADS[name]) for footprint in FOOTPRINTS) == OF_PAYLOADS[name]


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_reckoned_at_so_many_bytes(name: str) -> None:
    assert tuple(cost(footprint, VALUES[name]) for footprint in FOOTPRINTS) == OF_VALUES[name]


@pytest.mark.parametrize(
    ("server", "release", "same_as"),
    [
        ("redis", (7, 4), ("redis", (6, 2))),
        ("redis", (8,), ("redis", (8, 2))),
        ("redis", (9, 0), ("redis", (8, 2))),
        ("valkey", (7, 2), ("redis", (6, 2))),
        ("valkey", (8, 0), ("valkey", (9, 1))),
        ("another", (9, 0), ("redis", (6, 2))),
    ],
)
def test_a_server_is_reckoned_as_its_make_and_release(
    server: str, release: tuple[int, ...], same_as: tuple[str, tuple[int, ...]]
) -> None:
    assert make_of(server, release) is make_of(*same_as)
