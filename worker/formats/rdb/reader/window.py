"""The bytes of a file, a window at a time: where we are, and the CRC64 of all that has passed."""

import re
from collections.abc import Iterator
from typing import NoReturn

from worker.errors import FormatError
from worker.formats.rdb.payload import crc64

CHECKSUM_BYTES = 8
LARGEST_STEP = 64 << 20
_MARK_BYTES = 40
_MARK = re.compile(rb"[0-9a-f]{40}")
"""What a primary puts behind a transfer whose length it did not know (replication.c)."""
LONGEST_RECORD = 513 << 20
"""Bytes of a key or function, which is always held whole; a server takes 512 MB in one argument."""


class Window:
    """A part of a file that is held: `data`, of which everything before `pos` has been dealt with."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.data, self.pos = b"", 0
        self.offset = 0
        """Where `data` begins in the file."""
        self._chunks = chunks
        self._crc = 0

    def fail(self, what: str, whole: str = "This is not a whole RDB file") -> NoReturn:
        """Raise FormatError with the place; `whole` says what that means for the file."""
        raise FormatError(f"{whole}: {what}, at byte {self.offset + self.pos:,}.")

    def refill(self) -> int:
        """Drop what was dealt with and read on. Gives the number of dropped bytes: all positions have moved by it.

        At least one chunk is read, and about as much as is left over, so that a record larger than a window is not joined
        again for each chunk. FormatError at the end of the file.
        """
        rest = [self.data[self.pos :]]
        if len(rest[0]) > LONGEST_RECORD:
            self.fail("a key or a function in it is longer than any server takes")
        dropped = self._drop(self.pos)
        self.data = b""
        wanted = max(1, min(len(rest[0]), LARGEST_STEP))
        while wanted > 0:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            rest.append(chunk)
            wanted -= max(len(chunk), 1)
        if len(rest) == 1:
            self._fail_at_the_end(rest[0])
        self.data = b"".join(rest)
        return dropped

    def _fail_at_the_end(self, rest: bytes) -> NoReturn:
        """The file ends too early. If its checksum is right it is whole, and has something that this program does not know."""
        # The CRC64 of data with its own CRC64 behind it is 0.
        if crc64(rest, self._crc) == 0:
            self.fail(
                "its checksum is right, so nothing of it is missing, and what stands here is of no kind that this program "
                "knows",
                "This RDB file cannot be read to its end",
            )
        self.fail("it is cut short")

    def _drop(self, count: int) -> int:
        self._crc = crc64(self.data[:count], self._crc)
        self.offset += count
        self.pos = 0
        return count

    def end(self, checksum_bytes: int) -> Iterator[None]:
        """Check that behind the end mark comes the checksum, and then nothing. Yields once for each chunk that is read."""
        rest = self.data[self.pos :]
        self._drop(self.pos)
        for chunk in self._chunks:
            rest += chunk
            if len(rest) > checksum_bytes:
                break
            yield
        if len(rest) < checksum_bytes:
            self.fail("it is cut short")
        if len(rest) > checksum_bytes:
            yield from self._fail_behind_the_end(rest[checksum_bytes:], self.offset + checksum_bytes)
        self._check(rest)

    def _fail_behind_the_end(self, rest: bytes, whole: int) -> Iterator[None]:
        """Say what follows byte `whole`, where the file should end. Servers load such a file and ignore the rest."""
        number, first = len(rest), rest[: _MARK_BYTES + 1]
        for chunk in self._chunks:
            number += len(chunk)
            first = (first + chunk)[: _MARK_BYTES + 1]
            yield
        what = f"{number:,} bytes follow its end" if number > 1 else "1 byte follows its end"
        if _MARK.fullmatch(first):
            what += ", the mark that ends a transfer by replication"
        self.fail(
            f"{what}; its first {whole:,} bytes may be a whole one (head -c {whole})", "This is not only an RDB file"
        )

    def drain(self, end_mark: int) -> Iterator[None]:
        """Behind something unreadable only the end mark and the checksum are still checked. Yields once for each chunk."""
        held = 1 + CHECKSUM_BYTES
        while True:
            self.pos = max(0, len(self.data) - held)
            tail = self.data[self.pos :]
            self._drop(self.pos)
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self.data = tail + chunk
            yield
        if len(tail) < held or tail[0] != end_mark:
            self.fail("no end mark stands before its checksum, so it is cut short or its end has changed")
        self._crc = crc64(tail[:1], self._crc)
        self._check(tail[1:])

    def _check(self, checksum: bytes) -> None:
        written = int.from_bytes(checksum, "little")
        # Zero means that the server was told not to compute it (`rdbchecksum no`).
        if written and written != self._crc:
            self.fail("its checksum does not match, so some byte before has changed")
