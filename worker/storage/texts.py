"""A remote storage for who only shows what lies there: small files that were read once are not read again by the next process.

Their texts lie in one file beside the cache, which takes its own place whole, with its sha256 at the end. Each is known by
name, size and version, as the storage lists it now. Nobody who restores or deletes takes anything from there.
"""

import hashlib
import json
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from worker.storage.cache import Cache
from worker.storage.interface import Storage, StoredFile
from worker.storage.owned import made
from worker.storage.remote import Remote

MOST_BYTES = 256 << 20
"""In that file: a hundred thousand manifests, and notes of as many."""
_LARGEST_BYTES = 16 << 10
"""A larger text is not kept."""
_SUM_BYTES = 65
_WORTH_IT = 100
"""The file is written anew when that part of it is new, and not for each of ten thousand."""


class Texts:
    """What was read of one storage."""

    def __init__(self, cache: Cache, what: str) -> None:
        self._cache, self._path = cache, cache.beside("texts", what)
        self._texts: dict[StoredFile, bytes] = _read(self._path)
        self._listed: dict[str, StoredFile] = {}
        self._new = 0
        self._lock = threading.Lock()

    def see(self, files: Iterable[StoredFile]) -> None:
        """These are what lies there now; of what is gone the text goes as well."""
        listed = {file.name: file for file in files if file.version is not None}
        with self._lock:
            self._listed = listed
            self._texts = {file: text for file, text in self._texts.items() if listed.get(file.name) == file}

    def of(self, name: str) -> bytes | None:
        """The text of that file as it is now; None where it is not known."""
        with self._lock:
            file = self._listed.get(name)
            return self._texts.get(file) if file else None

    def keep(self, name: str, text: bytes) -> None:
        """It was just read."""
        with self._lock:
            if (file := self._listed.get(name)) and len(text) == file.size <= _LARGEST_BYTES:
                self._texts[file] = text
                self._new += 1

    def save(self) -> None:
        """Bring all to disk, once a hundredth of it is new. StorageError."""
        with self._lock:
            if self._new == 0 or self._new * _WORTH_IT < len(self._texts):
                return
            self._new, texts = 0, [*self._texts.items()]
        rows = [[*file, text.decode(errors="surrogateescape")] for file, text in texts]
        content = json.dumps(rows).encode()
        if len(content) > MOST_BYTES:
            return
        with self._cache.usable():
            whole = content + b"\n" + hashlib.sha256(content).hexdigest().encode()
            with made(self._path, whole, lasting=False) as beside:
                beside.rename(self._path)


def _read(path: Path) -> dict[StoredFile, bytes]:
    """Nothing where there is no such file, or it is not what was written."""
    with suppress(OSError, ValueError, TypeError):
        if path.stat().st_size <= MOST_BYTES + _SUM_BYTES:
            text = path.read_bytes()
            content, end = text[:-_SUM_BYTES], text[-_SUM_BYTES:]
            if end == b"\n" + hashlib.sha256(content).hexdigest().encode():
                rows: list[Any] = json.loads(content)
                return {StoredFile(*row[:3]): row[3].encode(errors="surrogateescape") for row in rows}
    return {}


@dataclass(frozen=True)
class Shown(Remote):
    """The same storage, of which known texts are not read again."""

    texts: Texts = field(compare=False)

    def files(self) -> list[StoredFile]:
        """Every finished file, by name."""
        files = super().files()
        self.texts.see(files)
        return files

    def read(self, name: str, limit: int = 64 << 20) -> bytes:
        """A small file whole."""
        known = self.texts.of(name)
        if known is None or len(known) > limit:
            known = super().read(name, limit)
            self.texts.keep(name, known)
        return known


def shown(storage: Storage, before: Storage) -> Storage:
    """That storage for who only shows it, with the texts that were known `before`; a folder is fast enough as it is."""
    if not isinstance(storage, Remote):
        return storage
    texts = before.texts if isinstance(before, Shown) else Texts(storage.cache, storage.place)
    return Shown(storage.bucket, storage.cache, storage.place, texts)


def save_texts(storage: Storage) -> None:
    """Bring what was read of it to disk. StorageError."""
    if isinstance(storage, Shown):
        storage.texts.save()
