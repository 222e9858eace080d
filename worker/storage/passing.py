"""Bytes that come in pieces, to be read like a file, and known to be all that there are."""

from collections.abc import Iterator

from worker.errors import StorageError


class Passing:
    """A Readable of pieces that are so many bytes together."""

    def __init__(self, pieces: Iterator[bytes], size: int, what: str) -> None:
        self._pieces, self._left, self._what = pieces, size, what
        self._rest = memoryview(b"")

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most that many; none at the end. StorageError where they end too early."""
        if size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
            self._left -= len(self._rest)
            if not self._rest and self._left:
                raise StorageError(f"{self._what} ended {self._left:,} bytes too early: try again.")
        piece, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return piece

    def close(self) -> None:
        """Let go of it."""
        if hasattr(self._pieces, "close"):
            self._pieces.close()
