"""What a key costs at each bound at which a server begins to keep it otherwise."""

from itertools import pairwise
from typing import Any

import pytest

from tests.formats.rdb.samples import SAMPLES, YEAR_2100
from tests.support.payloads import intset, length, listpack, milliseconds, string, ziplist
from worker.formats.entries import Entry, Opaque, Stream
from worker.formats.rdb.codes import TYPE_OF
from worker.formats.rdb.lengths import allocated
from worker.formats.rdb.payload import seal
from worker.restore.target.footprint import OTHERS, Cost, Footprint, Limits, tables

LIMITS = Limits(hash=4, zset=4, set=4, intset=6)
FOOTPRINT = Footprint(OTHERS, LIMITS)


def cost(kind: str, payload: bytes | None = None, value: Any = None, expires_at: int | None = None) -> Cost:
    return FOOTPRINT.of(Entry(0, b"k", expires_at, kind, payload, value), 12)


EMPTY = cost("string", b"\x00\x00")
ALONE = Cost(EMPTY.least, EMPTY.most - allocated(0))
"""A key without its value."""


def packed(kind: str, code: int, blob: bytes) -> int:
    """How much more than its blob it costs."""
    return cost(kind, bytes((code,)) + string(blob)).most - ALONE.most - allocated(len(blob))


@pytest.mark.parametrize("size", [0, 1, 107, 108, 5000])
def test_a_text_costs_itself_and_its_key(size: int) -> None:
    found = cost("string", b"\x00" + length(size) + b"x" * size)
    assert found == Cost(ALONE.least + size, ALONE.most + allocated(size))
    assert cost("string", value=b"x" * size).most == found.most
    assert cost("string", b"\x00" + length(size) + b"x" * size, expires_at=5).most == found.most + 48


def fields(number: int) -> list[bytes | int]:
    return [part for place in range(number) for part in (b"f%d" % place, b"value of this field")]


@pytest.mark.parametrize("number", [1, 4, 5, 9])
def test_a_collection_costs_its_blob_as_long_as_it_stays_packed(number: int) -> None:
    members = [b"a longer member %d" % place for place in range(number)]
    scores = [part for member in members for part in (member, 5)]
    for kind, code, blob in (
        ("hash", 0x10, listpack(*fields(number))),
        ("zset", 0x11, listpack(*scores)),
        ("set", 0x14, listpack(*members)),
        ("hash", 0x0D, ziplist(*(bytes((len(one),)) + one for one in fields(number) if isinstance(one, bytes)))),
    ):
        assert (packed(kind, code, blob) == 0) == (number <= 4), (kind, code)


@pytest.mark.parametrize("number", [1, 6, 7, 20])
def test_a_set_of_numbers_has_a_limit_of_its_own(number: int) -> None:
    blob = intset(8, *range(2**40, 2**40 + number))
    assert (packed("set", 0x0B, blob) == 0) == (number <= 6)


@pytest.mark.parametrize("number", [1, 4, 5, 9])
def test_a_hash_whose_fields_expire_has_three_elements_for_each(number: int) -> None:
    parts: list[bytes | int] = [
        part for place in range(number) for part in (b"f%d" % place, b"value of it", YEAR_2100 + place)
    ]
    blob = listpack(*parts)
    found = cost("hash", b"\x19" + milliseconds(YEAR_2100) + string(blob)).most - ALONE.most
    assert (found == allocated(len(blob))) == (number <= 4)
    if number > 4:
        without = cost("hash", b"\x10" + string(listpack(*fields(number)))).most - ALONE.most
        assert found > without, "each expiry costs as well"


@pytest.mark.parametrize("kind", ["set", "hash", "zset"])
def test_elements_one_by_one_cost_their_table_and_each_a_node(kind: str) -> None:
    def with_members(number: int) -> Cost:
        members = b"".join(
            string(b"member %05d of many that are long" % place)
            + {"set": b"", "hash": string(b"v" * 40), "zset": bytes(8)}[kind]
            for place in range(number)
        )
        return cost(kind, bytes(({"set": 2, "hash": 4, "zset": 5}[kind],)) + length(number) + members)

    few, some, more = (with_members(number) for number in (100, 200, 300))
    assert more.most - some.most == some.most - few.most
    each = (some.most - few.most) / 100
    assert 33 < each < 400
    assert few.most - ALONE.most - 100 * each in (200, 960)
    assert few.least < few.most


def test_a_list_costs_a_node_for_each_of_its_parts() -> None:
    parts = [listpack(*[b"element %d" % place for place in range(9)]) for _ in range(3)]
    found = [
        cost("list", b"\x12" + length(number) + b"".join(b"\x02" + string(part) for part in parts[:number])).most
        for number in (1, 2, 3)
    ]
    size = allocated(len(parts[0]))
    assert found[1] == ALONE.most + 96 + 2 * (56 + size)
    assert found[2] == ALONE.most + 96 + 3 * (56 + size)
    assert found[0] < found[1] - size


def test_a_list_that_is_kept_compressed_costs_less_at_the_least() -> None:
    parts = b"".join(b"\x02" + string(listpack(b"x" * 5000)) for _ in range(5))
    entry = Entry(0, b"k", None, "list", b"\x12" + length(5) + parts)
    plain, squeezed = (
        Footprint(OTHERS, Limits(lists_compressed=compressed)).of(entry, 12) for compressed in (False, True)
    )
    assert plain.most == squeezed.most
    assert squeezed.least < plain.least / 10


@pytest.mark.parametrize("name", [name for name in SAMPLES if not name.startswith("stream")])
def test_a_value_costs_about_the_same_however_it_is_told(name: str) -> None:
    """As a payload, and as that payload in a document; never less at the most than at the least."""
    payload = SAMPLES[name]
    kind = TYPE_OF[payload[0]]
    found = cost(kind, payload)
    assert found.least <= found.most
    assert cost(kind, value=Opaque(seal(payload, 12))) == found


@pytest.mark.parametrize("name", [name for name in SAMPLES if name.startswith("stream")])
def test_a_stream_costs_what_it_holds_and_its_groups(name: str) -> None:
    found = cost("stream", SAMPLES[name])
    assert ALONE.least <= found.least < found.most
    assert ALONE.most + 320 < found.most < 10_000


def test_an_entry_more_makes_a_stream_dearer() -> None:
    costs = [
        cost("stream", value=Stream([(f"{number}-1", [(b"field", b"v" * 100)]) for number in range(many)], "9-9")).most
        for many in (0, 1, 2, 3)
    ]
    steps = [later - earlier for earlier, later in pairwise(costs)]
    assert len(set(steps)) <= 2
    assert all(105 + 64 < step < 300 for step in steps)


@pytest.mark.parametrize(
    ("before", "after", "grown"),
    [
        (0, 1, 16 * (2 + 1)),
        (3, 4, 16 * (8 + 4)),
        (4, 4, 0),
        (4, 5, 0),
        (6, 7, 16 * (8 + 4)),
        (1000, 1023, 0),
        (1000, 1024, 16 * (2048 + 1024)),
        (7 * 128 - 1, 7 * 128, 16 * (1024 + 512)),
        (9, 8, 0),
    ],
)
def test_tables_are_made_anew_at_powers_of_two_and_seven_times_those(before: int, after: int, grown: int) -> None:
    assert tables(before, after) == grown
