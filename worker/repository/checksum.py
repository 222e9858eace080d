"""Counts and hashes what passes."""

import hashlib
from collections.abc import Iterator


class Meter:
    """Watches chunks go by: how many bytes, and their sha256 where `hashed`."""

    def __init__(self, *, hashed: bool = True) -> None:
        self.bytes = 0
        self._hashed, self._hash = hashed, hashlib.sha256()

    def watch(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the same chunks, counted and hashed."""
        for chunk in chunks:
            self.bytes += len(chunk)
            if self._hashed:
                self._hash.update(chunk)
            yield chunk

    @property
    def sha256(self) -> str:
        """Of all that has passed so far, in hexadecimal."""
        return self._hash.hexdigest()
