"""One string can be spelt in many ways: whoever reads, measures or passes over it finds the same text and the same end."""

import pytest

from tests.formats.rdb.samples import SAMPLES
from tests.formats.rdb.spelt import lengths, spellings
from tests.support.payloads import intset, listpack, string, ziplist
from worker.errors import FormatError
from worker.formats.rdb.lengths import allocated, measure, string_size
from worker.formats.rdb.skipping import FLAT, LENGTH, STRING, STRINGS, Skipper, after_flat, after_plain, after_string
from worker.formats.rdb.strings import length_of, read_length, read_string, read_strings, string_of, view_string
from worker.formats.rdb.values import decode

BOUNDS = (0, 1, 62, 63, 64, 65, 255, 256, 16_383, 16_384, 70_000)
"""Where a length takes one byte more, and a few between."""
BEFORE, BEHIND = b"\xc3\x41", b"\x07more"
"""Nobody may look at what stands around a string."""
PACKED = {name: payload for name, payload in SAMPLES.items() if "listpack" in name or "ziplist" in name}
PACKED |= {"intset": SAMPLES["intset"], "zipmap": b"\x09" + string(b"\x02\x01f\x01\x00v\x05field\x01\x00v\xff")}
SIZES = [
    *range(16, 129, 16),
    *(160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048),
]
"""What jemalloc gives out, of what is no larger than two kilobytes."""


ONE_LENGTH = (LENGTH,)


def texts() -> list[bytes]:
    varied = bytes(range(256)) * 300
    return [text for size in BOUNDS for text in (b"x" * size, varied[:size])]


@pytest.mark.parametrize("number", [*BOUNDS, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 64) - 1])
def test_a_length_is_read_however_it_is_written_and_written_as_short_as_can_be(number: int) -> None:
    ways = lengths(number) if number < 1 << 32 else [b"\x81" + number.to_bytes(8, "big")]
    for way in ways:
        assert read_length(BEFORE + way + BEHIND, 2) == (number, 2 + len(way))
        assert after_plain(BEFORE + way + BEHIND, 2, ONE_LENGTH) == 2 + len(way)
    assert length_of(number) == min(ways, key=len)


@pytest.mark.parametrize("text", texts(), ids=lambda text: f"{len(text)} {'alike' if text[:1] == b'x' else 'varied'}")
def test_a_string_is_the_same_however_it_is_spelt(text: bytes) -> None:
    assert string_of(text) == string(text)
    for one in spellings(text):
        data, end = BEFORE + one + BEHIND, 2 + len(one)
        assert read_string(data, 2) == (text, end)
        assert (bytes(view_string(data, 2)[0]), view_string(data, 2)[1]) == (text, end)
        assert read_strings(BEFORE + one + one + BEHIND, 2, 2) == ([text, text], end + len(one))
        assert after_string(data, 2) == after_plain(data, 2, (STRING,)) == end
        assert Skipper((STRING,)).skip(data, 2) == (end, True)
        assert after_flat(BEFORE + b"\x01" + one + BEHIND, 2, FLAT[STRINGS]) == end + 1
        assert string_size(data, 2) == (len(text), end)


@pytest.mark.parametrize(
    ("spelt", "text"),
    [
        (b"\xc0\x7f", b"127"),
        (b"\xc0\xff", b"-1"),
        (b"\xc1\x00\x80", b"-32768"),
        (b"\xc1\x39\x30", b"12345"),
        (b"\xc2\xff\xff\xff\x7f", b"2147483647"),
    ],
)
def test_a_number_is_text_and_takes_no_memory_of_its_own(spelt: bytes, text: bytes) -> None:
    data, end = BEFORE + spelt + BEHIND, 2 + len(spelt)
    assert read_string(data, 2) == (text, end)
    assert (bytes(view_string(data, 2)[0]), view_string(data, 2)[1]) == (text, end)
    assert after_string(data, 2) == after_plain(data, 2, (STRING,)) == end
    assert string_size(data, 2) == (0, end)


