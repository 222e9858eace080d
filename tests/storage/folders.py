"""Two names, what a folder of backups shows, and a backup as a run makes one."""

from tests.support.backups import manifest_of
from worker.repository import catalogue
from worker.storage import Storage
from worker.storage.local import Folder

NAME = "redis_backup_20231205_143022.rdb"
OTHER = "redis_backup_20231205_143023.rdb"


def shown(folder: Folder) -> list[str]:
    return [file.name for file in folder.files()]


def record(folder: Storage, name: str) -> None:
    """A backup, the way a run makes one."""
    with folder.draft([name]) as draft:
        draft.write(name.encode())
        draft.publish()
        catalogue.add(folder, manifest_of(name, name.encode()))
