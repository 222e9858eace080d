"""Which of the stream is kept, and which backups for its sake: a window of any moment, and the backup that it begins with. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from worker.repository.manifest import Manifest
from worker.segments.chain import Stretch
from worker.segments.marks import milliseconds
from worker.segments.segment import Segment

HOUR_MS = 3_600_000


@dataclass
class Kept:
    """What is to become of it."""

    bases: dict[str, str] = field(default_factory=dict)
    """The backups that must stay, by name, and why."""
    doomed: list[Segment] = field(default_factory=list)
    """What no moment of the window needs."""


def kept(stretches: list[Stretch], hours: float, surely: int) -> Kept:
    """By a window of so many hours before `surely`, a moment in milliseconds that has come, whatever a clock says."""
    decision, begins = Kept(), surely - int(hours * HOUR_MS)
    for stretch in stretches:
        anchor = _anchor(stretch, begins)
        first = (anchor.source.replication_offset or 0) if anchor else None
        is_over = stretch.until < begins or (anchor is None and stretch is not stretches[-1])
        decision.doomed += [
            part.segment
            for part in stretch.parts
            if part.path is None and (is_over or (first is not None and part.segment.end <= first))
        ]
        if anchor is not None and not is_over:
            decision.bases[anchor.name] = "moments that can be gone back to are made from it"
    return decision


def seen(stretches: Iterable[Stretch], backups: Iterable[Manifest], now: int) -> int:
    """A moment that has come: what the source, or a backup, has told last; the clock of this machine alone may be wrong."""
    moments = [stretch.until for stretch in stretches]
    moments += [milliseconds(backup.created_at) for backup in backups]
    return min(now, max(moments, default=now))


def _anchor(stretch: Stretch, begins: int) -> Manifest | None:
    """The newest backup that was whole before the window begins, else the oldest."""
    early = [base for base in stretch.bases if _whole_ms(base) <= begins]
    return early[-1] if early else next(iter(stretch.bases), None)


def _whole_ms(base: Manifest) -> int:
    return milliseconds(base.created_at) + int(base.duration_seconds * 1000) + 1
