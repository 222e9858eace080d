"""What is damaged says at which byte, and what is too large for few bytes of length is read all the same."""

import pytest

from tests.support import payloads
from tests.support.payloads import length, string
from worker.errors import FormatError
from worker.formats.rdb import writer
from worker.formats.rdb.encodings import listpack, lzf, ziplist, zipmap
from worker.formats.rdb.lengths import measure
from worker.formats.rdb.payload import crc64
from worker.formats.rdb.reader import Reader
from worker.formats.rdb.skipping import Skipper
from worker.formats.rdb.streams import shape_of
from worker.formats.rdb.values import decode

HUGE = b"h" * ((1 << 24) + 1)
"""Its length takes all four bytes."""
LISTPACK = payloads.listpack(b"abc", 5, b"x" * 200, 70_000)
ZIPLIST = payloads.ziplist(b"\xf5", b"\x03abc", b"\x40\xc8" + b"x" * 200, b"\xc0\x01\x02", b"\x01y")
ZIPMAP = b"\x03\x03foo\x03\x00bar\x05hello\x05\x02world??\x01a\x01\x00b\xff"


@pytest.mark.parametrize(
    ("at", "byte", "place"),
    [(0, 1, 0), (6, 0xC5, 6), (10, 5, 6), (11, 0xFF, 11), (13, 0xFF, 13), (4, 3, 222), (222, 0, 0)],
)
def test_a_damaged_listpack_says_where(at: int, byte: int, place: int) -> None:
    with pytest.raises(FormatError, match=f"A listpack is damaged at its byte {place}\\."):
        listpack(LISTPACK[:at] + bytes((byte,)) + LISTPACK[at + 1 :])


@pytest.mark.parametrize(
    ("at", "byte", "place"),
    [(0, 1, 0), (4, 1, 227), (8, 9, 227), (10, 1, 10), (12, 9, 12), (13, 0xFF, 13), (18, 0xC9, 18), (11, 0xFF, 11)],
)
def test_a_damaged_ziplist_says_where(at: int, byte: int, place: int) -> None:
    with pytest.raises(FormatError, match=f"A ziplist is damaged at its byte {place}\\."):
        ziplist(ZIPLIST[:at] + bytes((byte,)) + ZIPLIST[at + 1 :])


@pytest.mark.parametrize(("at", "byte", "place"), [(0, 2, 30), (1, 0xFF, 1), (5, 0xFF, 5)])
def test_a_damaged_zipmap_says_where(at: int, byte: int, place: int) -> None:
    with pytest.raises(FormatError, match=f"A zipmap is damaged at its byte {place}\\."):
        zipmap(ZIPMAP[:at] + bytes((byte,)) + ZIPMAP[at + 1 :])


@pytest.mark.parametrize(
    ("data", "size", "place"),
    [(b"\x00a\x20\x05", 4, 4), (b"\x03a", 4, 5), (b"\x00a\x00b", 1, 4), (b"\x00a", 2, 2)],
)
@pytest.mark.parametrize("before", [b"", b"???????"])
def test_a_damaged_compressed_text_says_where_in_itself(before: bytes, data: bytes, size: int, place: int) -> None:
    whole = before + data + b"behind"
    with pytest.raises(FormatError, match=f"A compressed text is damaged at its byte {place}\\."):
        lzf(whole, size, len(before), len(before) + len(data))


def test_a_compressed_text_may_hold_just_as_much_as_is_possible() -> None:
    """A reference of three bytes makes 264."""
    for times in (1, 40):
        with pytest.raises(FormatError, match="damaged"):
            lzf(bytes(3 * times), 264 * times)
        with pytest.raises(FormatError, match=f"A compressed text of {3 * times} bytes claims to hold"):
            lzf(bytes(3 * times + 5), 264 * times + 1, 5)


def test_a_packed_element_of_more_than_sixteen_megabytes_is_read() -> None:
    assert listpack(payloads.listpack(HUGE, 1, HUGE)) == [HUGE, b"1", HUGE]
    entry = b"\x80" + len(HUGE).to_bytes(4, "big") + HUGE
    assert ziplist(payloads.ziplist(entry, b"\xf2", entry)) == [HUGE, b"1", HUGE]
    size = b"\xfe" + len(HUGE).to_bytes(4, "little")
    assert zipmap(b"\x01" + size + HUGE + size + b"\x00" + HUGE + b"\xff") == [HUGE, HUGE]


def test_an_integer_in_a_ziplist_ends_where_the_next_entry_begins() -> None:
    numbers = [b"\xc0\x39\x30", b"\xd0\xff\xff\xff\x7f", b"\xf0\x01\x02\x03", b"\xfe\x64", b"\xfd", b"\xf1"]
    numbers.append(b"\xe0" + (2**62).to_bytes(8, "little"))
    told = [b"12345", b"2147483647", b"197121", b"100", b"12", b"0", b"4611686018427387904"]
    for first in range(len(numbers)):
        assert ziplist(payloads.ziplist(*numbers[first:], *numbers[:first])) == told[first:] + told[:first]


@pytest.mark.parametrize("digits", [1, 17, 251, 252])
def test_a_score_of_text_may_be_long(digits: int) -> None:
    text = b"0" * (digits - 1) + b"7"
    payload = b"\x03" + length(2) + (string(b"m") + bytes((digits,)) + text) + (string(b"n") + b"\xfe")
    assert decode(payload, 6) == [(b"m", 7.0), (b"n", float("inf"))]
    measured = measure(payload, 6)
    assert measured is not None
    assert measured.elements == 2
    data = b"??" + payload + b"behind"
    assert Skipper(((0, 6),)).skip(data, 3) == (2 + len(payload), True)


@pytest.mark.parametrize(("size", "shown"), [(1, 1), (63, 63), (64, 64), (65, 64), (500, 64)])
def test_a_long_key_is_named_by_its_beginning(size: int, shown: int) -> None:
    begun = writer.header(12) + b"\xfe\x03" + bytes((200,)) + string(b"k" * size) + b"\x01x\xff"
    reader = Reader(iter([begun + int(crc64(begun)).to_bytes(8, "little")]), values=True)
    with pytest.raises(
        FormatError, match=f"the key '{'k' * shown}' of database 3 has the RDB type 200, .* at byte 11\\."
    ):
        list(reader.batches())


@pytest.mark.parametrize(("code", "ids"), [(15, 3), (19, 8), (21, 8), (26, 8), (27, 8)])
def test_a_stream_of_nothing_is_passed_over(code: int, ids: int) -> None:
    body = length(0) + length(70) * ids + length(0)
    body += length(1) + length(2) + length(0) + length(3) + length(4) if code >= 26 else b""
    assert Skipper(shape_of(code)).skip(b"?" + body + b"behind", 1) == (1 + len(body), True)


@pytest.mark.parametrize(("told", "kept"), [(1, 1), (99, 99), (100, 100), (101, 100), (5000, 100)])
def test_of_what_a_file_says_of_itself_the_first_hundred_facts_are_kept(told: int, kept: int) -> None:
    """Else a file could be made to fill a memory."""
    facts = b"".join(b"\xfa" + string(b"fact %d" % number) + string(b"\xff") for number in range(told))
    begun = b"REDIS0012" + facts + b"\xff"
    reader = Reader(iter([begun + int(crc64(begun)).to_bytes(8, "little")]), values=False)
    assert not [entry for batch in reader.batches() for entry in batch]
    assert reader.facts == {f"fact {number}": "\ufffd" for number in range(kept)}
