"""A backup pinned, so that no prune deletes it, and unpinned."""

from typing import Any

import structlog

from worker.arguments.backups import PinArguments, UnpinArguments
from worker.config.settings import Settings
from worker.errors import NotFoundError
from worker.repository import catalogue
from worker.repository.scope import scope_of
from worker.storage import open_storage

log = structlog.get_logger()


def pin(settings: Settings, arguments: PinArguments) -> dict[str, Any]:
    """Keep one backup from every prune, until it is unpinned. It counts for none of the numbers that are kept.

    NotFoundError where there is none, ArtifactError where its manifest is damaged, StorageError.
    """
    storage = open_storage(settings.backup_storage)
    name = catalogue.get(storage, arguments.name, scope_of(settings)).name
    catalogue.note(storage, name, pinned=True, pin_reason=arguments.why)
    log.info("backup_pinned", name=name, why=arguments.why)
    return {"pinned": name, "why": arguments.why}


def unpin(settings: Settings, arguments: UnpinArguments) -> dict[str, Any]:
    """Leave one backup to retention again, which may then give it up. Raises what `pin` does."""
    if arguments.name == catalogue.LATEST:
        raise NotFoundError(
            "There is no backup of the name 'latest' to unpin: name it in full, as `python -m worker list` does."
        )
    storage = open_storage(settings.backup_storage)
    before = catalogue.get(storage, arguments.name)
    catalogue.note(storage, before.name, pinned=False, pin_reason="")
    log.info("backup_unpinned", name=before.name, was=before.pin_reason)
    return {"unpinned": before.name, "was_pinned": before.pinned}
