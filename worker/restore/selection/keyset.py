"""Which keys there are, for millions of them at flat memory: added first, asked for afterwards.

Of a key only eight bytes are kept: Python's own `hash` of it with its database, which is SipHash under a secret of this
process, so that nobody can choose keys that collide. They lie in unnamed temporary files, in buckets that are sorted one
by one. Should two keys collide all the same (of ten million against ten million, one time in 200,000), the one that is
not there is taken to be there: whoever deletes what is missing here keeps a key too many, and never deletes one.
"""

import mmap
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import pairwise
from types import TracebackType
from typing import Self

from worker.storage.tempfiles import on_disk, temporary

BUCKETS = 256
HELD = 1 << 18
"""Hashes in memory before they are put away: two megabytes."""
_HASH_BYTES = 8


class KeySet:
    """A set of (db, key); use it in a `with`, for what it keeps on disk. StorageError where there is no room for that."""

    def __init__(self) -> None:
        self._buckets = [array("q") for _ in range(BUCKETS)]
        self._held = 0
        # For each bucket, where its parts lie in the file: offset and bytes.
        self._parts: list[list[tuple[int, int]]] = [[] for _ in range(BUCKETS)]
        self._stack = ExitStack()
        self._file = self._stack.enter_context(temporary())
        self._hashes = memoryview(b"").cast("q")
        self._ends: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, db: int, keys: Iterable[bytes]) -> None:
        """Keys of one database, before anything is asked."""
        if self._ends:
            raise ValueError("a key set that was asked takes no more keys")
        buckets, held = self._buckets, 0
        for key in keys:
            digest = hash((db, key))
            buckets[digest % BUCKETS].append(digest)
            held += 1
        self._held += held
        if self._held >= HELD:
            self._put_away()

    def missing(self, db: int, keys: Iterable[bytes]) -> list[bytes]:
        """Those of these keys that were not added, in their order."""
        if not self._ends:
            self._sort()
        return [key for key in keys if not self._has(hash((db, key)))]

    def has(self, db: int, key: bytes) -> bool:
        """Whether that key was added."""
        if not self._ends:
            self._sort()
        return self._has(hash((db, key)))

    def distinct(self) -> int:
        """How many keys were added, each counted once."""
        if not self._ends:
            self._sort()
        return sum(len(set(self._hashes[start:end])) for start, end in pairwise(self._ends))

    def _has(self, digest: int) -> bool:
        bucket = digest % BUCKETS
        start, end = self._ends[bucket], self._ends[bucket + 1]
        place = bisect_left(self._hashes, digest, start, end)
        return place < end and self._hashes[place] == digest

    def _put_away(self) -> None:
        with on_disk():
            at = self._file.seek(0, 2)
            for parts, bucket in zip(self._parts, self._buckets, strict=True):
                parts.append((at, len(bucket) * _HASH_BYTES))
                at += len(bucket) * _HASH_BYTES
                self._file.write(bucket)
                del bucket[:]
        self._held = 0

    def _sort(self) -> None:
        """Each bucket as one sorted run, all of them in one file."""
        self._put_away()
        out = self._stack.enter_context(temporary())
        self._ends = [0]
        with on_disk():
            for digests in map(self._sorted, range(BUCKETS)):
                out.write(digests)
                self._ends.append(self._ends[-1] + len(digests))
            out.flush()
        self._file.close()
        if self._ends[-1]:
            mapped = self._stack.enter_context(mmap.mmap(out.fileno(), 0, access=mmap.ACCESS_READ))
            self._hashes = self._stack.enter_context(self._stack.enter_context(memoryview(mapped)).cast("q"))

    def _sorted(self, bucket: int) -> "array[int]":
        digests = array("q")
        for offset, size in self._parts[bucket]:
            self._file.seek(offset)
            digests.frombytes(self._file.read(size))
        return array("q", sorted(digests))
