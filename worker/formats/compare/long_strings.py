"""A long string as it lies in its payload, which may be half of all memory: nobody makes a copy of it."""

from typing import Self, overload

from worker.formats.rdb.strings import read_length
from worker.formats.rdb.values import STRING

LONG, PIECE = 1 << 20, 1 << 20
_LAST_LENGTH = 0x81


class LongString:
    """Measured, sliced and compared as bytes are."""

    def __init__(self, view: memoryview) -> None:
        self._view = view

    @classmethod
    def of(cls, payload: bytes) -> Self | None:
        """What a payload holds; None where that is short, packed, damaged or no string."""
        if len(payload) < LONG or payload[0] != STRING or payload[1] > _LAST_LENGTH:
            return None
        length, start = read_length(payload, 1)
        return cls(memoryview(payload)[start:]) if start + length == len(payload) else None

    def __len__(self) -> int:
        return len(self._view)

    @overload
    def __getitem__(self, where: int) -> int: ...
    @overload
    def __getitem__(self, where: slice) -> bytes: ...
    def __getitem__(self, where: int | slice) -> int | bytes:
        return bytes(self._view[where]) if isinstance(where, slice) else self._view[where]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, bytes | LongString):
            return NotImplemented
        return len(self) == len(other) and in_common(self, other) == len(self)

    __hash__ = None  # type: ignore[assignment]


def in_common(left: bytes | LongString, right: bytes | LongString) -> int:
    """How many bytes at the beginning are the same: by pieces, for views are compared fifty times slower than bytes."""
    start, shorter = 0, min(len(left), len(right))
    while start < shorter and left[start : start + PIECE] == right[start : start + PIECE]:
        start += PIECE
    first, second = left[start : start + PIECE], right[start : start + PIECE]
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[:middle] == second[:middle]:
            low = middle
        else:
            high = middle - 1
    return min(shorter, start + low)
