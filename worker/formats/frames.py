"""Where a compressed file can be begun besides its beginning: its frames, learnt while all of it passes once.

Both zstd and gzip may be written as several frames (members), one after the other, each of which opens by itself. Ours of zstd
are (compression.FRAME_BYTES); what other programs write is often a single one.
"""

import hashlib
from typing import NamedTuple

from worker.storage import Readable

LEAST_BYTES = 1 << 20
"""Of the dump: smaller frames are taken together, so that nobody can make their number large."""


class Frame(NamedTuple):
    """A piece of a stored file that opens by itself: one frame, or several small ones."""

    at: int
    """Its first byte in the file."""
    size: int
    """Bytes of the file."""
    raw_at: int
    """Its first byte in the dump."""
    sha256: bytes
    """Of its bytes of the file."""
    is_last: bool


class Frames:
    """A file that is read from its start to its end, as it goes through `ended` of what decompresses it."""

    def __init__(self, file: Readable) -> None:
        self._file, self._piece = file, b""
        self._passed = self._hashed = 0
        """Bytes of the file: before the piece, and of the piece that are hashed."""
        self._at = self._raw_at = 0
        self._hash = hashlib.sha256()
        self._frames: list[Frame] = []

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes of the file."""
        self._hash_to(len(self._piece))
        self._passed += len(self._piece)
        self._piece, self._hashed = self._file.read(size), 0
        return self._piece

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def ended(self, left: int, raw: int) -> None:
        """A frame has ended: so many bytes of the last piece are not of it, and the dump has had so many bytes by then."""
        if raw - self._raw_at >= LEAST_BYTES:
            self._end(len(self._piece) - left, raw)

    def all(self) -> list[Frame]:
        """Of the whole file, once that was read; none where it was not in frames."""
        if not self._frames:
            return []
        self._hash_to(len(self._piece))
        if self._passed + len(self._piece) > self._at:
            self._end(len(self._piece), self._raw_at)
        self._frames[-1] = self._frames[-1]._replace(is_last=True)
        return self._frames

    def _end(self, place: int, raw: int) -> None:
        self._hash_to(place)
        end = self._passed + place
        self._frames.append(Frame(self._at, end - self._at, self._raw_at, self._hash.digest(), is_last=False))
        self._at, self._raw_at, self._hash = end, raw, hashlib.sha256()

    def _hash_to(self, place: int) -> None:
        self._hash.update(memoryview(self._piece)[self._hashed : place])
        self._hashed = place
