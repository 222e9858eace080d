"""The last place of a chain at which its source was seen to hold so many keys."""

from worker.config.settings import Settings
from worker.errors import NotFoundError
from worker.segments.chain import stretches
from worker.segments.moments import Found, recording_of
from worker.segments.recording import Recording
from worker.storage import open_storage


def last_noted(settings: Settings, within: Recording) -> tuple[Recording, dict[int, int]]:
    """That place at or before the moment, and the keys by database. NotFoundError where nobody has counted them."""
    begin = within.base.source.replication_offset or 0
    for stretch in stretches(settings)[0]:
        if all(base.sha256 != within.base.sha256 for base in stretch.bases):
            continue
        for _, frame, _ in reversed(stretch.frames):
            if frame.counts is not None and begin <= frame.end <= within.offset:
                # A source that has been idle since still stands there.
                seen = stretch.until if frame.end == stretch.end else frame.until
                place = Found(stretch, within.base, frame.end, seen, 0)
                storage = open_storage(settings.backup_storage)
                return recording_of(settings, storage, place), {int(db): keys for db, keys in frame.counts.items()}
    raise NotFoundError(
        f"Behind {within.base.name} no visit has noted yet how many keys there are: visit the source, and verify it then."
    )
