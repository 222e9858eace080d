"""What makes one key of a backup quick to find: for each key its digest, and where in the dump it lies.

An index is made on the first search, not while backing up, and lies beside the artifact. It is derived: whatever
becomes of it, it can be made anew. Layout in docs/format.md; a key takes 25 bytes, whatever its length.
"""

import hashlib
import mmap
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from struct import Struct
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

import structlog

from worker.errors import ArtifactError, FormatError, NotFoundError, RefusedError, StorageError
from worker.formats.encryption import Keys
from worker.formats.entries import Entry, Opaque
from worker.formats.frames import Frame, Frames
from worker.formats.portable import shapes
from worker.progress import Progress
from worker.repository import artifact
from worker.repository.manifest import Manifest
from worker.search.indexing.shelf import Shelf
from worker.search.indexing.sorting import Buckets
from worker.storage import Storage
from worker.storage.tempfiles import on_disk, temporary

log = structlog.get_logger()

FORMAT = 2
MAGIC = b"RBKINDEX"
ASKED = b"RBKASKED"
"""What stands in the place of an index that somebody would have used once."""
_HEADER = Struct(">8sIIQI32s")
_FRAME = Struct(">QQ32s")
FRAMES_BESIDE = 8
"""Frames that a record names: of a larger value than these hold the whole artifact is read."""
_HASH, _DIGEST, _PLACE, _EXPIRY = 8, 6, 5, 6
RECORD_BYTES = _HASH + _DIGEST + _PLACE + _EXPIRY
_CHECKSUM_BYTES = 32
_NEVER = b"\xff" * _EXPIRY
LATEST_EXPIRY = (1 << 8 * _EXPIRY) - 2
"""Milliseconds since the epoch, in the year 10889: what expires later is written as this."""


class Record(NamedTuple):
    """One key of a backup as its index has it."""

    digest: bytes
    """Of the payload, or of the value in JSON."""
    begins_at: int
    """Behind which byte of the dump it is found by `artifact.resumed`."""
    expires_at: int | None
    """Milliseconds since the epoch."""
    frames: tuple[Frame, ...] = ()
    """Of the artifact, from the one with that byte on, so many as the key is most likely in; none where it is not known."""

    def fits(self, entry: Entry) -> bool:
        """Whether it was made of an entry like this one."""
        return bounded_expiry(entry.expires_at) == self.expires_at and digest(entry) == self.digest


class Index:
    """The index of one backup, open; use it in a `with`."""

    def __init__(self, file: BinaryIO, size: "_Size", stored: int) -> None:
        """`stored` are the bytes of the artifact."""
        self._file, self._stored = file, stored
        self._count, self._frames = size.records, size.frames
        self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._data.close()
        self._file.close()

    def __len__(self) -> int:
        return self._count

    def find(self, db: int, key: bytes) -> list[Record]:
        """What there is of this key: one record at the most, but for two keys whose hashes are the same."""
        wanted, records = key_hash(db, key), []
        place = bisect_left(range(self._count), wanted, key=self._hash)
        while place < self._count and self._hash(place) == wanted:
            records.append(self._record(place))
            place += 1
        return records

    def _hash(self, place: int) -> bytes:
        start = _HEADER.size + place * RECORD_BYTES
        return self._data[start : start + _HASH]

    def _record(self, place: int) -> Record:
        start = _HEADER.size + place * RECORD_BYTES + _HASH
        digest = self._data[start : start + _DIGEST]
        begins_at = self._data[start + _DIGEST : start + _DIGEST + _PLACE]
        expiry = self._data[start + _DIGEST + _PLACE : start + RECORD_BYTES - _HASH]
        expires_at = None if expiry == _NEVER else int.from_bytes(expiry, "big")
        place = int.from_bytes(begins_at, "big")
        return Record(digest, place, expires_at, self._frames_from(place))

    def _frames_from(self, begins_at: int) -> tuple[Frame, ...]:
        first = bisect_right(range(self._frames), begins_at, key=lambda number: self._frame(number)[1]) - 1
        numbers = range(max(first, 0), min(first + FRAMES_BESIDE, self._frames))
        ends = {number: self._frame(number + 1)[0] if number + 1 < self._frames else self._stored for number in numbers}
        return tuple(
            Frame(at, ends[number] - at, raw_at, sha256, is_last=number + 1 == self._frames)
            for number in numbers
            for at, raw_at, sha256 in (self._frame(number),)
        )

    def _frame(self, number: int) -> tuple[int, int, bytes]:
        return _FRAME.unpack_from(self._data, _HEADER.size + self._count * RECORD_BYTES + number * _FRAME.size)


@dataclass(frozen=True)
class _Size:
    """Of an index: how many records and frames."""

    records: int
    frames: int

    @property
    def bytes(self) -> int:
        """Before its checksum."""
        return _HEADER.size + self.records * RECORD_BYTES + self.frames * _FRAME.size


def key_hash(db: int, key: bytes) -> bytes:
    """By what an index is sorted."""
    return blake2b(db.to_bytes(4, "big") + key, digest_size=_HASH).digest()


def content(entry: Entry) -> bytes:
    """What two entries of one format have in common exactly when their values were stored alike."""
    if entry.payload is not None:
        return entry.payload
    if entry.value is None:
        raise FormatError("An entry came without its value.")
    shown = entry.value.dump if isinstance(entry.value, Opaque) else shapes.written(entry.type, entry.value)
    return entry.type.encode() + b" " + shown


def digest(entry: Entry) -> bytes:
    """By which an index tells whether a value has changed; that of the same value in another encoding is another one."""
    return blake2b(content(entry), digest_size=_DIGEST).digest()


