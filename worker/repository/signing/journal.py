"""What this machine has signed into one storage, kept here: the last number, and what should still lie there.

Each change is on disk before what it stands for is done, so whatever is killed, a backup that we deleted ourselves is never
taken for one that somebody else removed, and none that was never written is missed. A name is on its way (`coming`) until its
manifest is known to lie there, and again (`going`) from right before it is deleted: meanwhile it may be there or not.
"""

import hashlib
import os
import secrets
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeVar

import structlog
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from worker.config.settings import Settings
from worker.errors import StorageError
from worker.repository import digest
from worker.repository.signing.keys import Signer
from worker.storage import Storage
from worker.storage.locks import lock_in_time
from worker.storage.owned import made, sync

log = structlog.get_logger()

_WAITED_FOR = 100
_TRIES = 1000
"""Each time somebody else has got on."""


class Entry(BaseModel):
    """A manifest that was signed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """Of the artifact."""
    sha256: str
    """Of the manifest file, in hexadecimal."""


class Journal(BaseModel):
    """Of one machine and one storage; by number what was signed and is not known to be gone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    storage: str
    """Its place."""
    signer: str
    """The public key."""
    chain: str
    """What tells these numbers from those of all other machines and storages."""
    since: AwareDatetime
    """When it was begun."""
    found: list[str]
    """Whose signatures lay there by then."""
    revision: int = 0
    """How often it was changed."""
    head: int = 0
    """The last number."""
    previous: str | None = None
    """The sha256 of the manifest that has it."""
    coming: dict[int, Entry] = {}
    live: dict[int, Entry] = {}
    going: dict[int, Entry] = {}
    elsewhere: dict[str, list[tuple[int, int]]] = {}
    """Of other machines' numbers, by chain, those that this machine has deleted: the first and the last of each row."""

    @property
    def sums(self) -> frozenset[str]:
        """The sha256 of each manifest file that it knows."""
        return frozenset(entry.sha256 for entries in (self.coming, self.live, self.going) for entry in entries.values())

    def next(self, entry: Entry) -> "Journal":
        """With one more, that is on its way."""
        number = self.head + 1
        return self._changed(head=number, previous=entry.sha256, coming={**self.coming, number: entry})

    def arrived(self, number: int, entry: Entry) -> "Journal":
        """With this one known to lie there; whatever had its name before was replaced by it."""
        rest = self._without(self.numbers(entry.name))
        return rest._changed(live={**rest.live, number: entry})

    def leaving(self, numbers: set[int]) -> "Journal":
        """With these about to be deleted."""
        entries = {number: entry for number, entry in {**self.live, **self.coming}.items() if number in numbers}
        rest = self._without(set(entries))
        return rest._changed(going={**rest.going, **entries}) if entries else self

    def left(self, numbers: set[int]) -> "Journal":
        """Without these, which are gone."""
        return self._without(numbers) if numbers else self

    def deleted(self, chain: str, number: int) -> "Journal":
        """With one of another machine's that this machine deletes."""
        rows = _with_number(self.elsewhere.get(chain, []), number)
        return self._changed(elsewhere={**self.elsewhere, chain: rows})

    def numbers(self, name: str) -> set[int]:
        """Those that a backup of that name has, or had."""
        entries = (*self.live.items(), *self.coming.items(), *self.going.items())
        return {number for number, entry in entries if entry.name == name}

    def settled(self, present: Container[str]) -> "Journal":
        """With what was on its way where it is, when nobody has finished it; `present` has the names that lie there.

        One that has not come is waited for until so many others have that whoever was to write it must be dead.
        """
        here = {number: entry for number, entry in self.coming.items() if entry.name in present}
        gone = {number for number, entry in self.going.items() if entry.name not in present}
        gone |= {number for number in self.coming.keys() - here.keys() if number < self.head - _WAITED_FOR}
        if not here and not gone:
            return self
        rest = self._without({*here, *gone})
        return rest._changed(live={**rest.live, **here})

    def _without(self, numbers: set[int]) -> "Journal":
        parts = {"live": self.live, "coming": self.coming, "going": self.going}
        return self._changed(**{part: _without(entries, numbers) for part, entries in parts.items()})

    def _changed(self, **fields: object) -> "Journal":
        return self.model_copy(update={**fields, "revision": self.revision + 1})


