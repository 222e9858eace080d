"""How large data may become when it is unpacked: a small file can be made to fill a disk, a memory or an hour."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Self

from worker.errors import ArtifactError

RATIO = 100
"""How many times its own size a foreign file may become. LZF's limit is 88, so a plain dump.rdb is never refused."""
LEAST_BYTES = 4 << 20
"""What any foreign file may become, in bytes. Its decoded values can take forty times as much memory."""


class Allowance:
    """Counts the bytes that a file becomes, and raises ArtifactError once they are too many."""

    def __init__(self, most: int, packed: int, way_out: str = "") -> None:
        """`packed` is how large one packed value may be; `way_out` says in a sentence what to do about a refusal."""
        self._most, self._left, self._packed, self._way_out = most, most, packed, way_out

    @classmethod
    def of_manifest(cls, raw: int) -> Self:
        """The size of the data, as its manifest has it."""
        return cls(raw, raw)

    @classmethod
    def foreign(cls, size: int, most: int | None = None) -> Self:
        """For a file of `size` bytes without a manifest; `most` is the limit that a person has set."""
        limit = most or max(LEAST_BYTES, size * RATIO)
        return cls(limit, most or max(LEAST_BYTES, size), _WAY_OUT)

    @classmethod
    def adopted(cls, raw: int, most: int | None) -> Self:
        """For the values of an adopted file, whose data has `raw` bytes while they are packed; `most` as whoever adopted it
        has said.
        """
        return cls(most or max(LEAST_BYTES, raw * RATIO), most or max(LEAST_BYTES, raw))

    def take(self, size: int) -> None:
        """Count so many bytes."""
        self._left -= size
        if self._left < 0:
            raise ArtifactError(
                f"The data is larger than the {self._most:,} bytes it can be: it was made to fill a disk or a memory."
                f"{self._way_out}"
            )

    def check_packed(self, size: int) -> None:
        """Refuse a packed value of so many bytes where that is too large: no server packs so much."""
        if size > self._packed:
            raise ArtifactError(
                f"A packed value of it has {size:,} bytes, and no server packs so much: it was made to fill a disk or a memory."
                f"{self._way_out}"
            )

    def bounded(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The same chunks, each counted as it passes."""
        for chunk in chunks:
            self.take(len(chunk))
            yield chunk

    @contextmanager
    def at_hand(self) -> Iterator[None]:
        """Within the block, what values unpack to is counted as well."""
        token = _AT_HAND.set(self)
        try:
            yield
        finally:
            _AT_HAND.reset(token)


_WAY_OUT = " If you trust it, say with --max-size how many bytes it may become."
_AT_HAND: ContextVar[Allowance | None] = ContextVar("allowance", default=None)


def unpacking(size: int) -> None:
    """Count a compressed string that is about to become so many bytes."""
    if (allowance := _AT_HAND.get()) is not None:
        allowance.take(size)


def taking_apart(size: int) -> None:
    """Check a packed value of so many bytes before it is unpacked."""
    if size > LEAST_BYTES and (allowance := _AT_HAND.get()) is not None:
        allowance.check_packed(size)
