"""One key out of a large backup: only the frames of it are read that the key lies in, over a network too.

What such a frame holds is not proven by the signature of the backup, which is of all its bytes. It is what was there when the
index was made, of a backup that was read whole and had the sha256 that was signed: the index has the sha256 of each frame, and
a digest of each value. So whoever can write into the storage can forge both, and have a search show another value; nothing
is ever restored from here.
"""

import hashlib
from collections.abc import Iterator

import structlog

from worker.errors import BackupSystemError
from worker.formats.entries import Entry
from worker.repository import artifact
from worker.repository.manifest import Manifest
from worker.search.indexing.index import Record
from worker.storage import Storage

log = structlog.get_logger()

WHOLE_BYTES = 8 << 20
"""A smaller backup is fetched whole: that takes no longer, and the next key comes out of the cache."""
_MOST_BYTES = 16 << 20
"""A larger frame is not held in memory."""


class _NotHereError(Exception):
    """The frames that the index names are not enough, or not what they were."""


def entry(storage: Storage, manifest: Manifest, key: bytes, record: Record) -> Entry | None:
    """The key of that record. None where it is not found so, for whatever reason: then all of the backup has to be read."""
    if not record.frames or manifest.bytes.stored <= WHOLE_BYTES:
        return None
    packed = _read(storage, manifest, record)
    try:
        return first(artifact.resumed_in(record.frames[0], packed, manifest, record.begins_at), key, record)
    except (_NotHereError, BackupSystemError) as error:
        log.info("frames_not_read", name=manifest.name, why=str(error))
        return None


def first(reader: artifact.Reader, key: bytes, record: Record) -> Entry | None:
    """The first that a reader gives of that key and record."""
    for batch in reader.batches():
        for found in batch:
            if found.key == key and record.fits(found):
                return found
    return None


def _read(storage: Storage, manifest: Manifest, record: Record) -> Iterator[bytes]:
    """Yield the bytes of these frames, each once it is known to be what it was."""
    for frame in record.frames:
        if frame.size > _MOST_BYTES:
            raise _NotHereError("A frame is too large.")
        packed = storage.part(manifest.name, frame.at, frame.size)
        if hashlib.sha256(packed).digest() != frame.sha256:
            raise _NotHereError("A frame has changed.")
        yield packed
    if not record.frames[-1].is_last:
        raise _NotHereError("The value goes on behind the last frame.")