def _with_number(rows: list[tuple[int, int]], number: int) -> list[tuple[int, int]]:
    """The rows with one more number, in order, none next to another."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted([*rows, (number, number)]):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(joined[-1][1], last)
        else:
            joined.append((first, last))
    return joined


def _without(entries: dict[int, Entry], numbers: set[int]) -> dict[int, Entry]:
    return {number: entry for number, entry in entries.items() if number not in numbers}


@dataclass(frozen=True)
class Shelf:
    """Where the journal of a storage is kept."""

    path: Path

    @contextmanager
    def telling(self) -> Iterator[Journal | None]:
        """The journal, while nobody else of this machine tells an older one. StorageError."""
        with self._locked(".telling"):
            yield self.read()

    def swap(self, before: Journal | None, after: Journal) -> bool:
        """Put `after` in the place of `before`, and on disk; False where somebody else has changed it meanwhile. StorageError."""
        with _translated(self.path.parent):
            # On disk before the lock is taken: who stands still at a slow disk keeps nobody else from storing backups.
            with made(self.path, digest.sealed(after.model_dump_json(indent=2))) as beside, self._locked(".lock"):
                if self.read() != before:
                    return False
                os.rename(beside, self.path)
            sync(self.path.parent)
        return True

    @contextmanager
    def _locked(self, suffix: str) -> Iterator[None]:
        with _translated(self.path.parent):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.fdopen(os.open(self.path.with_suffix(suffix), os.O_RDWR | os.O_CREAT, 0o600), "rb")
        with file:
            lock_in_time(file, str(self.path))
            yield

    def read(self) -> Journal | None:
        """The journal; None where there is none, or one that is damaged: that is replaced by whoever writes the next."""
        try:
            status = self.path.stat()
            return _parsed(self.path, (status.st_ino, status.st_size, status.st_mtime_ns))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(self.path.parent, error) from None


@lru_cache(maxsize=8)
def _parsed(path: Path, stamp: tuple[int, int, int]) -> Journal | None:  # noqa: ARG001 - it tells one content from the next
    try:
        return Journal.model_validate_json(digest.opened(path.read_bytes()) or b"")
    except ValidationError:
        log.warning("journal_damaged", file=str(path))
        return None


def shelf(settings: Settings, storage: Storage) -> Shelf:
    """The shelf of that storage."""
    return Shelf(Path(settings.backup_state) / f"{of_place(storage.place)}.json")


def known(settings: Settings, storage: Storage) -> Journal | None:
    """The journal of that storage; None where there is none, or none that this user can read."""
    with suppress(StorageError):
        return shelf(settings, storage).read()
    return None


def of_place(place: str) -> str:
    """What tells one storage from another, and nobody where it is."""
    return hashlib.sha256(place.encode()).hexdigest()[:16]


def begun(storage: Storage, signer: Signer, found: list[str], before: Journal | None) -> Journal:
    """A new journal; of the key that signed there `before`, if it was another, what it signed stays trusted."""
    known = {*found, *((*before.found, before.signer) if before else ())}
    since = before.since if before else datetime.now(UTC).replace(microsecond=0)
    return Journal(
        storage=storage.place,
        signer=signer.public,
        chain=secrets.token_hex(8),
        since=since,
        found=sorted(known - {signer.public}),
    )


Kept = TypeVar("Kept", Journal, Journal | None)


def put(place: Shelf, made_of: Callable[[Journal | None], Kept]) -> Kept:
    """Keep there what that makes of what is kept, None or the same where nothing is to change; gives what is kept then.

    It is asked again where somebody else was faster. StorageError.
    """
    for _ in range(_TRIES):
        before = place.read()
        after = made_of(before)
        if after is None or after is before or place.swap(before, after):
            return after
    raise StorageError(f"Others change {place.path} all the time: try again when they have ended.")


def change(place: Shelf, change_it: Callable[[Journal], Journal]) -> Journal | None:
    """Change what is kept there; None where nothing is. StorageError."""
    return put(place, lambda kept: change_it(kept) if kept else None)


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unusable(folder, error) from None


def _unusable(folder: Path, error: OSError) -> StorageError:
    return StorageError(
        f"The folder {folder}, where this machine keeps what it has signed, cannot be used ({error.strerror}): let this user "
        "write there, or name another by BACKUP_STATE."
    )
