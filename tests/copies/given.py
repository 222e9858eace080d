"""Backups at home, other storages to copy them to, and what lies in those."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.backups import manifest_of
from worker.arguments.backups import CopyArguments
from worker.backups.copies.copy import copy
from worker.config.settings import Settings
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.manifest import MANIFEST_SUFFIX, artifact_name
from worker.storage import Storage
from worker.storage.local import Folder

NAME = "redis_backup_20231205_143022.rdb"
OTHER = "redis_backup_20231205_143023.rdb"
CONTENT = b"content of a backup"
NO_BROKER = "redis://127.0.0.1:1/0"


def settings_of(home: Storage, *others: Storage, **more: Any) -> Settings:
    """The settings of a product with these storages, and without a broker unless one is named."""
    known = {"backup_storage": str(home), "backup_copies": tuple(map(str, others)), "celery_broker_url": NO_BROKER}
    return Settings(**known | more)


def folder(path: Path) -> Folder:
    """A folder that is there, and empty."""
    path.mkdir()
    return Folder(path)


def take(storage: Storage, name: str = NAME, content: bytes = CONTENT, **more: Any) -> str:
    """A backup, the way a run makes one; its name."""
    with storage.draft([name]) as draft:
        draft.write(content)
        draft.publish()
        catalogue.add(storage, manifest_of(name, content, **more))
    return name


def take_ago(storage: Storage, hours: float, content: bytes = CONTENT, **more: Any) -> str:
    """The same, begun so many hours ago."""
    begun = datetime.now(UTC) - timedelta(hours=hours)
    return take(storage, artifact_name(begun, "rdb", ""), content, created_at=begun, **more)


def copied(settings: Settings, name: str = NAME, to: str | None = None) -> list[dict[str, Any]]:
    """What became of it in each storage."""
    copies: list[dict[str, Any]] = copy(settings, CopyArguments(name=name, to=to), silent)["copies"]
    return copies


def both_files(storage: Storage, name: str = NAME) -> tuple[bytes, bytes]:
    """The artifact and the manifest, as they lie there."""
    return storage.read(name), storage.read(name + MANIFEST_SUFFIX)


def names(storage: Storage) -> list[str]:
    """Of the good backups there; nothing else of a backup lies there."""
    contents = catalogue.read(storage)
    assert contents.problems == []
    return [backup.name for backup in contents.backups]
