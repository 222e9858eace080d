"""Ziplists, listpacks, intsets, zipmaps and LZF, and damage of every kind to each."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import payloads
from worker.errors import FormatError
from worker.formats.rdb.encodings import intset, listpack, lzf, ziplist, zipmap

NUMBERS = [0, 1, 127, 128, -1, 4095, -4096, 4096, -4097, 32767, -32768, 32768, -(2**23), 2**23, 2**31 - 1, -(2**31)]
NUMBERS += [2**31, 2**63 - 1, -(2**63)]
TEXTS = [
    b"",
    b"a",
    b"x" * 63,
    b"x" * 64,
    b"y" * 125,
    b"y" * 126,
    b"z" * 4095,
    b"z" * 4096,
    b"w" * 20_000,
    bytes(range(256)),
]
ZIPLIST = payloads.ziplist(
    *(bytes((0xF1 + number,)) for number in range(13)),
    b"\xfe\x80",
    b"\xc0\x00\x80",
    b"\xf0\x00\x00\x80",
    b"\xd0\x00\x00\x00\x80",
    b"\xe0" + bytes(7) + b"\x80",
    b"\x00",
    b"\x3f" + b"a" * 63,
    b"\x40\x40" + b"b" * 64,
    b"\x7f\xff" + b"c" * 16_383,
    b"\x80\x00\x00\x40\x00" + b"d" * 16_384,
    b"\x01e",
)
ZIPMAP = b"\x03\x03foo\x03\x00bar\x05hello\x05\x02world??\xfe\x2c\x01\x00\x00" + b"k" * 300 + b"\x00\x00\xff"
LZF = b"\x02abc\x20\x02\xe0\xff\x00\x00!"
DECODERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "listpack": (listpack, payloads.listpack(*NUMBERS, b"", b"text", b"x" * 200)),
    "ziplist": (ziplist, payloads.ziplist(b"\xf5", b"\x03abc", b"\x40\xc8" + b"x" * 200, b"\xc0\x01\x02", b"\x01y")),
    "intset": (intset, payloads.intset(4, -5, 0, 70_000)),
    "zipmap": (zipmap, ZIPMAP),
    "lzf": (lambda data: lzf(data, 271), LZF),
}
each_decoder = pytest.mark.parametrize(("decode", "sample"), DECODERS.values(), ids=DECODERS)


def _decodes_or_refuses(decode: Callable[[bytes], object], data: bytes) -> bool:
    try:
        decode(data)
    except FormatError:
        return False
    return True


def test_a_listpack_gives_its_numbers_as_decimal_text() -> None:
    assert listpack(payloads.listpack(*NUMBERS)) == [b"%d" % number for number in NUMBERS]


def test_a_listpack_gives_texts_of_every_length() -> None:
    assert listpack(payloads.listpack(*TEXTS)) == TEXTS


def test_an_empty_listpack_has_no_elements() -> None:
    assert listpack(payloads.listpack()) == []


def test_a_listpack_whose_element_needs_a_back_length_of_four_bytes_is_read() -> None:
    huge = b"h" * (1 << 21)
    assert listpack(payloads.listpack(huge, 1)) == [huge, b"1"]


def test_a_listpack_of_more_elements_than_its_header_can_count_is_read() -> None:
    assert listpack(payloads.listpack(*[7] * 70_000)) == [b"7"] * 70_000


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_listpack_that_miscounts_itself_is_refused(count: int) -> None:
    with pytest.raises(FormatError, match="listpack"):
        listpack(payloads.listpack(1, 2, count=count))


def test_a_listpack_entry_with_a_wrong_back_length_is_refused() -> None:
    good = payloads.listpack(b"abc", 5)
    assert good[10] == 4
    with pytest.raises(FormatError, match="at its byte 6"):
        listpack(good[:10] + b"\x05" + good[11:])


@pytest.mark.parametrize("head", [0xF5, 0xFE, 0xFF])
def test_a_listpack_entry_of_an_unknown_kind_is_refused(head: int) -> None:
    data = payloads.listpack(1, 2)
    with pytest.raises(FormatError, match="listpack"):
        listpack(data[:6] + bytes((head,)) + data[7:])


def test_a_ziplist_gives_every_kind_of_number_and_text() -> None:
    numbers = [*range(13), -128, -32768, -(2**23), -(2**31), -(2**63)]
    texts = [b"", b"a" * 63, b"b" * 64, b"c" * 16_383, b"d" * 16_384, b"e"]
    assert ziplist(ZIPLIST) == [b"%d" % number for number in numbers] + texts


@pytest.mark.parametrize("head", [0x80, 0x81, 0xBF])
def test_of_a_length_of_four_bytes_only_the_first_two_bits_count(head: int) -> None:
    data = payloads.ziplist(bytes((head, 0, 0, 0x40, 0)) + b"d" * 16_384, b"\x01e")
    assert ziplist(data) == [b"d" * 16_384, b"e"]


def test_the_ziplist_of_redis_own_documentation_is_read() -> None:
    assert ziplist(bytes.fromhex("0f000000 0c000000 0200 00f3 02f6 ff")) == [b"2", b"5"]


def test_an_empty_ziplist_has_no_elements() -> None:
    assert ziplist(payloads.ziplist()) == []


def test_a_short_length_of_the_previous_entry_may_be_written_long() -> None:
    body = b"\x00\xf3" + b"\xfe\x02\x00\x00\x00\xf6"
    data = (len(body) + 11).to_bytes(4, "little") + b"\x0c\x00\x00\x00\x02\x00" + body + b"\xff"
    assert ziplist(data) == [b"2", b"5"]


@pytest.mark.parametrize(
    ("offset", "byte"), [(4, 0x0B), (8, 3), (8, 1), (10, 1), (12, 3), (11, 0xFF), (12, 0xFF), (14, 0)]
)
def test_a_ziplist_with_a_wrong_tail_count_previous_length_or_end_is_refused(offset: int, byte: int) -> None:
    data = bytearray.fromhex("0f000000 0c000000 0200 00f3 02f6 ff")
    data[offset] = byte
    with pytest.raises(FormatError, match="ziplist"):
        ziplist(bytes(data))


@pytest.mark.parametrize("width", [2, 4, 8])
def test_an_intset_of_every_width_gives_decimal_text(width: int) -> None:
    members = [-(1 << 8 * width - 1), -1, 0, (1 << 8 * width - 1) - 1]
    assert intset(payloads.intset(width, *members)) == [b"%d" % member for member in members]


@pytest.mark.parametrize(
    "data", [b"", b"\x02", payloads.intset(2, 1)[:-1], payloads.intset(2, 1) + b"\0", b"\x03" + bytes(7)]
)
def test_an_intset_of_another_size_than_it_says_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError, match="intset"):
        intset(data)


def test_a_zipmap_gives_fields_and_values_and_leaves_unused_bytes_out() -> None:
    assert zipmap(ZIPMAP) == [b"foo", b"bar", b"hello", b"world", b"k" * 300, b""]


def test_a_zipmap_with_too_many_fields_to_count_is_read() -> None:
    pairs = b"".join(b"\x04%04d\x01\x00v" % number for number in range(300))
    assert zipmap(b"\xfe" + pairs + b"\xff")[-2:] == [b"0299", b"v"]


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"\x01\xff", b"\x01\x03foo\xff", b"\x01\xff\x03foo\x00\x00\xff", b"\x02\x01a\x01\x00b\xff"]
)
def test_a_zipmap_that_contradicts_itself_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError, match="zipmap"):
        zipmap(data)


def test_compressed_text_repeats_what_came_before() -> None:
    assert lzf(LZF, 271) == b"abcabc" + b"c" * 264 + b"!"


def test_a_claim_of_more_text_than_the_compression_can_hold_is_refused_at_once() -> None:
    started = time.monotonic()
    with pytest.raises(FormatError, match="claims to hold"):
        lzf(b"\x00a", 2**40)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("data", "size"), [(b"\x00a", 2), (b"\x01a", 2), (b"\x20\x00", 3), (b"\x00a\x20\x01", 4), (b"\x00a\xe0", 5)]
)
def test_compressed_text_of_another_size_or_with_a_reference_to_nothing_is_refused(data: bytes, size: int) -> None:
    with pytest.raises(FormatError, match="compressed text"):
        lzf(data, size)


@each_decoder
def test_every_truncation_is_refused(decode: Callable[[bytes], object], sample: bytes) -> None:
    assert _decodes_or_refuses(decode, sample)
    assert not any(_decodes_or_refuses(decode, sample[:size]) for size in range(len(sample)))


@each_decoder
def test_every_changed_byte_decodes_or_is_refused(decode: Callable[[bytes], object], sample: bytes) -> None:
    changed = [sample[:at] + bytes((byte,)) + sample[at + 1 :] for at in range(len(sample)) for byte in range(256)]
    outcomes = [_decodes_or_refuses(decode, data) for data in changed]
    assert not all(outcomes)


@each_decoder
@given(data=st.binary(max_size=300))
def test_random_bytes_decode_or_are_refused(decode: Callable[[bytes], object], sample: bytes, data: bytes) -> None:
    assert _decodes_or_refuses(decode, data) in (True, False)


@given(st.lists(st.binary(max_size=200) | st.integers(-(2**63), 2**63 - 1), max_size=40))
def test_any_listpack_is_read_back(elements: list[bytes | int]) -> None:
    expected = [b"%d" % element if isinstance(element, int) else element for element in elements]
    assert listpack(payloads.listpack(*elements)) == expected


@given(st.binary(max_size=60), st.lists(st.tuples(st.integers(1, 8192), st.integers(3, 264)), max_size=20))
def test_compressed_text_is_what_a_byte_by_byte_reading_gives(start: bytes, references: list[tuple[int, int]]) -> None:
    data, text = b"".join(b"\x00" + bytes((byte,)) for byte in start), bytearray(start)
    for wanted, size in references:
        back = min(wanted, len(text))
        if back:
            far, near = divmod(back - 1, 256)
            head = bytes((size - 2 << 5 | far,)) if size < 9 else bytes((7 << 5 | far, size - 9))
            data += head + bytes((near,))
            for _ in range(size):
                text.append(text[-back])
    assert lzf(data, len(text)) == bytes(text)
