"""The stored file of a backup, read back: whole or not, of which format, and what is in it."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import BinaryIO

from worker.config.settings import CompressionName, FormatName
from worker.errors import ArtifactError
from worker.formats import portable, rdb
from worker.formats.allowance import Allowance
from worker.formats.compression import COMPRESSIONS, Ended, detect, unheard
from worker.formats.encryption import Keys, is_encrypted
from worker.formats.frames import Frame
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


def decrypted(stored: Iterator[bytes], manifest: Manifest, keys: Keys) -> Iterator[bytes]:
    """The compressed dump, out of the chunks of a stored file. SealedError where it is encrypted and no key here opens it."""
    return keys.decrypt(stored, manifest.name) if manifest.encrypted else stored


def check_opens(file: BinaryIO, manifest: Manifest, keys: Keys) -> None:
    """Whether a key here opens it, so that nobody begins what cannot be done. SealedError. Leaves `file` at its start."""
    if manifest.encrypted:
        chunks = decrypted(chunks_of(file), manifest, keys)
        # The first comes before anything is given, so of two the second is of the file.
        for _ in islice(chunks, 2):
            pass
        file.seek(0)


def unpacked(stored: Iterator[bytes], compression: CompressionName, allowance: Allowance) -> Iterator[bytes]:
    """The dump itself, decompressed from the chunks of a file. ArtifactError once it exceeds its allowance."""
    return allowance.bounded(COMPRESSIONS[compression].decompress(stored))


@dataclass(frozen=True)
class Foreign:
    """A file without a manifest, with the format of its first bytes and a limit on what it may become."""

    file: BinaryIO
    size: int
    data_format: FormatName
    compression: CompressionName
    keys: Keys | None
    """What opens it; None where it is not encrypted."""
    most: int | None
    """The bytes that it may become, where a person has set them."""

    @property
    def allowance(self) -> Allowance:
        """A new limit, for one reading."""
        return Allowance.foreign(self.size, self.most)

    def dump(self, stored: Iterator[bytes], allowance: Allowance) -> Iterator[bytes]:
        """The dump itself, out of the chunks of the file."""
        return unpacked(_decrypted(stored, self.keys), self.compression, allowance)

    def stored(self, progress: Progress, phase: str) -> Iterator[bytes]:
        """The chunks of the file itself, from its start."""
        self.file.seek(0)
        return reported(chunks_of(self.file), progress, phase, self.size)


def foreign(file: BinaryIO, keys: Keys, most: int | None, progress: Progress) -> Foreign:
    """ArtifactError where it is nothing that we can read, or becomes too large: it is unpacked once to see that.

    SealedError where it is encrypted and none of the `keys` opens it.
    """
    opening = keys if is_encrypted(file.read(_HEAD_BYTES)) else None
    data_format, compression = sniff(file, opening)
    size = file.seek(0, 2)
    candidate = Foreign(file, size, data_format, compression, opening, most)
    if opening or compression != "none":
        for _ in candidate.dump(candidate.stored(progress, "checking"), candidate.allowance):
            pass
    return candidate


def _decrypted(stored: Iterator[bytes], keys: Keys | None) -> Iterator[bytes]:
    return stored if keys is None else keys.decrypt(stored, "The file")


def raw_chunks(file: Readable, manifest: Manifest, keys: Keys) -> Iterator[bytes]:
    """The dump itself, decrypted and decompressed, from where `file` stands: as many bytes at the most as the manifest says."""
    return unpacked(
        decrypted(chunks_of(file), manifest, keys), manifest.compression, Allowance.of_manifest(manifest.bytes.raw)
    )


def reader(
    chunks: Iterator[bytes], data_format: FormatName, *, values: bool, fits: Callable[[bytes], object] | None = None
) -> Reader:
    """A reader of the entries in these chunks; without `values` payloads are skipped where that is possible, and so are keys
    that it is not true of where there is a `fits`.
    """
    return rdb.Reader(chunks, values=values, fits=fits) if data_format == "rdb" else portable.Reader(chunks)


def examiner(chunks: Iterator[bytes], data_format: FormatName) -> Reader:
    """A reader that examines every value; it skips the longest strings, which cannot be wrong."""
    return Examiner(chunks) if data_format == "rdb" else portable.Reader(chunks)


@contextmanager
def whole(
    file: Readable,
    manifest: Manifest,
    keys: Keys,
    ended: Ended = unheard,
    fits: Callable[[bytes], object] | None = None,
) -> Iterator[Reader]:
    """What reads all entries with their values, and is read to its end in the block: ArtifactError then, where the stored
    bytes were not those that were written. `ended` hears of the frames of one that is not encrypted; `fits` is as in `reader`.
    """
    stored = Meter()
    allowance = Allowance.of_manifest(manifest.bytes.raw)
    packed = decrypted(stored.watch(chunks_of(file)), manifest, keys)
    raw = COMPRESSIONS[manifest.compression].decompress(packed, unheard if manifest.encrypted else ended)
    yield reader(allowance.bounded(raw), manifest.data_format, values=True, fits=fits)
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
    """Whether such a dump ends with a checksum of all its bytes."""
    return data_format == "rdb" and (rdb_version or 0) >= FIRST_VERSION_WITH_CHECKSUM


def check_end(file: BinaryIO, manifest: Manifest, keys: Keys) -> None:
    """Whether a dump that has a checksum is whole by that, at a tenth of the cost of a walk. FormatError says what is wrong.

    It reads `file` from its start.
    """
    file.seek(0)
    for _ in Window(raw_chunks(file, manifest, keys)).drain(END):
        pass


def resumed(file: Readable, manifest: Manifest, keys: Keys, begins_at: int) -> Reader:
    """What reads the entries, with their values, behind that byte of the dump: the `begins_at` of a reader of all of it.

    The database of an entry is not to be relied on: it may have been said before.
    """
    return _resumed(raw_chunks(file, manifest, keys), manifest, begins_at, begins_at)


def resumed_in(frame: Frame, packed: Iterator[bytes], manifest: Manifest, begins_at: int) -> Reader:
    """The same, out of what lies in the file from that frame on: the one that this byte of the dump is in."""
    raw = unpacked(packed, manifest.compression, Allowance.of_manifest(manifest.bytes.raw))
    return _resumed(raw, manifest, begins_at, begins_at - frame.raw_at)


def _resumed(raw: Iterator[bytes], manifest: Manifest, begins_at: int, passed_over: int) -> Reader:
    rest = _behind(raw, passed_over)
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


def sniff(file: BinaryIO, keys: Keys | None) -> tuple[FormatName, CompressionName]:
    """What a foreign file is, by its first bytes; `keys` where it is encrypted. ArtifactError where it is nothing we can read."""

    def stored() -> Iterator[bytes]:
        file.seek(0)
        return _decrypted(chunks_of(file), keys)

    head = _head(stored())
    if not head:
        raise ArtifactError("The file is empty.")
    compression = detect(head)
    head = _head(compression.decompress(stored()))
    file.seek(0)
    if head.startswith((b"REDIS", b"VALKEY")):
        return "rdb", compression.name
    if head.lstrip().startswith(b"{"):
        return "json", compression.name
    raise ArtifactError("The file is neither an RDB dump nor a portable JSON backup, plain or with gzip or zstd.")


def _head(chunks: Iterator[bytes]) -> bytes:
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= _HEAD_BYTES:
            break
    return head
