"""How every backup comes to be: a draft that nobody sees is filled, and when all is well its manifest is written, last."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from worker import __version__
from worker.config.settings import FormatName, load
from worker.formats.compression import Compression
from worker.formats.encryption import Encryption
from worker.formats.entries import EntryStream
from worker.formats.prefixes import Prefixes
from worker.formats.tally import Tally
from worker.progress import Progress, Proof, silent, undisputed
from worker.repository import catalogue
from worker.repository.checksum import Meter
from worker.repository.manifest import Encrypted, Manifest, Size, free_names
from worker.repository.signing import keys
from worker.storage import Draft, Storage

log = structlog.get_logger()


@dataclass(frozen=True)
class New:
    """What is known of a backup before its first byte."""

    created_at: datetime
    """The moment of its data, which its name says."""
    data_format: FormatName
    compression: Compression
    encryption: Encryption
    clock: float = field(default_factory=time.monotonic)
    """When the work on it began, by time.monotonic."""


class Writer:
    """A backup that is being written: filled once, then committed."""

    def __init__(self, storage: Storage, draft: Draft, new: New) -> None:
        self._storage, self._draft, self._new = storage, draft, new
        self._raw, self._stored = Meter(hashed=False), Meter()

    def write(self, dump: Iterator[bytes]) -> None:
        """Compress and encrypt the whole dump into the draft."""
        self._store(self._new.compression.compress(self._raw.watch(dump)))

    def copy(self, file: Iterator[bytes], raw_bytes: int) -> None:
        """Take a file that is compressed already, as `new` says, out of a dump of `raw_bytes`."""
        self._raw.bytes = raw_bytes
        self._store(file)

    def _store(self, chunks: Iterator[bytes]) -> None:
        # Whatever ends this, the thread that encrypts is gone then.
        with closing(self._new.encryption.encrypt(chunks)) as encrypted:
            for chunk in self._stored.watch(encrypted):
                self._draft.write(chunk)

    def commit(
        self,
        event: str,
        prove: Proof = undisputed,
        progress: Progress = silent,
        prefixes: Prefixes | None = None,
        **fields: Any,
    ) -> Manifest:
        """Show the artifact, then write its manifest: now the backup exists, which is logged as `event`.

        `fields` are what the manifest has besides. `prove` is asked before each of the two, with the artifact on disk;
        `progress` hears of the artifact's way to a storage that is elsewhere.
        """
        recipients = self._new.encryption.recipients
        manifest = Manifest(
            **fields,
            prefixes=self._kept(prefixes),
            name=self._draft.name,
            created_at=self._new.created_at,
            data_format=self._new.data_format,
            bytes=Size(raw=self._raw.bytes, stored=self._stored.bytes),
            sha256=self._stored.sha256,
            compression=self._new.compression.name,
            encryption="none" if recipients is None else Encrypted(recipients=list(recipients)),
            duration_seconds=round(time.monotonic() - self._new.clock, 3),
            tool_version=__version__,
        )
        self._draft.publish(prove, progress)
        manifest = catalogue.add(self._storage, manifest, prove)
        counts = {"keys": manifest.keys, "bytes": manifest.bytes.stored, "seconds": manifest.duration_seconds}
        log.info(event, name=manifest.name, **counts)
        return manifest

    def _kept(self, prefixes: Prefixes | None) -> Prefixes | None:
        """As the manifest has them, which anybody may read: of an encrypted backup no name. What is hashed already may be so by another key."""
        if prefixes is None or prefixes.hashed:
            return None
        return prefixes if self._new.encryption.recipients is None else prefixes.renamed(keys.own(load()).alias)


@contextmanager
def writing(storage: Storage, new: New) -> Iterator[Writer]:
    """Begin a backup. What was not committed when the block ends, or raises in it, leaves nothing behind.

    StorageError where it could not be signed in the end.
    """
    keys.own(load())
    suffix = new.compression.suffix + new.encryption.suffix
    with storage.draft(free_names(new.created_at, new.data_format, suffix)) as draft:
        yield Writer(storage, draft, new)


def contents(stream: EntryStream, tally: Tally, data_format: FormatName) -> dict[str, Any]:
    """The fields of a manifest for a stream that was written in that format to its end, and counted."""
    return {
        "rdb_version": stream.rdb_version if data_format == "rdb" else None,
        "keys": tally.keys,
        "keys_by_db": tally.by_db,
        "expiring": tally.expiring,
        "functions": len(stream.libraries),
        "module_data": stream.modules,
    }
