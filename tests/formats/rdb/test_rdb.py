"""The RDB file itself: walked in any chunks, refused when a single bit of it is wrong, written so that Redis loads it."""

import random
import struct
import subprocess
import tracemalloc
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import anycrc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.rdb import files as fixtures
from tests.support.backups import Given, endpoint, fill_all
from tests.support.payloads import length, string, strings
from tests.support.servers import Binary, Server, running
from tests.support.states import assert_same, state
from worker.engines.replication import Replication
from worker.errors import FormatError
from worker.formats.entries import Entry, Used
from worker.formats.rdb.reader import Reader
from worker.formats.rdb.writer import write

CHUNK = 256 * 1024
MILLISECONDS, SECONDS, SELECT, END = b"\xfc", b"\xfd", b"\xfe", b"\xff"
AUX, RESIZE, FREQUENCY, IDLE, MODULE_AUX, FUNCTION, SLOT_INFO = (
    b"\xfa",
    b"\xfb",
    b"\xf9",
    b"\xf8",
    b"\xf7",
    b"\xf5",
    b"\xf4",
)

# Of each kind that the walk treats in a way of its own.
SMALL = [
    Entry(0, b"text", None, "string", b"\x00" + string(b"value")),
    Entry(0, b"number", 1_700_000_000_000, "string", b"\x00\xc0\x07"),
    Entry(0, b"squeezed", None, "string", b"\x00\xc3\x04\x08\x00a\xc0\x00"),
    Entry(2, b"long " * 20, -1, "list", b"\x01" + strings(b"a", b"bc", b"d" * 70)),
    Entry(2, b"", None, "zset", b"\x05" + length(1) + string(b"m") + struct.pack("<d", 1.5)),
    Entry(300, bytes(range(256)), 2**63 - 1, "hash", b"\x04" + length(1) + string(b"f") + string(b"v")),
]


def cut(data: bytes, *sizes: int) -> Iterator[bytes]:
    """The bytes in chunks of these sizes, over and over."""
    start = turn = 0
    while start < len(data):
        size = sizes[turn % len(sizes)]
        yield data[start : start + size]
        start, turn = start + size, turn + 1


def read(data: bytes, *sizes: int, values: bool = True) -> list[Entry]:
    reader = Reader(cut(data, *(sizes or (CHUNK,))), values=values)
    return [entry for batch in reader.batches() for entry in batch]


def without_payload(entries: list[Entry]) -> list[Entry]:
    return [entry._replace(payload=None) for entry in entries]


def file_of(*parts: bytes, version: int = 11) -> bytes:
    """A file made by hand, with its end and checksum."""
    body = b"REDIS%04d" % version + b"".join(parts) + END
    return body + int(anycrc.Model("CRC64-REDIS").calc(body)).to_bytes(8, "little")


def key(name: bytes, value: bytes = b"v") -> bytes:
    return b"\x00" + string(name) + string(value)


def small() -> bytes:
    return b"".join(write(Given(SMALL, [b"#!lua name=lib\n"]), {"redis-ver": "7.2.4", "ctime": "1700000000"}))


def refusal(data: bytes, *sizes: int, values: bool = True) -> str:
    with pytest.raises(FormatError) as caught:
        read(data, *sizes, values=values)
    return str(caught.value)


@cache
def whole(name: str) -> list[Entry]:
    return read(fixtures.data(name), 1 << 30)


