"""Backups of given entries, made without a server."""

from pathlib import Path

from tests.support.backups import Given, manifest_of
from tests.support.payloads import string as written
from worker.config.settings import CompressionName
from worker.formats.compression import COMPRESSIONS
from worker.formats.entries import Entry
from worker.formats.rdb import writer
from worker.repository import catalogue
from worker.repository.manifest import Manifest, Size
from worker.storage import Storage
from worker.storage.local import Folder

NAME = "redis_backup_20231205_143022.rdb"


def string(value: bytes) -> bytes:
    """A payload: the type byte, and the value."""
    return b"\0" + written(value)


def stored(folder: Path, given: list[Entry], compression: CompressionName = "zstd", name: str = NAME) -> Manifest:
    """A backup that holds these."""
    return laid(Folder(folder), given, compression, name)


def laid(storage: Storage, given: list[Entry], compression: CompressionName = "zstd", name: str = NAME) -> Manifest:
    """The same, in any storage."""
    raw = b"".join(writer.write(Given(given), {"redis-ver": "7.0.0"}))
    content = b"".join(COMPRESSIONS[compression].compress(iter([raw])))
    full = name + COMPRESSIONS[compression].suffix
    by_db: dict[int, dict[str, int]] = {}
    for entry in given:
        of_db = by_db.setdefault(entry.db, {"string": 0})
        of_db["string"] += 1
    manifest = manifest_of(full, content).model_copy(
        update={
            "rdb_version": 11,
            "compression": compression,
            "keys": len(given),
            "keys_by_db": by_db,
            "bytes": Size(raw=len(raw), stored=len(content)),
        }
    )
    storage.put(full, content)
    catalogue.add(storage, manifest)
    return manifest
