"""Backups of the product, made and looked at: one that counts in a contest, one that others restore from."""

import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from benchmarks.contest import Outcome
from benchmarks.loaded import Loaded, size_of
from benchmarks.results import WHOLE
from worker.config.settings import CompressionName
from worker.formats.compression import COMPRESSIONS
from worker.repository.manifest import Manifest
from worker.storage import chunks_of


@dataclass(frozen=True)
class Backup:
    """One backup in a storage of its own."""

    storage: Path
    manifest: Manifest
    outcome: Outcome

    @property
    def file(self) -> Path:
        """Its artifact."""
        return self.storage / self.manifest.name

    def remove(self) -> None:
        """Take the storage away."""
        shutil.rmtree(self.storage)


def back_up(loaded: Loaded, *options: str) -> Backup:
    """Make a backup with these options of `python -m worker backup`."""
    storage = loaded.place.new_folder("storage")
    took, data = loaded.place.ours("backup", *options, source=loaded.server, storage=storage)
    manifest = Manifest.model_validate(data)
    return Backup(storage, manifest, Outcome(took, stored=manifest.bytes.stored))


def compared(loaded: Loaded, backup: Backup) -> str:
    """What a backup lacks: an RDB file is given to a server as it is, any other is restored.

    That takes long for JSON, so a document that says of every key what one said that was whole is not restored again.
    """
    if backup.manifest.data_format == "rdb":
        return file_compared(loaded, backup.file, backup.manifest.compression)
    content = _without_header(backup)
    if content in loaded.whole:
        return WHOLE
    with loaded.place.server() as target:
        loaded.place.ours("restore", backup.manifest.name, source=target, storage=backup.storage)
        found = loaded.compared(target)
    if found == WHOLE:
        loaded.whole.add(content)
    return found


def _without_header(backup: Backup) -> bytes:
    """The sha256 of a document but for its first line, which says when it was made."""
    content, begun = sha256(), False
    with backup.file.open("rb") as packed:
        for chunk in COMPRESSIONS[backup.manifest.compression].decompress(chunks_of(packed)):
            # The first line is short, and so within the first chunk.
            content.update(chunk if begun else chunk.partition(b"\n")[2])
            begun = True
    return content.digest()


def file_compared(loaded: Loaded, path: Path, compression: CompressionName) -> str:
    """The same for an RDB file, compressed so or not at all."""
    plain = loaded.place.new_folder("compared") / "plain.rdb"
    with path.open("rb") as packed, plain.open("wb") as file:
        for chunk in COMPRESSIONS[compression].decompress(chunks_of(packed)):
            file.write(chunk)
    try:
        return loaded.file_compared(plain)
    finally:
        shutil.rmtree(plain.parent)


def checked(loaded: Loaded, *options: str) -> Outcome:
    """A backup that competes: made, timed, compared, and gone."""
    backup = back_up(loaded, *options)
    try:
        made = backup.outcome
        return Outcome(made.took, compared(loaded, backup), size_of(backup.file))
    finally:
        backup.remove()
