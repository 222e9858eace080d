"""Backups that somebody else has deleted or written over: they are not in the bucket as they were written there."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from worker.errors import ArtifactError
from worker.repository.versions.records import Record, record_of
from worker.storage import Storage, StoredFile
from worker.storage.versions.kept import versions_of

How = Literal["deleted", "written over"]


@dataclass(frozen=True)
class Lost:
    """One of these. Its versions are remembered, so it can be put back as long as the bucket keeps them."""

    record: Record
    how: How

    @property
    def name(self) -> str:
        """Of the backup."""
        return self.record.name

    def words(self, storage: Storage) -> str:
        """What has happened, and what to do."""
        return (
            f"{self.name} was {self.how} in {storage} by somebody else: `BACKUP_STORAGE={storage} python -m worker put-back "
            f"{self.name}` puts the version back that was written there."
        )


def lost(before: dict[str, Record], after: dict[str, Record], files: Iterable[StoredFile]) -> dict[str, Lost]:
    """By their names. `files` were listed between the two looks at what is remembered: who adds a backup remembers it last,
    and who deletes one forgets it first, so what is in both was to be there.
    """
    tags = {file.name: file.version for file in files} if before else {}
    missed = {}
    for name, record in before.items():
        how = _how(record, tags)
        if how and after.get(name) == record:
            missed[name] = Lost(record, how)
    return missed


def lost_now(storage: Storage, name: str) -> Lost | None:
    """Whether that backup is one of these, as the bucket itself says; None where nothing is remembered of it."""
    record, versions = record_of(storage, name), versions_of(storage)
    if record is None or versions is None:
        return None
    there = {file: versions.of(file) for file in record.files}
    how = _how(record, {file: kept.tag for file, kept in there.items() if kept})
    return Lost(record, how) if how and record_of(storage, name) == record else None


def refuse_lost(storage: Storage, name: str) -> None:
    """ArtifactError where that backup is one of these."""
    if missed := lost_now(storage, name):
        raise ArtifactError(missed.words(storage))


def _how(record: Record, tags: dict[str, object]) -> How | None:
    there = [(tags.get(file), kept.tag) for file, kept in record.files.items()]
    if any(tag is not None and tag != written for tag, written in there):
        return "written over"
    return "deleted" if any(tag is None for tag, _ in there) else None
