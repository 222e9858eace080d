"""What a process has read of a storage, kept for as long as the files are the same: no manifest is read twice.

Of each backup its manifest and its notes are known by name, size and version, as the storage lists them; where these are as
they were, so is all that was made of them.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import ClassVar, NamedTuple

from worker.config.settings import load
from worker.errors import NotFoundError, StorageError, UnreadError
from worker.repository.contents import Catalogue, Sorted, Sorting, fault
from worker.repository.described import Described, described
from worker.repository.manifest import MANIFEST_SUFFIX, Manifest
from worker.repository.notes import NOTES_SUFFIX
from worker.repository.signing import journal
from worker.repository.signing.chain import Records, amiss
from worker.repository.signing.ledger import Ledger, is_ledger
from worker.repository.signing.ledger import read as read_ledger
from worker.repository.signing.trust import Trust, trust_of
from worker.repository.versions.lost import Lost, lost
from worker.repository.versions.records import records
from worker.storage import Storage, StoredFile
from worker.storage.remote import written_last
from worker.storage.texts import save_texts, shown

AT_LEAST = 20
"""Manifests that are read however long that takes, so that everybody who asks gets on."""
_LARGEST_BYTES = 16 << 10
"""A larger one is not kept in mind."""
_FOR_EACH = 4
"""Manifests for each reader that are on their way."""
_RENEWED = 3
"""A look is renewed, without anybody waiting for that, in the last two thirds of the time that it is relied on."""
_STORAGES = 16
"""That are."""

Files = dict[str, StoredFile]


class _Known(NamedTuple):
    file: StoredFile
    notes_file: StoredFile | None
    said: Described


class _Look(NamedTuple):
    """What was seen, begun at that time, by two clocks; whom was trusted then, and what had been written there by us until then."""

    sorted: Sorted
    amiss: dict[str, str]
    trust: Trust
    written: int
    at: float
    moment: datetime


class Memory:
    """One storage, as far as it was read."""

    seconds: ClassVar[float | None] = None
    """How long anybody in this process waits for manifests to be read; None for as long as that takes."""
    shows: ClassVar[bool] = False
    """Whether this process only shows what lies there: then texts that another one has read are not read again."""
    relied_on: ClassVar[float] = 0
    """For so many seconds it then relies on its last look into a storage that is far away."""

    def __init__(self, storage: Storage) -> None:
        self.storage, self._lock = storage, threading.Lock()
        self._known: dict[str, _Known] = {}
        self._listed: list[StoredFile] = []
        self._files: Files = {}
        """`_listed`, by name."""
        self._lost: dict[str, Lost] = {}
        """Backups that somebody else has deleted or written over."""
        self._open: set[str] = set()
        """Backups of which the files have changed, or may say something else the next time."""
        self._sorting = Sorting(storage)
        self._sums: frozenset[str] = frozenset()
        """Of manifests that this machine has signed itself: their signatures need no other proof."""
        self._told: dict[StoredFile, Ledger | None] = {}
        self._amiss: dict[str, str] = {}
        """What was missing, or put back, when somebody last looked."""
        self._sorted: Sorted | None = None
        self._is_complete = False
        self._last: _Look | None = None
        self._is_looking = False

    @property
    def unread(self) -> int:
        """How many backups were still to be read when somebody last tried."""
        return 0 if self._is_complete else len(self._open)

    def read(self, seconds: float | None) -> Catalogue:
        """All of it. UnreadError where reading takes longer: the next one goes on from there. StorageError."""
        return self._relied_on() or self.read_anew(seconds)

    def _relied_on(self) -> Catalogue | None:
        """The last look, while it may be relied on and nobody on this machine has written since; another is begun in time."""
        last, relied_on = self._last, Memory.relied_on
        if last is None or (last.written, last.trust) != (written_last(self.storage), trust_of(load(), self.storage)):
            return None
        age = time.monotonic() - last.at
        if age > relied_on:
            return None
        if age > relied_on / _RENEWED and not self._is_looking:
            self._is_looking = True
            threading.Thread(target=self._look_again, name="catalogue", daemon=True).start()
        return replace(last.sorted.at(datetime.now(UTC), last.amiss), seen_at=last.moment)

    def _look_again(self) -> None:
        try:
            # What is wrong with the storage is told to the first who may not rely on the last look any more.
            with suppress(StorageError):
                self.read_anew(None)
        finally:
            self._is_looking = False

    def read_anew(self, seconds: float | None) -> Catalogue:
        """The same, relying on no earlier look."""
        with self._held(seconds):
            written, at, moment = written_last(self.storage), time.monotonic(), datetime.now(UTC)
            self._ask_whom_to_trust()
            sorted_out = self._sorted_out(seconds)
            suspects = self._suspects()
            if suspects != self._amiss:
                # What is written or deleted in this very moment looks the same: so it must look so twice.
                sorted_out, again = self._sorted_out(seconds), self._suspects()
                self._amiss = {name: words for name, words in again.items() if name in suspects}
            self._is_complete = True
            if written is not None and Memory.relied_on:
                self._last = _Look(sorted_out, self._amiss, self._sorting.trust, written, at, moment)
            with suppress(StorageError):
                save_texts(self.storage)
            return sorted_out.at(datetime.now(UTC), self._amiss)

    def _sorted_out(self, seconds: float | None) -> Sorted:
        self._list()
        if self._open:
            self._sorted = None
            self._read_open(seconds)
        self._sorted = self._sorted or self._sorting.sorted()
        return self._sorted

    def _suspects(self) -> dict[str, str]:
        """What looks missing, or put back, by what was signed. It is read after the files were listed."""
        kept = journal.known(load(), self.storage)
        ledgers = [*self._ledgers()]
        if kept is None and not ledgers:
            return {}
        signers, present = self._sorting.trust.signers, self._present()
        told = tuple(ledger for ledger in ledgers if signers is None or ledger.signer in signers)
        return {name: words for name, words in amiss(present, Records(kept, told)).items() if name not in self._lost}

    def _present(self) -> dict[str, Manifest | None]:
        """Each backup of which there is a manifest, with that as far as it is kept in mind."""
        names = [name.removesuffix(MANIFEST_SUFFIX) for name in self._files if name.endswith(MANIFEST_SUFFIX)]
        return {name: known.said.manifest if (known := self._known.get(name)) else None for name in names}

    def _ledgers(self) -> Iterator[Ledger]:
        """What machines have told there of what they have signed."""
        files = [file for name, file in self._files.items() if is_ledger(name)]
        # Of what has no version the next change could not be told from the last.
        read = {file: self._told.get(file) if file.version else None for file in files}
        with suppress(StorageError):
            self._told = {file: told or read_ledger(self.storage, file.name) for file, told in read.items()}
        return (ledger for ledger in self._told.values() if ledger)

    def latest_first(self) -> Iterator[Manifest]:
        """The whole backups that lie in no trash, the latest by its name first; each is read when it is asked for."""
        self._ask_whom_to_trust()
        listed, missed = self._look()
        trust, files = self._sorting.trust, {file.name: file for file in listed}
        for file in reversed(listed):
            name = file.name.removesuffix(MANIFEST_SUFFIX)
            if name != file.name and name not in missed:
                with suppress(NotFoundError):
                    said = self._said(name, file, files.get(name + NOTES_SUFFIX))
                    if said.manifest is None or said.deleted_at or trust.objection(said.manifest):
                        continue
                    if fault(name, said, files.get(name)) is None:
                        yield said.manifest

    @contextmanager
    def _held(self, seconds: float | None) -> Iterator[None]:
        """Nobody else reads meanwhile: they would read the same."""
        if not self._lock.acquire(timeout=-1 if seconds is None or self._is_complete else seconds):
            raise self._being_read()
        try:
            yield
        finally:
            self._lock.release()

    def _look(self) -> tuple[list[StoredFile], dict[str, Lost]]:
        """The files, and the backups that are not there as they were written."""
        before, listed = records(self.storage), self.storage.files()
        return listed, lost(before, records(self.storage), listed)

    def _ask_whom_to_trust(self) -> None:
        """What was read is judged anew where that has changed."""
        settings = load()
        trust, kept = trust_of(settings, self.storage), journal.known(settings, self.storage)
        self._sums = kept.sums if kept else frozenset()
        if trust != self._sorting.trust:
            self._open.update(self._known)
        self._sorting.trust = trust

    def _list(self) -> None:
        """Look which files have changed."""
        listed, missed = self._look()
        self._open.update(
            name for name in missed.keys() | self._lost.keys() if missed.get(name) != self._lost.get(name)
        )
        self._lost = missed
        if listed == self._listed:
            return
        before, files = self._files, {file.name: file for file in listed}
        changed = [file.name for file in listed if (last := before.get(file.name)) is not file and last != file]
        self._open.update(map(_backup_of, changed), map(_backup_of, before.keys() - files.keys()))
        self._listed, self._files = listed, files

    def _read_open(self, seconds: float | None) -> None:
        allowance, unsure = _Allowance(seconds), set[str]()
        try:
            with closing(self._read_ahead()) as names:
                for name, is_new in names:
                    if not allowance.may_read(is_new):
                        raise self._being_read()
                    self._sort_in(name)
                    if self._is_unknown(name) or name in self._sorting.passing:
                        unsure.add(name)
                    self._open.discard(name)
        finally:
            self._open |= unsure

    def _read_ahead(self) -> Generator[tuple[str, bool], None, None]:
        """What is open, the latest first, each with whether it had to be read: from far away many are, and kept in mind, while
        others are sorted in. What cannot be kept is read again when its turn comes.
        """
        names = [(name, self._is_unknown(name)) for name in sorted(self._open, reverse=True)]
        if self.storage.readers == 1:
            yield from names
            return
        readers = ThreadPoolExecutor(self.storage.readers)
        begun = ((name, readers.submit(self._keep, name) if is_new else None) for name, is_new in names)
        try:
            coming = deque(islice(begun, self.storage.readers * _FOR_EACH))
            while coming:
                name, reading = coming.popleft()
                coming.extend(islice(begun, 1))
                if reading:
                    reading.result()
                yield name, reading is not None
        finally:
            readers.shutdown(cancel_futures=True)

    def _is_unknown(self, name: str) -> bool:
        """Whether there is a manifest of that name which is to be read."""
        file = self._files.get(name + MANIFEST_SUFFIX)
        return (
            file is not None
            and name not in self._lost
            and not self._knows(name, file, self._files.get(name + NOTES_SUFFIX))
        )

    def _keep(self, name: str) -> None:
        with suppress(NotFoundError):
            self._said(name, self._files[name + MANIFEST_SUFFIX], self._files.get(name + NOTES_SUFFIX))

    def _sort_in(self, name: str) -> None:
        if name in self._lost:
            self._sorting.put_lost(self._lost[name])
            return
        file = self._files.get(name + MANIFEST_SUFFIX)
        if file is None:
            self._known.pop(name, None)
            self._sorting.put(name, None, self._files.get(name))
            return
        with suppress(NotFoundError):  # deleted between the listing and now
            self._sorting.put(name, self._said(name, file, self._files.get(name + NOTES_SUFFIX)), self._files.get(name))

    def _knows(self, name: str, file: StoredFile, notes_file: StoredFile | None) -> bool:
        known = self._known.get(name)
        return known is not None and known.file == file and known.notes_file == notes_file

    def _said(self, name: str, file: StoredFile, notes_file: StoredFile | None) -> Described:
        if self._knows(name, file, notes_file):
            return self._known[name].said
        said = described(self.storage, file, notes_file, self._sums)
        lasts = all(
            stored.version is not None and stored.size <= _LARGEST_BYTES for stored in (file, notes_file) if stored
        )
        if lasts and said.is_sure:
            self._known[name] = _Known(file, notes_file, said)
        return said

    def _being_read(self) -> UnreadError:
        total = sum(name.endswith(MANIFEST_SUFFIX) for name in self._files)
        return UnreadError(
            f"The catalogue of {self.storage} is being read, {total - len(self._open):,} of {total:,} manifests by now: "
            "look again in a few seconds."
        )


def _backup_of(file: str) -> str:
    """The name of the backup that a file belongs to, or would if it were of one."""
    return file.removesuffix(MANIFEST_SUFFIX).removesuffix(NOTES_SUFFIX)


class _Allowance:
    """How much may be read at once."""

    def __init__(self, seconds: float | None) -> None:
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._read = 0

    def may_read(self, number: int) -> bool:
        """So many more."""
        self._read += number
        return number == 0 or self._deadline is None or self._read <= AT_LEAST or time.monotonic() < self._deadline


_MEMORIES: OrderedDict[Storage, Memory] = OrderedDict()
_LOCK = threading.Lock()


def memory(storage: Storage) -> Memory:
    """What this process knows of that storage."""
    with _LOCK:
        known = _MEMORIES.setdefault(storage, Memory(storage))
        _MEMORIES.move_to_end(storage)
        while len(_MEMORIES) > _STORAGES:
            _MEMORIES.popitem(last=False)
        # The same place, perhaps by another connection.
        known.storage = shown(storage, known.storage) if Memory.shows else storage
        return known
