"""A backup that is suspicious, noted as such and announced."""

import structlog

from worker.backups.suspicion.judge import judge, thresholds_of
from worker.config.settings import Settings
from worker.repository import catalogue
from worker.repository.manifest import Manifest
from worker.storage import Storage

log = structlog.get_logger()


def notice(settings: Settings, storage: Storage, made: Manifest) -> Manifest:
    """The backup that was just made, judged; StorageError where the others cannot be read."""
    if made.kind not in ("backup", "part"):
        return made
    fell = judge(made, catalogue.read(storage).listed, thresholds_of(settings))
    if fell:
        announce(storage, made, fell)
    return made.model_copy(update={"suspicious": fell})


def announce(storage: Storage, backup: Manifest, fell: tuple[str, ...]) -> None:
    """Note what fell, and say it in the log. Where that cannot be noted, a prune finds it out anew."""
    failed = catalogue.try_to_note(storage, backup.name, suspicious=fell)
    log.warning("backup_suspicious", name=backup.name, keys=backup.keys, why=" ".join([*fell, *failed]))