@pytest.mark.parametrize("text", [b"", b"a", b"x" * 63, b"x" * 64, b"ab" * 40])
def test_a_string_that_is_cut_is_no_shorter_string(text: bytes) -> None:
    for one in spellings(text):
        for size in range(len(one)):
            for read in (read_string, view_string, lambda data, pos: read_strings(data, pos, 1)):
                with pytest.raises((IndexError, FormatError)):
                    read(BEFORE + one[:size], 2)


@pytest.mark.parametrize("head", [0xC4, 0xD0, 0xFF, 0x82, 0xBF])
def test_what_is_no_string_is_refused_with_its_place(head: int) -> None:
    for read in (read_string, view_string, lambda data, pos: read_strings(data, pos, 1)):
        with pytest.raises(FormatError, match=r"at byte 2 where one must be"):
            read(BEFORE + bytes((head,)) + bytes(20), 2)


@pytest.mark.parametrize("text", [b"a", b"x" * 300, bytes(range(200))])
def test_elements_are_measured_alike_however_they_are_spelt(text: bytes) -> None:
    for one in spellings(text):
        found = measure(b"\x04\x02" + one * 4, 9)
        assert found == (4 * len(text), 4 * allocated(len(text)), 4, 4)
        assert measure(b"\x00" + one, 9) == (len(text), allocated(len(text)), 1, 1)


@pytest.mark.parametrize("name", PACKED)
def test_what_is_packed_counts_the_same_when_it_is_compressed_as_well(name: str) -> None:
    """How many elements it has stands in its first bytes, which are not unpacked to the end for that."""
    payload = PACKED[name]
    start = 9 if name == "hash ttl listpack" else 1
    blob, end = read_string(payload, start)
    assert end == len(payload)
    plain = measure(payload, 12)
    assert plain is not None
    assert plain.content == len(blob)
    for one in spellings(blob):
        assert measure(payload[:start] + one, 12) == plain
        assert decode(payload[:start] + one, 12) == decode(payload, 12)


@pytest.mark.parametrize("count", [1, 2, 40, 200, 1000])
def test_a_count_that_is_far_into_repeated_bytes_is_found(count: int) -> None:
    blobs = [
        (0x10, listpack(*[7] * 2 * count), 2 * count),
        (0x0A, ziplist(*[b"\xf8"] * count), count),
        (0x0B, intset(4, *[4] * 4 * count), 4 * count),
        (0x0B, intset(4, *[1] * count), count),
    ]
    for code, blob, elements in blobs:
        for one in spellings(blob):
            found = measure(bytes((code,)) + one, 12)
            assert found == (len(blob), allocated(len(blob)), elements, 1)


def test_a_string_takes_what_an_allocator_gives_for_it() -> None:
    """With a header of three or five bytes, a zero at the end, and eight of the C library."""
    for size in range(1900):
        header = 3 if size < 256 else 5
        wanted = next(one for one in SIZES if one >= size + header + 1)
        assert wanted <= allocated(size) - 8 <= wanted * 1.25, size
    for size in (1 << 16, 1 << 17, 1 << 20, 100 << 20):
        assert size < allocated(size) <= size * 1.25 + 4096 + 10


def test_of_what_is_not_counted_there_are_as_many_as_there_can_be() -> None:
    """The headers of packed values stop counting somewhere, and what is reckoned is never too little."""
    many = listpack(*[7] * 70_000)
    assert measure(b"\x10" + string(many), 12) == (len(many), allocated(len(many)), len(many) // 2, 1)
    counted = listpack(*[7] * 65_534)
    assert measure(b"\x10" + string(counted), 12) == (len(counted), allocated(len(counted)), 65_534, 1)
    for number, elements in ((253, 506), (254, 254 * 5 // 2 + 1)):
        zipmap = bytes((number,)) + b"\x01f\x01\x00v" * number + b"\xff"
        assert measure(b"\x09" + string(zipmap), 12) == (len(zipmap), allocated(len(zipmap)), elements, 1)
