"""The stored file of a backup, read back: whole or not, of which format, and what is in it."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from typing import BinaryIO

from worker.config.settings import CompressionName, FormatName
from worker.errors import ArtifactError
from worker.formats import portable, rdb
from worker.formats.compression import COMPRESSIONS, detect
from worker.formats.rdb import writer
from worker.formats.rdb.codes import FIRST_VERSION_WITH_CHECKSUM
from worker.formats.rdb.reader.census import Census
from worker.formats.rdb.reader.opcodes import END
from worker.formats.rdb.reader.soundness import Examiner
from worker.formats.rdb.reader.window import Window
from worker.formats.tally import Tally
from worker.progress import Progress, reported
from worker.repository.checksum import Meter
from worker.repository.manifest import Manifest, Origin
from worker.storage import Readable, chunks_of

Reader = rdb.Reader | portable.Reader

_HEAD_BYTES = 64
# A foreign file may expand this much, or to this size; more is a bomb: no Redis compresses so well.
_FOREIGN_RATIO = 1000
_FOREIGN_BYTES = 1 << 30


def check_bytes(file: BinaryIO, manifest: Manifest, progress: Progress) -> None:
    """Whether the stored bytes are the ones that were written: their number and sha256. Leaves `file` at its start.

    ArtifactError says whether it is short, longer than it was, or changed.
    """
    size = file.seek(0, 2)
    file.seek(0)
    if size != manifest.bytes.stored:
        what = "cut short" if size < manifest.bytes.stored else "longer than it was"
        raise ArtifactError(
            f"{manifest.name} is {what}: {size:,} bytes and not {manifest.bytes.stored:,}. Use another backup.",
            of=manifest.name,
        )
    digest = hashlib.sha256()
    for chunk in reported(chunks_of(file), progress, "checking", size):
        digest.update(chunk)
    _check_sum(manifest, digest.hexdigest())
    file.seek(0)


def _check_sum(manifest: Manifest, sha256: str) -> None:
    if sha256 != manifest.sha256:
        raise ArtifactError(
            f"{manifest.name} has changed since it was written: its sha256 differs. Use another backup.",
            of=manifest.name,
        )


def raw_chunks(file: Readable, compression: CompressionName) -> Iterator[bytes]:
    """The dump itself, decompressed, from where `file` stands."""
    return COMPRESSIONS[compression].decompress(chunks_of(file))


def bounded(chunks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    """The same chunks. ArtifactError once they are more than `limit` bytes in all."""
    passed = 0
    for chunk in chunks:
        passed += len(chunk)
        if passed > limit:
            raise ArtifactError(
                f"The data is larger than the {limit:,} bytes it can be: it was made to fill a disk or a memory."
            )
        yield chunk


def foreign_limit(stored: int) -> int:
    """How many bytes a foreign file of `stored` bytes may expand to."""
    return max(_FOREIGN_BYTES, stored * _FOREIGN_RATIO)


def reader(chunks: Iterator[bytes], data_format: FormatName, *, values: bool) -> Reader:
    """What reads entries out of these chunks; without `values` payloads are passed over unheld where that can be."""
    return rdb.Reader(chunks, values=values) if data_format == "rdb" else portable.Reader(chunks)


def examiner(chunks: Iterator[bytes], data_format: FormatName) -> Reader:
    """The same for who examines every value and writes none: the longest strings are passed over unheld."""
    return Examiner(chunks) if data_format == "rdb" else portable.Reader(chunks)


@contextmanager
def whole(file: Readable, manifest: Manifest) -> Iterator[Reader]:
    """What reads all entries with their values, and is read to its end in the block: ArtifactError then, where the stored
    bytes were not those that were written.
    """
    stored = Meter()
    raw = COMPRESSIONS[manifest.compression].decompress(stored.watch(chunks_of(file)))
    yield reader(bounded(raw, manifest.bytes.raw), manifest.data_format, values=True)
    _check_sum(manifest, stored.sha256)


def count(chunks: Iterator[bytes], data_format: FormatName) -> Tally:
    """Walk a dump to its end: what is in it. FormatError where its structure is broken."""
    tally = Tally()
    if data_format == "rdb":
        for _ in Census(chunks, tally).chunks():
            pass
    else:
        for batch in portable.Reader(chunks).batches():
            tally.add(batch)
    return tally


def has_checksum(data_format: FormatName, rdb_version: int | None) -> bool:
    """Whether such a dump says of itself at its end what all of its bytes are."""
    return data_format == "rdb" and (rdb_version or 0) >= FIRST_VERSION_WITH_CHECKSUM


def check_end(file: BinaryIO, manifest: Manifest) -> None:
    """Whether a dump that has a checksum is whole by that, at a tenth of the cost of a walk. FormatError says what is wrong.

    It reads `file` from its start.
    """
    file.seek(0)
    for _ in Window(raw_chunks(file, manifest.compression)).drain(END):
        pass


def resumed(file: Readable, manifest: Manifest, begins_at: int) -> Reader:
    """What reads the entries, with their values, behind that byte of the dump: the `begins_at` of a reader of all of it.

    The database of an entry is not to be relied on: it may have been said before.
    """
    rest = _behind(raw_chunks(file, manifest.compression), begins_at)
    if manifest.data_format == "json":
        return portable.Reader(chain([portable.OPENING], rest) if begins_at else rest, part=True)
    opening = writer.header(manifest.rdb_version)
    return rdb.Reader(chain([opening], rest) if begins_at else rest, values=True, part=True)


def _behind(chunks: Iterator[bytes], begins_at: int) -> Iterator[bytes]:
    for chunk in chunks:
        if begins_at < len(chunk):
            yield chunk[begins_at:]
        begins_at = max(0, begins_at - len(chunk))


def header(created_at: datetime, source: Origin) -> dict[str, object]:
    """What a portable document says of itself besides its keys."""
    return {"created_at": created_at.isoformat(), "source": source.model_dump(exclude_none=True)}


def sniff(file: BinaryIO) -> tuple[FormatName, CompressionName]:
    """What a foreign file is, by its first bytes. ArtifactError where it is nothing we can read."""
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if not head:
        raise ArtifactError("The file is empty.")
    compression = detect(head)
    head = b""
    for chunk in raw_chunks(file, compression.name):
        head += chunk
        if len(head) >= _HEAD_BYTES:
            break
    file.seek(0)
    if head.startswith((b"REDIS", b"VALKEY")):
        return "rdb", compression.name
    if head.lstrip().startswith(b"{"):
        return "json", compression.name
    raise ArtifactError("The file is neither an RDB dump nor a portable JSON backup, plain or with gzip or zstd.")
