"""A few keys of a backup that are named, looked up by its index: a large backup need not be read for them."""

from collections.abc import Iterator

from worker.arguments.selection import Selection
from worker.formats.entries import EntriesAlone, Entry
from worker.formats.key_text import key_bytes
from worker.progress import Progress
from worker.search.places import Stored

MOST = 5
"""Keys that are looked up one by one: each opens the index of the backup once."""


class Few(EntriesAlone):
    """An EntryStream of the keys that a selection names."""

    def __init__(self, backup: Stored, selection: Selection, progress: Progress) -> None:
        self.rdb_version = backup.rdb_version
        self._backup, self._selection, self._progress = backup, selection, progress

    @property
    def libraries(self) -> list[bytes]:
        """None: only some keys are meant."""
        return []

    def batches(self) -> Iterator[list[Entry]]:
        """Yield one batch for each key. Raises ArtifactError and RefusedError."""
        wanted, backup = self._selection.databases, self._backup
        databases = [db for db in backup.databases() if wanted is None or db in wanted]
        for text in sorted(self._selection.keys or ()):
            versions = backup.versions(key_bytes(text), databases, self._progress)
            yield [entry for version in versions.values() if (entry := version.read()) is not None]


def are_few(selection: Selection) -> bool:
    """Whether it names a few keys, and says nothing else that their values would have to be read for."""
    named = selection.keys is not None and len(selection.keys) <= MOST
    return named and not (selection.match or selection.exclude or selection.types)
