"""Somebody says that a suspicious backup is as it should be: from then on a prune goes on."""

from datetime import UTC, datetime
from typing import Any

import structlog

from worker.arguments.backups import AcceptArguments
from worker.backups.retention.pools import lane_of
from worker.backups.suspicion.judge import thresholds_of, watched
from worker.config.settings import Settings
from worker.errors import NotFoundError
from worker.repository import behalf, catalogue
from worker.repository.manifest import Manifest
from worker.storage import open_storage

log = structlog.get_logger()


def accept(settings: Settings, arguments: AcceptArguments) -> dict[str, Any]:
    """Take a suspicious backup, and those of the same fall before and after it, for good ones.

    NotFoundError where there is none of that name, ArtifactError where its manifest is damaged, StorageError.
    """
    if arguments.name == catalogue.LATEST:
        raise NotFoundError(
            "Name the backup in full, as `python -m worker list` does: 'latest' may be another one by now."
        )
    storage, now = open_storage(settings.backup_storage), datetime.now(UTC)
    name = catalogue.get(storage, arguments.name).name
    listed = watched(catalogue.read(storage).listed, thresholds_of(settings), now)
    fall = _fall(listed, name)
    for backup in fall:
        catalogue.note(storage, backup.name, suspicious=backup.suspicious, accepted_at=now, accepted_by=behalf.asker())
    why = next((list(backup.suspicious) for backup in fall if backup.name == name), [])
    names = [backup.name for backup in fall if backup.name != name]
    log.info("backup_accepted", name=name, also=names)
    return {"accepted": name, "was_suspicious": bool(why), "why": why, "also": names}


def _fall(listed: list[Manifest], name: str) -> list[Manifest]:
    """That backup, and the suspicious ones right before and after it; none where it is not suspicious. Newest first."""
    chosen = next((backup for backup in listed if backup.name == name), None)
    if chosen is None:
        return []
    fall: list[Manifest] = []
    for backup in (backup for backup in listed if lane_of(backup) == lane_of(chosen) and backup.kind == chosen.kind):
        if backup.suspicious:
            fall.append(backup)
        elif chosen in fall:
            return fall
        else:
            fall = []
    return fall if chosen in fall else []
