"""How much may be made of bytes that somebody wrote: a small file can be made to fill a disk, a memory or an hour."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Self

from worker.errors import ArtifactError

RATIO = 100
"""How much larger a foreign file may become. LZF makes at most 88 bytes of one, so a plain dump.rdb is never refused."""
LEAST_BYTES = 4 << 20
"""What any foreign file may become. Its values, taken apart, can take forty times as much memory."""


class Allowance:
    """Bytes that may come of a file, which are taken as they come. ArtifactError once they are too many."""

    def __init__(self, most: int, packed: int, way_out: str = "") -> None:
        """`packed` is how large one packed value may be; `way_out` is what helps who is refused."""
        self._most, self._left, self._packed, self._way_out = most, most, packed, way_out

    @classmethod
    def told(cls, raw: int) -> Self:
        """What a manifest says that the data has."""
        return cls(raw, raw)

    @classmethod
    def foreign(cls, size: int, most: int | None = None) -> Self:
        """What a file of `size` bytes may become that nobody vouches for; `most` where somebody has said it."""
        limit = most or max(LEAST_BYTES, size * RATIO)
        return cls(limit, most or max(LEAST_BYTES, size), _WAY_OUT)

    @classmethod
    def adopted(cls, raw: int) -> Self:
        """What the values of a file may become that was taken in, and has so many bytes without them."""
        return cls(max(LEAST_BYTES, raw * RATIO), max(LEAST_BYTES, raw))

    def take(self, size: int) -> None:
        """Note that so many bytes have come, or are about to."""
        self._left -= size
        if self._left < 0:
            raise ArtifactError(
                f"The data is larger than the {self._most:,} bytes it can be: it was made to fill a disk or a memory."
                f"{self._way_out}"
            )

    def check_packed(self, size: int) -> None:
        """Whether a packed value of so many bytes is to be taken apart: no server packs one that is large."""
        if size > self._packed:
            raise ArtifactError(
                f"A packed value of it has {size:,} bytes, and no server packs so much: it was made to fill a disk or a memory."
                f"{self._way_out}"
            )

    def bounded(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The same chunks, each taken as it passes."""
        for chunk in chunks:
            self.take(len(chunk))
            yield chunk

    @contextmanager
    def at_hand(self) -> Iterator[None]:
        """In the block, what is unpacked out of a value is taken as well."""
        token = _AT_HAND.set(self)
        try:
            yield
        finally:
            _AT_HAND.reset(token)


_WAY_OUT = " If you trust it, say with --max-size how many bytes it may become."
_AT_HAND: ContextVar[Allowance | None] = ContextVar("allowance", default=None)


def unpacking(size: int) -> None:
    """So many bytes are about to come of a compressed string."""
    if (allowance := _AT_HAND.get()) is not None:
        allowance.take(size)


def taking_apart(size: int) -> None:
    """A packed value of so many bytes is about to be taken apart."""
    if size > LEAST_BYTES and (allowance := _AT_HAND.get()) is not None:
        allowance.check_packed(size)
