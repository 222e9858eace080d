"""What is kept of each key of one state to compare it with the next: 24 bytes, on disk, however many keys there are."""

from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Literal

from worker.formats.entries import Entry
from worker.restore.selection.filters import prefix_of
from worker.search import meaning
from worker.search.indexing.index import bounded_expiry, key_hash
from worker.search.indexing.sorting import Buckets

MOST_PREFIXES = 1000
MOST_DIGESTS = 250_000
"""Payloads whose meaning is remembered: most values are the same in many backups, and decoding takes ten times as long."""
Change = Literal["new", "differs", "gone", "expired"]
"""From one state to the next: not there before; of another value; no longer there; that too, for its time was over."""
Counts = Counter[tuple[bytes | None, Change]]
"""Keys by prefix (None: of one that is not counted by itself) and change."""

_HASH, _DIGEST, _EXPIRY, _PREFIX = 8, 8, 6, 2
_RECORD = _HASH + _DIGEST + _EXPIRY + _PREFIX
_NEVER = b"\xff" * _EXPIRY
_OTHERS = 0


class Shared:
    """What several states have in common: numbers for prefixes, and what was decoded already."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._names: list[bytes | None] = [None]
        self._digests: dict[bytes, bytes] = {}

    def number(self, key: bytes) -> int:
        """That of the key's prefix; the first MOST_PREFIXES have one of their own."""
        prefix = prefix_of(key)
        number = self._numbers.get(prefix, _OTHERS)
        if not number and len(self._names) <= MOST_PREFIXES:
            number = self._numbers[prefix] = len(self._names)
            self._names.append(prefix)
        return number

    def name(self, number: int) -> bytes | None:
        """The prefix of that number; None for all others."""
        return self._names[number]

    def digest(self, entry: Entry, rdb_version: int | None) -> bytes:
        """Equal for two entries that mean the same."""
        if entry.payload is None:
            return _digest(entry, rdb_version)
        raw = blake2b(entry.payload, digest_size=_HASH, salt=(rdb_version or 0).to_bytes(2, "big")).digest()
        if (known := self._digests.get(raw)) is not None:
            return known
        digest = _digest(entry, rdb_version)
        if len(self._digests) < MOST_DIGESTS:
            self._digests[raw] = digest
        return digest


def _digest(entry: Entry, rdb_version: int | None) -> bytes:
    held = meaning.of(entry, rdb_version)
    return blake2b(held.type.encode() + held.digest, digest_size=_DIGEST).digest()


class Marks:
    """The keys of one state; to be closed, for what it keeps on disk. StorageError where there is no room for that.

    Values are compared by what they mean, so in whatever encoding they were written.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._buckets = Buckets(_RECORD)

    def close(self) -> None:
        """Forget them."""
        self._buckets.__exit__(None, None, None)

    def __len__(self) -> int:
        return self._buckets.count

    def add(self, entries: Iterable[Entry], rdb_version: int | None) -> None:
        """Take in keys with their values; `rdb_version` is that of their payloads."""
        self._buckets.add(self._record(entry, rdb_version) for entry in entries)

    def _record(self, entry: Entry, rdb_version: int | None) -> bytes:
        at = bounded_expiry(entry.expires_at)
        expiry = _NEVER if at is None else at.to_bytes(_EXPIRY, "big")
        prefix = self._shared.number(entry.key).to_bytes(_PREFIX, "big")
        return key_hash(entry.db, entry.key) + self._shared.digest(entry, rdb_version) + expiry + prefix

    def until(self, later: "Marks", read_by: float) -> Counts:
        """What changed from this state to a later one, which was read by `read_by`, in milliseconds since the epoch."""
        counts: Counts = Counter()
        for before, after in zip(self._buckets.sorted(), later._buckets.sorted(), strict=True):
            known = dict(_records(before))
            for hashed, rest in _records(after):
                was = known.pop(hashed, None)
                if was is None:
                    counts[self._prefix(rest), "new"] += 1
                elif was[:_DIGEST] != rest[:_DIGEST]:
                    counts[self._prefix(rest), "differs"] += 1
            for rest in known.values():
                expiry = rest[_DIGEST : _DIGEST + _EXPIRY]
                over = expiry != _NEVER and int.from_bytes(expiry, "big") <= read_by
                counts[self._prefix(rest), "expired" if over else "gone"] += 1
        return counts

    def _prefix(self, rest: bytes) -> bytes | None:
        return self._shared.name(int.from_bytes(rest[-_PREFIX:], "big"))


def _records(bucket: bytes) -> Iterator[tuple[bytes, bytes]]:
    return ((bucket[at : at + _HASH], bucket[at + _HASH : at + _RECORD]) for at in range(0, len(bucket), _RECORD))
