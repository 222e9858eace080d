"""What becomes known of a backup later: verified, rehearsed, suspicious, copied, pinned, undone, deleted; it lies beside the manifest, which never changes."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from worker.repository import digest
from worker.repository.drills.quantities import Moment
from worker.repository.drills.rehearsal import Rehearsal
from worker.repository.manifest import LATER, Copied, Manifest

NOTES_SUFFIX = ".notes.json"


class Notes(BaseModel):
    """Where a field is None the manifest's own counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    name: str
    verified_at: Moment | None = None
    rehearsed: Rehearsal | None = None
    decoded: Rehearsal | None = None
    drilled_at: Moment | None = None
    undone_at: Moment | None = None
    pinned: bool | None = None
    pin_reason: str = ""
    deleted_at: Moment | None = None
    deleted_by: str | None = None
    copies: dict[str, Copied] = {}
    """By the place of each storage that it was copied to."""
    suspicious: tuple[str, ...] = ()
    """In sentences, what went missing since the backups before it."""
    accepted_at: Moment | None = None
    """When somebody said that it is as it should be; it is suspicious no longer then."""
    accepted_by: str | None = None

    def beside(self, manifest: Manifest) -> Manifest:
        """The manifest with these notes."""
        later = {name: getattr(self, name) for name in LATER}
        known: dict[str, Any] = {name: value for name, value in later.items() if value}
        if self.accepted_at is not None:
            known["suspicious"] = ()
        if self.pinned is not None:
            known |= {"pinned": self.pinned, "pin_reason": self.pin_reason if self.pinned else ""}
        return manifest.model_copy(update=known) if known else manifest


def to_json(notes: Notes) -> bytes:
    """The bytes of a file of notes."""
    empty = {name for name in ("copies", "suspicious") if not getattr(notes, name)}
    return digest.sealed(notes.model_dump_json(indent=2, exclude_none=True, exclude=empty))


def from_json(name: str, text: bytes) -> Notes | None:
    """Read the notes of the backup `name`; None where they are damaged."""
    document = digest.opened(text)
    try:
        notes = Notes.model_validate_json(document or b"")
    except ValidationError:
        return None
    return notes if notes.name == name else None


def lost(name: str) -> Notes:
    """The notes to assume where the real ones are damaged: pinned, for they may have said so."""
    return Notes(name=name, pinned=True, pin_reason="its notes are damaged")
