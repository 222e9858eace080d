"""What came of a drill is noted beside the backup: of a copy at home, with that copy."""

from contextlib import suppress

from worker.config.settings import Settings
from worker.errors import BackupSystemError
from worker.repository import catalogue
from worker.repository.copies import places
from worker.repository.copies.found import Found
from worker.repository.drills.rehearsal import Rehearsal, Way
from worker.repository.manifest import Copied, Manifest


def note(settings: Settings, held: Found, drill: Rehearsal) -> list[str]:
    """Why it could not be noted, in a sentence."""
    field = "decoded" if drill.way == "read" else "rehearsed"
    home, there = places.home(settings), held.storage
    at_home = _at_home(settings, held)
    if at_home is None:
        return catalogue.try_to_note(there, held.manifest.name, **{field: drill})
    known = at_home.copies.get(there.place) or Copied(copied_at=drill.at)
    copies = {there.place: known.model_copy(update={field: drill})}
    return catalogue.try_to_note(home, at_home.name, copies=copies)


def _at_home(settings: Settings, held: Found) -> Manifest | None:
    """The same backup at home, where the one that was drilled lies elsewhere."""
    home = places.home(settings)
    if held.storage.place == home.place:
        return None
    with suppress(BackupSystemError):
        manifest = catalogue.get(home, held.manifest.name)
        return manifest if places.is_same(manifest, held.manifest) else None
    return None


def next_way(held: Found) -> Way:
    """By turns: the other one than the last time that any backup of that storage was rehearsed."""
    if held.manifest.lacks_keys or held.manifest.data_format != "rdb":
        return "keys"
    with suppress(BackupSystemError):
        drills = [backup.rehearsed for backup in catalogue.read(held.storage).listed if backup.rehearsed]
        last = max(drills, key=lambda drill: drill.at, default=None)
        return "keys" if last is not None and last.way == "mirror" else "mirror"
    return "mirror"
