"""What we may do where backups lie, found out by doing it: list, write, read back, keep a name, note, delete."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from worker.config.settings import Settings
from worker.errors import BackupSystemError, ForbiddenError, NotFoundError, StorageError
from worker.progress import Progress, silent
from worker.storage import Storage, open_storage, require
from worker.storage.versions.kept import versions_of

STEPS = 6
CONTENT = b"Whether this storage does what backups need. It can be deleted.\n"


@dataclass(frozen=True)
class Step:
    """One thing that was tried."""

    what: str
    seconds: float
    """How long it took."""
    why: str | None = None
    """What it was refused with, a sentence; None where it went well."""
    right: str | None = None
    """The right that is missing, as whoever gives rights there calls it, where it is that."""


def storage(settings: Settings, progress: Progress) -> dict[str, Any]:
    """Try each of our storages, one after the other, home first; nothing of that stays where it may be deleted.

    Of each it says `where` it is, its `steps`, whether all of them went well (`usable`), whether nobody can write over
    anybody's file there (`exclusive`), whether it keeps what is deleted as a version (`versions`), how many bytes are free
    (`free_bytes`), and the name of what could not be deleted (`left`); None for what is not known.
    """
    copies = [_tried(url, progress, made=False) for url in settings.backup_copies]
    return {"storages": [_tried(settings.backup_storage, progress, made=True), *copies]}


def check_usable(tried: dict[str, Any]) -> None:
    """Raise StorageError where backups cannot be kept in one of those that were tried."""
    for place in tried["storages"]:
        for step in place["steps"]:
            if step["why"]:
                raise StorageError(f"Backups cannot be kept in {place['where']}: {step['why']}")


def _tried(url: str, progress: Progress, *, made: bool) -> dict[str, Any]:
    """What came of one; a folder that is not there yet is `made`, or is what is wrong."""
    began, name = time.monotonic(), f"trial-{secrets.token_hex(8)}"
    known: dict[str, Any] = dict.fromkeys(("exclusive", "versions", "free_bytes"))
    try:
        place = open_storage(url)
        if not made:
            require(place)
    except BackupSystemError as error:
        steps = [_ended("open", began, error)]
    else:
        steps = try_out(place, name, progress, known)
        known |= {"exclusive": place.exclusive, "free_bytes": _free_bytes(place)}
    undeleted = steps[-1].what == "delete" and steps[-1].why is not None
    return {
        "where": url,
        "usable": all(step.why is None for step in steps),
        "steps": [asdict(step) for step in steps],
        "left": name if undeleted else None,
        **known,
    }


def try_out(place: Storage, name: str, progress: Progress = silent, known: dict[str, Any] | None = None) -> list[Step]:
    """Each step in its turn, with a file of that name; what cannot be because an earlier one was refused is left out. What
    is learnt beside them becomes `known`.
    """
    steps: list[Step] = []
    try:
        for what, act in _acts(place, name, {} if known is None else known):
            progress(f"trying {place}", len(steps), STEPS, "steps")
            began, error = time.monotonic(), None
            try:
                act()
            except (StorageError, NotFoundError) as refusal:
                error = refusal
            steps.append(_ended(what, began, error))
            # Who may not list is told of any name that it is not his to read, so nothing else can be judged.
            if error is not None and (what == "write" or (what == "list" and steps[-1].right)):
                break
    except BaseException:
        with suppress(StorageError, NotFoundError):
            place.delete(name, [])
        raise
    return steps


def _ended(what: str, began: float, error: BackupSystemError | None) -> Step:
    right = error.right if isinstance(error, ForbiddenError) else None
    return Step(what, round(time.monotonic() - began, 3), str(error) if error else None, right)


def _acts(place: Storage, name: str, known: dict[str, Any]) -> Iterator[tuple[str, Callable[[], None]]]:
    yield "list", lambda: _list(place)
    yield "write", lambda: _write(place, name)
    yield "read back", lambda: _read_back(place, name)
    known["versions"] = _keeps_versions(place, name)
    yield "write over nothing", lambda: _write_again(place, name)
    yield "note", lambda: _note(place, name)
    yield "delete", lambda: _delete(place, name)


def _list(place: Storage) -> None:
    place.files()


def _write(place: Storage, name: str) -> None:
    with place.draft([name]) as draft:
        draft.write(CONTENT)
        draft.publish()


def _read_back(place: Storage, name: str) -> None:
    with place.fetch(name, anew=True) as file:
        if file.read() != CONTENT:
            raise StorageError(f"{place} gives other bytes back than it was given.")


def _write_again(place: Storage, name: str) -> None:
    try:
        place.put(name, b"something else")
    except StorageError:
        if place.read(name) == CONTENT:
            return
    raise StorageError(f"{place} lets a file be written over another of its name.")


def _note(place: Storage, name: str) -> None:
    with place.locked(name):
        place.put(name, CONTENT + place.read(name), replace=True)
    if place.read(name) != CONTENT * 2:
        raise StorageError(f"{place} gives other bytes back than it was given.")


def _delete(place: Storage, name: str) -> None:
    place.delete(name, [])
    if any(file.name == name for file in place.files()):
        raise StorageError(f"{place} still lists what was deleted.")


def _keeps_versions(place: Storage, name: str) -> bool | None:
    """Whether what has just been written there has a version of its own; None where nobody can tell."""
    versions = versions_of(place)
    with suppress(StorageError):
        kept = versions.of(name) if versions else None
        return None if kept is None else kept.id is not None
    return None


def _free_bytes(place: Storage) -> int | None:
    with suppress(StorageError):
        return place.free_bytes()
    return None
