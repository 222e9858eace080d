"""A backup of the schedule that is made without the source: of the one before, and of what the source has sent since.

So a full snapshot, for which the source forks, is taken every BACKUP_FULL_EVERY_DAYS only. What was made is compared with the numbers
of keys that the source told at its last visit; where anything is not as it should be, a snapshot is taken as ever.
"""

from datetime import datetime, timedelta

from worker.arguments.backups import BackupArguments
from worker.config.settings import Settings
from worker.errors import BackupSystemError, BusyError, StoppedError
from worker.formats.compression import COMPRESSIONS
from worker.formats.encryption import encryption_of
from worker.logs import log
from worker.progress import Progress, Proof
from worker.repository import behalf
from worker.repository.behalf import Asker
from worker.repository.manifest import Manifest
from worker.repository.writer import New
from worker.segments.bases import bases_of
from worker.segments.marks import milliseconds
from worker.segments.moments import Wanted, find
from worker.segments.playing.made import Destination, played, shelf_of, write_moment
from worker.segments.playing.noted import last_noted
from worker.segments.recording import Recording
from worker.segments.visits import standing as standings
from worker.segments.visits.folder import folder_of
from worker.server.info import info, keyspace
from worker.server.scratch.scratch import Scratch
from worker.server.wire import Wire
from worker.storage import Storage

ENTRIES = ("daily", "interval")
"""Of the schedule: whoever asks for a backup by hand gets a snapshot."""
PATIENCE_SECONDS = 60
"""How old the last visit may be."""

MOST_BEHIND_MS = 600_000
"""How long before that the moment may be which the backup is made of: a listener counts keys when it begins."""


class NotTheSameError(BackupSystemError):
    """What was made does not hold as many keys as the source did."""

    in_short = "What was made does not hold as many keys as the source did"


def is_due(settings: Settings, arguments: BackupArguments, storage: Storage, now: datetime) -> bool:
    """Whether the backup that is asked for can be made without the source: a chain goes on up to now, and a snapshot is young enough."""
    days = settings.backup_full_every_days
    usual = arguments.engine is None and arguments.format is None and arguments.databases is None
    if not (days and settings.backup_stream_seconds and usual and settings.backup_format == "rdb"):
        return False
    if Asker.parse(behalf.asker() or "").entry not in ENTRIES:
        return False
    known = standings.of_folder(folder_of(settings))
    if known is None or not known.is_chain or known.age_seconds(now) > PATIENCE_SECONDS:
        return False
    full = next((base for base in bases_of(settings, storage) if base.made_from is None), None)
    return full is not None and full.age_seconds(now) < timedelta(days=days).total_seconds()


def renewed(settings: Settings, storage: Storage, progress: Progress, prove: Proof) -> Manifest | None:
    """The backup that was made so; None where it could not be, which is logged. Raises StoppedError, BusyError."""
    try:
        return _renewed(settings, storage, progress, prove)
    except (StoppedError, BusyError):
        raise
    except BackupSystemError as error:
        log.warning("not_made_from_the_stream", why=error.outside)
        return None


def _renewed(settings: Settings, storage: Storage, progress: Progress, prove: Proof) -> Manifest:
    recording, counted = last_noted(settings, find(settings, Wanted()))
    if not recording.selects:
        raise NotTheSameError(
            "The source has not said yet which database its stream writes to, so a backup that is made could not be gone on from."
        ).plain()
    _check_new(settings, recording)
    compression = COMPRESSIONS[settings.backup_compression or "zstd"]
    new = New(recording.at, "rdb", compression, encryption_of(settings))
    to = Destination(storage, new, "backup_made_from_the_stream", prove)
    with shelf_of(settings).workspace() as folder, played(settings, recording, folder / "played", progress) as scratch:
        _compare(scratch, counted)
        return write_moment(to, recording, scratch, progress)


def _check_new(settings: Settings, recording: Recording) -> None:
    """NotTheSameError where the stream that can be read ends long before the last visit."""
    known = standings.of_folder(folder_of(settings))
    if known is None or known.ms - milliseconds(recording.at) > MOST_BEHIND_MS:
        raise NotTheSameError(
            "What can be read of the stream ends long before the last visit: a snapshot is taken instead."
        ).plain()


def _compare(scratch: Scratch, counted: dict[int, int]) -> None:
    """NotTheSameError where the numbers of keys are not those that the source told."""
    with scratch.endpoint.translated("counting its keys"), Wire(scratch.endpoint) as wire:
        there = {db: counts["keys"] for db, counts in keyspace(info(wire, b"keyspace")).items()}
    if there != {db: number for db, number in counted.items() if number}:
        raise NotTheSameError(
            "What was made from the backup before and the replication stream does not hold as many keys as the source did: a "
            "snapshot is taken instead."
        ).plain()
