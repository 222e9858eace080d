"""Copies that are missing and nobody is making: what was missed while the broker or a storage was away is made up for."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from operator import itemgetter
from typing import NamedTuple

import structlog

from worker.config.settings import Settings
from worker.config.storage_url import place_of
from worker.errors import BackupSystemError
from worker.repository import catalogue
from worker.repository.copies import places
from worker.repository.copies.lacking import lacking
from worker.runs.run import Run
from worker.runs.store import Runs, open_runs
from worker.storage import Storage, require

log = structlog.get_logger()

MOST_UNDER_WAY = 20
"""Copies that wait or run at a time: the newest backups come first, and the next look queues more."""
FAILED_WITHIN = timedelta(hours=1)
"""A copy that failed so recently is not asked for again."""


class Missing(NamedTuple):
    """A backup, and the address of the storage that lacks it."""

    name: str
    to: str


def to_be_made(settings: Settings) -> list[Missing]:
    """What is to be queued now, the newest first. Of a storage that does not answer nothing is known, and nothing queued.

    Raises StorageError where home cannot be read, BrokerUnavailableError.
    """
    there_is = catalogue.read(places.home(settings))
    missing = [
        (manifest.created_at, Missing(manifest.name, address))
        for address, storage in zip(settings.backup_copies, places.elsewhere(settings), strict=True)
        if (copies := _read(storage)) is not None
        for manifest in lacking(there_is, copies)
    ]
    if not missing:
        return []
    newest_first = [each for _, each in sorted(missing, key=itemgetter(0), reverse=True)]
    with open_runs(settings) as runs:
        under_way = [run for run in runs.ours.unfinished() if run.operation == "copy"]
        left = {*_meant(under_way), *_meant(_failed_lately(runs))}
    wanted = [each for each in newest_first if not left & {(each.name, place_of(each.to)), (each.name, None)}]
    return wanted[: max(0, MOST_UNDER_WAY - len(under_way))]


def _read(storage: Storage) -> catalogue.Catalogue | None:
    try:
        require(storage)
        return catalogue.read(storage)
    except BackupSystemError as error:
        log.warning("copies_unread", storage=str(storage), error=str(error))
        return None


def _failed_lately(runs: Runs) -> Iterator[Run]:
    since = datetime.now(UTC) - FAILED_WITHIN
    recent = takewhile(lambda run: run.queued_at > since, runs.ours.each("copy"))
    return (run for run in recent if run.ended and run.state != "SUCCESS")


def _meant(runs: Iterable[Run]) -> Iterator[tuple[str, str | None]]:
    """The backup and the place of each; None where it is for all."""
    for run in runs:
        to = run.arguments.get("to")
        yield str(run.arguments.get("name")), None if to is None else place_of(str(to))
