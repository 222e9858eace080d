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


@pytest.mark.parametrize("payload", [b"", b"\x02\x02\x01a", b"\x00\xc4"])
def test_what_is_damaged_has_none(payload: bytes) -> None:
    with pytest.raises(FormatError):
        measure(payload, 9)
