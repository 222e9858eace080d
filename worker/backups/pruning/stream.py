"""What pruning does with the replication stream: backups that moments are made from stay, and segments go once no moment needs them."""

from contextlib import suppress
from datetime import UTC, datetime

import structlog

from worker.backups.retention.decision import Decision
from worker.config.settings import Settings
from worker.errors import NotFoundError
from worker.progress import Proof
from worker.segments.chain import stretches
from worker.segments.keeping import Kept, kept, seen
from worker.segments.marks import milliseconds
from worker.segments.segment import SEGMENT_SUFFIX
from worker.storage import Storage

log = structlog.get_logger()


def kept_in(settings: Settings, storage: Storage, decisions: list[Decision]) -> Kept:
    """What of the stream is kept there, by BACKUP_STREAM_HOURS. StorageError."""
    there, _ = stretches(settings, storage)
    backups = [decision.manifest for decision in decisions if decision.manifest.kind == "backup"]
    return kept(there, settings.backup_stream_hours, seen(there, backups, milliseconds(datetime.now(UTC))))


def with_bases(decisions: list[Decision], stream: Kept) -> list[Decision]:
    """The decisions, with the backups kept that moments are made from."""
    return [
        Decision(decision.manifest, keep=True, reason=stream.bases[decision.manifest.name])
        if not decision.keep and decision.manifest.name in stream.bases
        else decision
        for decision in decisions
    ]


def delete_segments(storage: Storage, stream: Kept, prove: Proof) -> list[str]:
    """Delete what no moment needs, oldest first. Gives the names."""
    for segment in stream.doomed:
        prove()
        with suppress(NotFoundError):  # another prune was here first
            storage.delete(segment.name + SEGMENT_SUFFIX, [segment.name])
    names = [segment.name for segment in stream.doomed]
    if names:
        log.info("segments_pruned", where=str(storage), number=len(names), last=names[-1])
    return names
