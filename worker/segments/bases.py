"""Backups that a stream can go on from: those by replication know their place in it."""

from worker.config.settings import Settings
from worker.repository import catalogue
from worker.repository.manifest import Manifest
from worker.repository.scope import scope_of
from worker.storage import Storage, open_storage


def bases_of(settings: Settings, storage: Storage | None = None) -> list[Manifest]:
    """The backups of the source that can be bases, newest first. Raises StorageError."""
    there = storage or open_storage(settings.backup_storage)
    address = scope_of(settings).address
    return [backup for backup in catalogue.read(there).backups if is_base(backup) and backup.source.address == address]


def is_base(backup: Manifest) -> bool:
    """Whether it holds all databases, as they were at one place of the stream."""
    source = backup.source
    return (
        backup.kind == "backup"
        and backup.engine == "replication"
        and backup.data_format == "rdb"
        and source.databases is None
        and source.replication_id is not None
        and source.replication_offset is not None
    )