@pytest.mark.parametrize("name", fixtures.NAMES)
@pytest.mark.parametrize("seed", range(4))
def test_chunks_of_any_size_give_the_same_entries(name: str, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    sizes = [chance.choice([1, 3, 9, 100, 4096, 70_000]) for _ in range(50)]
    data = fixtures.data(name)
    assert read(data, *sizes) == whole(name)
    assert read(data, *sizes, values=False) == without_payload(whole(name))


@pytest.mark.parametrize("values", [True, False])
def test_single_bytes_give_the_same_entries(values: bool) -> None:
    assert read(small(), 1, values=values) == (SMALL if values else without_payload(SMALL))


def test_facts_and_libraries_are_read() -> None:
    reader = Reader(cut(small(), 7), values=False)
    assert sum(map(len, reader.batches())) == len(SMALL)
    assert reader.facts == {"redis-ver": "7.2.4", "ctime": "1700000000"}
    assert (reader.rdb_version, reader.libraries, reader.unreadable) == (11, [b"#!lua name=lib\n"], None)


def huge(kind: bytes, megabytes: int) -> Iterator[bytes]:
    """A file of one value of that type with a string of so many megabytes; its checksum is zero: not computed."""
    piece = bytes(CHUNK)
    yield b"REDIS0011" + SELECT + b"\x00" + kind
    for _ in range(megabytes * 4):
        yield piece
    yield END + bytes(8)


@pytest.mark.parametrize("kind", [b"\x00\x04huge", b"\x01\x04huge\x01"], ids=["string", "list"])
def test_without_values_nothing_big_is_held(kind: bytes) -> None:
    chunks = huge(kind + b"\x80" + (200 << 20).to_bytes(4, "big"), 200)
    tracemalloc.start()
    try:
        found = [entry.key for batch in Reader(chunks, values=False).batches() for entry in batch]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == [b"huge"]
    assert peak < 8 << 20


def test_every_chunk_gives_a_batch_while_a_huge_value_passes() -> None:
    chunks = huge(b"\x00\x04huge\x80" + (20 << 20).to_bytes(4, "big"), 20)
    assert len(list(Reader(chunks, values=False).batches())) >= 80


def test_a_claim_of_more_bytes_than_there_are_costs_nothing() -> None:
    claim = b"REDIS0011" + SELECT + b"\x00\x00\x01k\x81" + (1 << 62).to_bytes(8, "big") + b"xyz"
    assert "cut short" in refusal(claim)
    assert "cut short" in refusal(claim, values=False)


def test_a_claim_of_more_elements_than_there_are_costs_nothing() -> None:
    stream = b"\x0f\x01k\x00\x00\x00\x00\x01\x01g\x00\x00\x81" + (1 << 62).to_bytes(8, "big")
    for values in (True, False):
        assert "cut short" in refusal(b"REDIS0011" + SELECT + b"\x00" + stream + bytes(100), values=values)


@pytest.mark.parametrize("values", [True, False])
@pytest.mark.parametrize("size", [7, CHUNK])
def test_a_file_that_is_cut_anywhere_is_refused(values: bool, size: int) -> None:
    data = small()
    for end in range(len(data)):
        assert "RDB file" in refusal(data[:end], size, values=values), f"cut at byte {end}"


@pytest.mark.parametrize("values", [True, False])
def test_a_file_with_a_flipped_bit_is_refused(values: bool) -> None:
    data = small()
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        assert refusal(bytes(flipped), 64, values=values), f"bit {bit}"


@pytest.mark.parametrize("name", fixtures.NAMES)
def test_a_real_file_with_a_flipped_bit_is_refused(name: str) -> None:
    data, chance = fixtures.data(name), random.Random(name)  # noqa: S311 - no secret
    for bit in chance.sample(range(8 * len(data)), 20):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        assert refusal(bytes(flipped), values=False), f"bit {bit}"


FOLLOWS = {False: "1 byte follows its end", True: " bytes follow its end"}


@pytest.mark.parametrize("values", [True, False])
@pytest.mark.parametrize("more", [b"\x00", b"\n", b"REDIS0011\xff" + bytes(8)])
def test_whatever_follows_the_end_is_refused(more: bytes, values: bool) -> None:
    assert FOLLOWS[len(more) > 1] in refusal(small() + more, values=values)
    assert FOLLOWS[len(more) > 1] in refusal(small() + more, 1, values=values)


def test_a_file_of_a_server_that_computes_no_checksum_is_read() -> None:
    assert read(small()[:-8] + bytes(8)) == SMALL


def test_a_file_from_before_there_were_checksums_is_read() -> None:
    old = b"REDIS0003" + SELECT + b"\x00" + key(b"k") + END
    assert [entry.key for entry in read(old, 1)] == [b"k"]
    assert FOLLOWS[False] in refusal(old + b"x")


@pytest.mark.parametrize("other", [b"", b"R", b"REDIS", b"REDIS00x1", b"hello, world", b"redis0011\xff" + bytes(8)])
def test_what_is_no_rdb_file_is_refused(other: bytes) -> None:
    assert "RDB file" in refusal(other)


UNKNOWN = file_of(SELECT + b"\x03" + key(b"known"), b"\xc8" + string(b"strange") + bytes(1000), key(b"never seen"))


@pytest.mark.parametrize("size", [1, 50, CHUNK])
def test_an_unknown_type_is_named_where_values_are_wanted(size: int) -> None:
    assert "the key 'strange' of database 3 has the RDB type 200" in refusal(UNKNOWN, size)


@pytest.mark.parametrize("size", [1, 50, CHUNK])
def test_past_an_unknown_type_the_bytes_are_still_checked(size: int) -> None:
    reader = Reader(cut(UNKNOWN, size), values=False)
    assert [entry.key for batch in reader.batches() for entry in batch] == [b"known"]
    assert reader.unreadable == "the key 'strange' of database 3 has the RDB type 200, which this program does not know"


@pytest.mark.parametrize("size", [1, 50, CHUNK])
def test_damage_behind_an_unknown_type_is_found(size: int) -> None:
    for place in (60, 500, len(UNKNOWN) - 20, len(UNKNOWN) - 9, len(UNKNOWN) - 1):
        flipped = bytearray(UNKNOWN)
        flipped[place] ^= 4
        assert "checksum" in refusal(bytes(flipped), size, values=False)
    for end in (100, len(UNKNOWN) - 9, len(UNKNOWN) - 1):
        assert refusal(UNKNOWN[:end], size, values=False)


def test_an_unknown_part_between_keys_ends_the_walk_like_an_unknown_type() -> None:
    data = file_of(SELECT + b"\x00" + key(b"known"), b"\xf6" + bytes(100))
    reader = Reader(cut(data, 50), values=False)
    assert [entry.key for batch in reader.batches() for entry in batch] == [b"known"]
    assert "kind 246" in str(reader.unreadable)
    assert "kind 246" in refusal(data)


@pytest.mark.parametrize("size", [1, 5, CHUNK])
def test_what_stands_between_keys_is_understood_or_passed_over(size: int) -> None:
    module = (
        length(7) + length(2) + length(3) + length(5) + string(b"text" * 30) + length(2) + length(70_000) + length(4)
    )
    data = file_of(
        AUX + string(b"redis-bits") + b"\xc0\x40",
        MODULE_AUX + module + bytes(8) + length(3) + bytes(4) + length(0),
        FUNCTION + string(b"#!lua name=one\n"),
        SELECT + b"\x01" + RESIZE + length(20_000) + length(5),
        SLOT_INFO + length(16_383) + length(2) + length(1),
        SECONDS + struct.pack("<I", 1_700_000_000) + key(b"seconds"),
        IDLE + length(100_000) + key(b"idle"),
        FREQUENCY + b"\xff" + key(b"frequent"),
        MILLISECONDS + struct.pack("<q", 1_700_000_000_123) + IDLE + b"\x05" + FREQUENCY + b"\x00" + key(b"all"),
        key(b"plain"),
    )
    reader = Reader(cut(data, size), values=True)
    entries = [entry for batch in reader.batches() for entry in batch]
    assert [(entry.db, entry.key, entry.expires_at) for entry in entries] == [
        (1, b"seconds", 1_700_000_000_000),
        (1, b"idle", None),
        (1, b"frequent", None),
        (1, b"all", 1_700_000_000_123),
        (1, b"plain", None),
    ]
    assert {entry.payload for entry in entries} == {b"\x00\x01v"}
    idle, frequent = Used("IDLETIME", 100_000), Used("FREQ", 255)
    assert [entry.used for entry in entries] == [None, idle, frequent, Used("FREQ", 0), None]
    assert (reader.facts, reader.libraries) == ({"redis-bits": "64"}, [b"#!lua name=one\n"])


@pytest.mark.parametrize("size", [1, 5, CHUNK])
def test_valkeys_files_are_told_by_their_header(size: int) -> None:
    body = b"VALKEY080" + SELECT + b"\x00" + b"\x16" + string(b"k") + length(1) + string(b"f") + string(b"v")
    body += struct.pack("<q", 1_900_000_000_000) + END
    data = body + int(anycrc.Model("CRC64-REDIS").calc(body)).to_bytes(8, "little")
    reader = Reader(cut(data, size), values=True)
    entries = [entry for batch in reader.batches() for entry in batch]
    assert [(entry.key, entry.type) for entry in entries] == [(b"k", "hash")]
    assert reader.rdb_version == 80
    assert b"".join(write(Given(entries, rdb_version=80), {})) == data


def test_what_a_valkey_says_of_slots_on_their_way_is_passed_over() -> None:
    importing = b"\xf3" + string(b"a" * 40) + length(2) + length(1) + length(5) + length(9) + length(16_383)
    slots = SLOT_INFO + length(16_383) + length(1) + length(0)
    body = b"VALKEY080" + importing + SELECT + b"\x00" + slots + b"\x00" + string(b"k") + string(b"v") + END
    data = body + int(anycrc.Model("CRC64-REDIS").calc(body)).to_bytes(8, "little")
    for size in (1, CHUNK):
        entries = [entry for batch in Reader(cut(data, size), values=True).batches() for entry in batch]
        assert entries == [Entry(0, b"k", None, "string", b"\x00\x01v")]


def test_entries_without_a_version_cannot_be_written() -> None:
    with pytest.raises(FormatError, match="own payloads"):
        list(write(Given(SMALL, rdb_version=None), {}))


def rewritten(server: Server) -> bytes:
    """What the server sends, taken to pieces and written anew by ourselves."""
    release = ".".join(map(str, server.binary.release)) if server.binary.name == "valkey" else ""
    reader = Reader(Replication(endpoint(server), rdb_of=release).chunks(), values=True)
    return b"".join(write(reader, {"redis-ver": "0.0.0", "redis-bits": "64"}))


def check(binary: Binary, file: Path) -> str:
    """What redis-check-rdb says: a redis-server that goes by this name."""
    tool = file.parent / "redis-check-rdb"
    tool.symlink_to(binary.path)
    return subprocess.run([tool, file], capture_output=True, text=True, check=True).stdout


def test_what_we_write_passes_redis_check_rdb(source: Server, tmp_path: Path) -> None:
    file = tmp_path / "dump.rdb"
    file.write_bytes(rewritten(fill_all(source)))
    said = check(source.binary, file)
    assert "RDB looks OK" in said
    assert "Checksum OK" in said
    assert f"{sum(source.client(db).dbsize() for db in (0, 3))} keys read" in said


def test_what_we_write_is_loaded_by_a_real_server(source: Server, tmp_path: Path) -> None:
    before = state(fill_all(source))
    folder = tmp_path / "loaded"
    folder.mkdir()
    (folder / "ours.rdb").write_bytes(rewritten(source))
    with running(source.binary, folder, "--dbfilename", "ours.rdb") as loaded:
        assert_same(loaded, before)


@pytest.mark.parametrize("size", [0, 63, 64, 16_383, 16_384, 1 << 20])
def test_lengths_of_every_size_are_written_and_read(size: int) -> None:
    entries = [Entry(size, bytes(size), None, "string", b"\x00" + string(bytes(size)))]
    data = b"".join(write(Given(entries), {"name": "a" * size}))
    assert read(data, 1000, CHUNK) == entries
    assert read(data, 1000, CHUNK, values=False) == without_payload(entries)


BYTES = st.binary(max_size=100)
MEMBERS = st.lists(BYTES, min_size=1, max_size=5)
PAYLOADS: dict[str, st.SearchStrategy[Any]] = {
    "string": BYTES.map(lambda text: b"\x00" + string(text))
    | st.integers(0, 255).map(lambda one: bytes((0, 0xC0, one))),
    "list": MEMBERS.map(lambda members: b"\x01" + strings(*members)),
    "set": MEMBERS.map(lambda members: b"\x02" + strings(*members)),
    "zset": MEMBERS.map(
        lambda members: b"\x05" + length(len(members)) + b"".join(string(one) + bytes(8) for one in members)
    ),
    "hash": MEMBERS.map(lambda fields: b"\x04" + length(len(fields)) + b"".join(string(one) * 2 for one in fields)),
}
ENTRIES = st.lists(
    st.sampled_from(sorted(PAYLOADS)).flatmap(
        lambda kind: st.builds(
            Entry,
            st.integers(0, 2**32 - 1),
            BYTES,
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.just(kind),
            PAYLOADS[kind],
            st.none(),
            st.none(),
        )
    ),
    max_size=8,
)


@pytest.mark.slow
@settings(max_examples=60)
@given(ENTRIES, st.lists(BYTES, max_size=2), st.lists(st.integers(1, 3000), min_size=1, max_size=5))
def test_any_entries_that_are_written_are_read_again(
    entries: list[Entry], libraries: list[bytes], sizes: list[int]
) -> None:
    data = b"".join(write(Given(entries, libraries), {}))
    reader = Reader(cut(data, *sizes), values=True)
    assert [entry for batch in reader.batches() for entry in batch] == entries
    assert reader.libraries == libraries
    assert read(data, *sizes, values=False) == without_payload(entries)


def test_what_is_broken_is_told_with_its_database_key_type_and_place() -> None:
    entries = [
        Entry(0, b"name", None, "string", b"\x00\x04text"),
        Entry(3, b"queue", None, "list", b"\x01\x02\x01a\x01b"),
    ]
    whole = b"".join(write(Given(entries, rdb_version=9), {}))
    within = whole.index(b"queue") + len(b"queue") + 1
    for step in (7, len(whole)):
        assert "cut short, at byte 19. It is in the string 'name' of database 0." in refusal(whole[:19], step)
        broken = whole[:within] + b"\xc5" + whole[within + 1 :]
        assert "can begin with, in the list 'queue' of database 3, at byte 24." in refusal(broken, step)
        assert "cut short, at byte 24." in refusal(whole[:25], step)
