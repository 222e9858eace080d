"""How much is in a value, to the byte: content, memory of its own for each part, elements, strings."""

import pytest

from worker.errors import FormatError
from worker.formats.rdb.lengths import Measure, allocated, measure

LONG = b"x" * 100


@pytest.mark.parametrize(
    ("payload", "measured"),
    [
        (b"\x00\x03abc", Measure(3, allocated(3), 1, 1)),
        (b"\x01\x02\x03abc\x40\x64" + LONG, Measure(103, allocated(3) + allocated(100), 2, 2)),
        (b"\x02\x02\x01a\xc0\x07", Measure(1, allocated(1) + allocated(4), 2, 2)),
        (b"\x04\x01\x01f\x02vv", Measure(3, allocated(1) + allocated(2), 2, 2)),
        (b"\x05\x01\x01m" + bytes(8), Measure(1, allocated(1), 1, 1)),
        (b"\x02\x00", Measure(0, 0, 0, 0)),
    ],
    ids=["string", "list", "set", "hash", "sorted set", "empty"],
)
def test_each_string_counts_once(payload: bytes, measured: Measure) -> None:
    assert measure(payload, 9) == measured


# A set of numbers, compressed: one byte as it is, then a part that would begin right before the first.
BEFORE_ITS_BEGIN = b"\x0b\xc3\x15\x18" + b"\x00A" + b"\x20\x01" + b"\x0f" + bytes(16)


@pytest.mark.parametrize("payload", [b"", b"\x02\x02\x01a", b"\x00\xc4", BEFORE_ITS_BEGIN])
def test_what_is_damaged_has_none(payload: bytes) -> None:
    with pytest.raises(FormatError):
        measure(payload, 9)


@pytest.mark.parametrize(
    ("size", "memory"),
    [
        (0, 24),
        (12, 24),
        (13, 40),
        (28, 40),
        (29, 56),
        (92, 104),
        (93, 120),
        (107, 120),
        (108, 120),
        (124, 136),
        (125, 168),
        (252, 264),
        (253, 328),
        (314, 328),
        (315, 392),
        (65_530, 65_544),
        (65_531, 81_928),
        (65_536, 81_928),
        (131_061, 131_080),
        (131_062, 135_168),
        (131_063, 167_936),
        (1_048_566, 1_052_672),
        (1_048_567, 1_314_816),
    ],
)
def test_a_string_takes_that_much_memory(size: int, memory: int) -> None:
    """Each time its size, a header of three, five or nine bytes and a zero go over what an allocator gives out."""
    assert allocated(size) == memory
