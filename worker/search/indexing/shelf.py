"""Where the index of a backup lies: beside its artifact, and encrypted where that is, for it would tell which keys there are."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from worker.errors import ArtifactError, NotFoundError, StorageError
from worker.formats.encryption import PLAIN, Keys
from worker.progress import Progress
from worker.repository.manifest import INDEX_SUFFIX, Manifest
from worker.storage import Storage, chunks_of
from worker.storage.tempfiles import on_disk, temporary


@dataclass(frozen=True)
class Shelf:
    """The place of one index."""

    storage: Storage
    manifest: Manifest
    keys: Keys

    @property
    def name(self) -> str:
        """Of its file."""
        return self.manifest.name + INDEX_SUFFIX

    def fetch(self, progress: Progress) -> BinaryIO:
        """The index on this machine, as plain bytes. NotFoundError, or StorageError where it cannot be read."""
        if not self.manifest.encrypted:
            return self.storage.fetch(self.name, progress)
        with self.storage.open(self.name) as stored:
            file = temporary()
            try:
                with on_disk():
                    file.writelines(self.keys.decrypt(chunks_of(stored), self.manifest.name))
                    file.seek(0)
            except ArtifactError as error:
                file.close()
                raise StorageError(f"The index of {self.manifest.name} cannot be opened. {error}") from None
        return file

    def put(self, chunks: Iterator[bytes]) -> bool:
        """Keep this one in the place of any other. False where it cannot be kept: only the backup's recipients may read it."""
        encryption = self.keys.own() if self.manifest.encrypted else PLAIN
        if encryption is None:
            return False
        with suppress(NotFoundError):
            self.storage.delete(self.name, [])
        with self.storage.draft([self.name]) as draft:
            for chunk in encryption.encrypt(chunks):
                draft.write(chunk)
            draft.publish()
        return True
