"""A look into one backup: its keys as a tree by prefix, the largest of them, and some of them as a JSON document."""

import time
from collections.abc import Iterator
from typing import Any

import structlog

from worker.arguments.questions import BrowseArguments
from worker.config.settings import Settings
from worker.errors import NotFoundError, RefusedError
from worker.formats import portable
from worker.formats.encryption import keys_of
from worker.formats.entries import Entry, EntryStream, Passing
from worker.formats.key_text import key_bytes
from worker.progress import Progress
from worker.repository import artifact
from worker.repository.copies.found import Found
from worker.repository.scope import scope_of
from worker.restore.selection.held import held, known_as
from worker.search.indexing.index import content
from worker.search.places import Stored
from worker.search.tree import Tree

log = structlog.get_logger()

ROOM = 1_000_000
"""Bytes that values in a document may have together, and the document itself."""
TOO_MUCH = (
    "That is more than a page hands out (1 MB): take a longer prefix, or write all of the backup to a file with "
    "`python -m worker export NAME`."
)

Data = dict[str, Any]


def browse(settings: Settings, arguments: BrowseArguments, progress: Progress) -> Data:
    """One level of the tree, or with `document` those keys as a document. The backup is read once, and to its end.

    Raises ArtifactError, NotFoundError for a backup or a key that is not there, and RefusedError for a document that is too
    large.
    """
    clock = time.monotonic()
    look = _level if arguments.document is None else _document
    with (
        held(settings, arguments.name, scope_of(settings), arguments.storage, progress) as backup,
        Stored(backup.storage, backup.manifest, keys_of(settings)).read(progress) as stream,
    ):
        answer = look(stream, arguments, backup)
    seconds = round(time.monotonic() - clock, 3)
    name = known_as(arguments.name, backup.manifest)
    log.info("backup_browsed", name=name, seconds=seconds)
    where = {"name": name, "prefix": arguments.prefix, "db": arguments.db}
    return {**where, "databases": sorted(backup.manifest.keys_by_db), **answer, "seconds": seconds}


def _level(stream: EntryStream, arguments: BrowseArguments, _: Found) -> Data:
    after = None if arguments.after is None else key_bytes(arguments.after)
    tree = Tree(key_bytes(arguments.prefix), arguments.db, after)
    for batch in stream.batches():
        tree.add(batch)
    return tree.told()


def _document(stream: EntryStream, arguments: BrowseArguments, backup: Found) -> Data:
    some = _Some(stream, arguments)
    header = artifact.header(backup.manifest.created_at, backup.manifest.source)
    chunks, room = list[bytes](), ROOM
    for chunk in portable.write(some, header):
        room -= len(chunk)
        if room >= 0:
            chunks.append(chunk)
    if room < 0 or some.room < 0:
        raise RefusedError(TOO_MUCH.replace("NAME", backup.manifest.name))
    if not some.keys:
        raise NotFoundError(f"{backup.manifest.name} has no such key: look from where it lies in the tree.")
    return {"keys": some.keys, "document": {"rows": [b"".join(chunks).decode()]}}


class _Some(Passing):
    """An EntryStream with the keys of a document alone, and none any more once they are too large; read to its end."""

    def __init__(self, stream: EntryStream, arguments: BrowseArguments) -> None:
        super().__init__(stream)
        self.keys, self.room = 0, ROOM
        self._tree, self._exact = Tree(key_bytes(arguments.prefix), arguments.db), arguments.document == "key"

    @property
    def libraries(self) -> list[bytes]:
        """None: functions are no keys."""
        return []

    def batches(self) -> Iterator[list[Entry]]:
        """Yield the stream's batches, narrowed."""
        for batch in self._stream.batches():
            yield [entry for entry in batch if self._is_in(entry)]

    def _is_in(self, entry: Entry) -> bool:
        if not self._tree.has(entry) or (self._exact and entry.key != self._tree.prefix):
            return False
        self.room -= len(content(entry)) + len(entry.key)
        self.keys += self.room >= 0
        return self.room >= 0
