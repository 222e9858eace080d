"""What the files beside an artifact say, remembered for as long as they stay the same."""

from functools import lru_cache

from worker.errors import NotFoundError
from worker.repository import notes
from worker.repository.manifest import MANIFEST_SUFFIX, Manifest, from_json
from worker.repository.notes import NOTES_SUFFIX, Notes
from worker.storage import Storage, StoredFile

_REMEMBERED, _REMEMBERED_BYTES = 4096, 16 << 10
"""How many manifests a process keeps in mind, and the largest of them."""


def noted(storage: Storage, name: str) -> Notes | None:
    """What is noted of that backup; None where nothing is. Where that is damaged, the backup may have been pinned."""
    try:
        text = storage.read(name + NOTES_SUFFIX)
    except NotFoundError:
        return None
    return notes.from_json(name, text) or notes.lost(name)


def described(storage: Storage, file: StoredFile, notes_file: StoredFile | None) -> tuple[Manifest, str | None]:
    """The backup that these files describe, and what is to be said of its notes.

    From memory where they are the same, and unchanged since we read them.
    """
    kept = all(one.version is not None and one.size <= _REMEMBERED_BYTES for one in (file, notes_file) if one)
    reading = _parsed if kept else _parsed.__wrapped__
    return reading(storage, file, notes_file)


# A list of a thousand backups is read for every page, and reading takes six times as long as looking whether it must be.
# A damaged one raises, and so is not remembered.
@lru_cache(_REMEMBERED)
def _parsed(storage: Storage, file: StoredFile, notes_file: StoredFile | None) -> tuple[Manifest, str | None]:
    name = file.name.removesuffix(MANIFEST_SUFFIX)
    manifest = from_json(name, storage.read(file.name))
    known = noted(storage, name) if notes_file else None
    if known is None:
        return manifest, None
    return known.beside(manifest), _LOST.format(name=name) if known == notes.lost(name) else None


_LOST = "The notes of {name} are damaged, so it counts as pinned: pin or unpin it, and they are written anew."
