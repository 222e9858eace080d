"""Records of one width, sorted: millions of them at flat memory, for they lie in unnamed temporary files meanwhile."""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from worker.storage.tempfiles import on_disk, temporary

_BUCKETS = 256
_HELD_BYTES = 8 << 20


class Buckets:
    """Takes records in any order, and gives them in that of their bytes; use it in a `with`.

    The first byte of a record chooses its bucket, so it must be as good as random. StorageError where the disk
    has no room.
    """

    def __init__(self, width: int) -> None:
        self.count = 0
        self._width = width
        self._held = [bytearray() for _ in range(_BUCKETS)]
        self._held_bytes = 0
        # For each bucket, where its parts lie in the file: offset and bytes.
        self._parts: list[list[tuple[int, int]]] = [[] for _ in range(_BUCKETS)]
        self._file = temporary()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, records: Iterable[bytes]) -> None:
        """Take some records."""
        held, count = self._held, 0
        for record in records:
            held[record[0]] += record
            count += 1
        self.count += count
        self._held_bytes += count * self._width
        if self._held_bytes >= _HELD_BYTES:
            self._put_away()

    def _put_away(self) -> None:
        with on_disk():
            at = self._file.seek(0, 2)
            for parts, records in zip(self._parts, self._held, strict=True):
                self._file.write(records)
                parts.append((at, len(records)))
                at += len(records)
                records.clear()
            self._file.flush()
        self._held_bytes = 0

    def sorted(self) -> Iterator[bytes]:
        """Yield all records in order, those of one bucket at a time."""
        self._put_away()
        width = self._width
        for parts in self._parts:
            records = self._read(parts)
            yield b"".join(sorted(records[at : at + width] for at in range(0, len(records), width)))

    def _read(self, parts: list[tuple[int, int]]) -> bytes:
        read = []
        with on_disk():
            for at, size in parts:
                self._file.seek(at)
                read.append(self._file.read(size))
        return b"".join(read)