def bounded_expiry(at: int | None) -> int | None:
    """An expiry as a record has it: the nearest one that it has room for."""
    return None if at is None else min(max(at, 0), LATEST_EXPIRY)


def opened(storage: Storage, manifest: Manifest, keys: Keys, progress: Progress) -> Index:
    """The index of this backup, made now if there is none that fits.

    Raises ArtifactError and RefusedError where the artifact cannot be read; StorageError where there is no room at all.
    """
    shelf = Shelf(storage, manifest, keys)
    if (kept := _kept(shelf, manifest, progress)) is not None:
        return kept
    check_readable(manifest)
    with Buckets(RECORD_BYTES) as buckets:
        frames = _fill(buckets, shelf, progress)
        return _keep(shelf, manifest, buckets, frames, progress)


def is_asked(shelf: Shelf) -> bool:
    """Whether somebody would have used an index of this backup before, or there is one."""
    try:
        with shelf.storage.open(shelf.name):
            return True
    except NotFoundError:
        return False
    except StorageError:
        return True


def ask(shelf: Shelf) -> None:
    """Remember that somebody would have used one; where that cannot be, the next one is the first again."""
    with suppress(StorageError, NotFoundError):
        shelf.put(iter([ASKED]))


def check_readable(manifest: Manifest) -> None:
    """RefusedError for a backup whose keys nobody could count: it cannot be searched either."""
    if manifest.keys is None:
        raise RefusedError(
            f"{manifest.name} holds something that this program cannot read, so it was not searched.", of=manifest.name
        )


def _kept(shelf: Shelf, manifest: Manifest, progress: Progress) -> Index | None:
    """The index that lies beside the artifact, if it is whole and is of these very bytes."""
    with suppress(NotFoundError, StorageError, OSError), ExitStack() as stack:
        file = stack.enter_context(shelf.fetch(progress))
        if (size := _size(file, manifest)) is not None:
            stack.pop_all()
            return Index(file, size, manifest.bytes.stored)
        log.info("index_does_not_fit", name=manifest.name)
    return None


def _size(file: BinaryIO, manifest: Manifest) -> _Size | None:
    """How large a whole index is; None where it is of other bytes, of another format, or damaged."""
    head = file.read(_HEADER.size)
    end = file.seek(0, 2)
    if len(head) < _HEADER.size:
        return None
    magic, number, record_bytes, count, frames, sha256 = _HEADER.unpack(head)
    if (magic, number, record_bytes, sha256.hex()) != (MAGIC, FORMAT, RECORD_BYTES, manifest.sha256):
        return None
    size = _Size(count, frames)
    if end != size.bytes + _CHECKSUM_BYTES:
        return None
    file.seek(0)
    return size if _is_whole(file, size.bytes) else None


def _is_whole(file: BinaryIO, size: int) -> bool:
    checksum, left = hashlib.sha256(), size
    while left and (chunk := file.read(min(left, 1 << 18))):
        checksum.update(chunk)
        left -= len(chunk)
    return file.read() == checksum.digest()


def _fill(buckets: Buckets, shelf: Shelf, progress: Progress) -> list[Frame]:
    """Read the whole backup; it is checked while it passes, as a restore would check it beforehand."""
    manifest = shelf.manifest
    with shelf.storage.open(manifest.name) as file:
        frames = Frames(file)
        with artifact.whole(frames, manifest, shelf.keys, frames.ended) as reader:
            for batch in reader.batches():
                buckets.add(_records(batch, _place(reader.begins_at)))
                progress("indexing", buckets.count, manifest.keys, "keys")
    return frames.all()


def _place(begins_at: int) -> bytes:
    try:
        return begins_at.to_bytes(_PLACE, "big")
    except OverflowError:
        raise ArtifactError(
            "A backup of more than a terabyte cannot be searched: `export` writes it as text."
        ) from None


def _records(batch: list[Entry], place: bytes) -> Iterator[bytes]:
    for entry in batch:
        at, payload = bounded_expiry(entry.expires_at), entry.payload
        expiry = _NEVER if at is None else at.to_bytes(_EXPIRY, "big")
        # `key_hash` and `digest`, spelt out: it is done for every key, and calls take longer than hashing.
        hashed = blake2b(entry.db.to_bytes(4, "big") + entry.key, digest_size=_HASH).digest()
        digested = digest(entry) if payload is None else blake2b(payload, digest_size=_DIGEST).digest()
        yield hashed + digested + place + expiry


def _keep(shelf: Shelf, manifest: Manifest, buckets: Buckets, frames: list[Frame], progress: Progress) -> Index:
    """Put the index beside the artifact; where that cannot be, it serves this once."""
    size, stored = _Size(buckets.count, len(frames)), manifest.bytes.stored
    try:
        if shelf.put(_document(manifest, buckets, frames)):
            return Index(shelf.fetch(progress), size, stored)
    except (StorageError, NotFoundError) as error:
        log.warning("index_not_kept", name=manifest.name, error=str(error))
    file = temporary()
    with on_disk():
        file.writelines(_document(manifest, buckets, frames))
        file.flush()
        return Index(file, size, stored)


def _document(manifest: Manifest, buckets: Buckets, frames: list[Frame]) -> Iterator[bytes]:
    sha256 = bytes.fromhex(manifest.sha256)
    header = _HEADER.pack(MAGIC, FORMAT, RECORD_BYTES, buckets.count, len(frames), sha256)
    places = b"".join(_FRAME.pack(frame.at, frame.raw_at, frame.sha256) for frame in frames)
    checksum = hashlib.sha256()
    for chunk in chain([header], buckets.sorted(), [places]):
        checksum.update(chunk)
        yield chunk
    yield checksum.digest()
