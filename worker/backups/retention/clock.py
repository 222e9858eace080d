"""What is known of the time when a clock may be wrong."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from worker.repository.manifest import Manifest, Scope


def newest_first(manifests: Iterable[Manifest]) -> list[Manifest]:
    """By the moment of their data, and of those of one moment by name."""
    return sorted(manifests, key=lambda manifest: (manifest.created_at, manifest.name), reverse=True)


def certain(backups: list[Manifest], now: datetime) -> datetime | None:
    """A moment that has surely come: some source was backed up twice at or after it.

    One backup may have been made, and this be asked, by a clock that runs ahead.
    """
    made: defaultdict[Scope, list[datetime]] = defaultdict(list)
    for backup in backups:
        if backup.kind != "adopted" and not backup.is_ahead(now):
            made[backup.scope].append(backup.created_at)
    return max((sorted(moments)[-2] for moments in made.values() if len(moments) > 1), default=None)
