"""What the other storages hold: looked up now, for who can wait; or as it was a moment ago, looked up meanwhile, for pages."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from worker.config.settings import Settings
from worker.errors import BackupSystemError
from worker.repository import catalogue
from worker.repository.copies import places
from worker.repository.copies.standing import Reading
from worker.storage import Storage, require

EVERY_SECONDS = 30
"""How old may be what a page is given, before it is looked up anew behind its back."""


def look(settings: Settings) -> list[Reading]:
    """What each holds now, all asked at once; one that does not answer is given up within seconds."""
    storages = places.elsewhere(settings)
    if not storages:
        return []
    with ThreadPoolExecutor(len(storages)) as threads:
        return [*threads.map(_read, storages)]


def remembered(settings: Settings) -> list[Reading]:
    """What each held when this process last looked, without waiting for it; what is old is looked up meanwhile."""
    return [_kept(storage).known() for storage in places.elsewhere(settings)]


def _read(storage: Storage, before: Reading | None = None) -> Reading:
    """A look into it; where that fails what was seen before."""
    moment = datetime.now(UTC)
    try:
        require(storage)
        contents = catalogue.read_ahead(storage)
    except BackupSystemError as error:
        last = before or Reading(str(storage), storage.place, None, None)
        return last._replace(error=error.outside)
    return Reading(str(storage), storage.place, contents, contents.seen_at or moment)


class _Kept:
    """One storage, looked into by one thread at a time."""

    def __init__(self, storage: Storage) -> None:
        self.storage, self._lock = storage, threading.Lock()
        self._reading = Reading(str(storage), storage.place, None, None)
        self._begun: float | None = None
        self._looking = False

    def known(self) -> Reading:
        """The last reading; a new one is begun where that is old."""
        with self._lock:
            is_old = self._begun is None or time.monotonic() - self._begun > EVERY_SECONDS
            if is_old and not self._looking:
                self._looking, self._begun = True, time.monotonic()
                threading.Thread(target=self._look, name="copies", daemon=True).start()
            return self._reading

    def _look(self) -> None:
        try:
            self._reading = _read(self.storage, self._reading)
        finally:
            self._looking = False


_KEPT: dict[str, _Kept] = {}
_LOCK = threading.Lock()


def _kept(storage: Storage) -> _Kept:
    with _LOCK:
        kept = _KEPT.setdefault(storage.place, _Kept(storage))
        kept.storage = storage
        return kept
