"""What we may do in a storage, found out by doing it: list, write, read back, keep a name, note, delete."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from worker.errors import NotFoundError, StorageError
from worker.storage.interface import Storage

CONTENT = b"Whether this storage does what backups need. It can be deleted.\n"


@dataclass(frozen=True)
class Step:
    """One thing that was tried, how long it took in seconds, and what it was refused with."""

    what: str
    seconds: float
    why: str | None


def try_out(storage: Storage) -> list[Step]:
    """Each step in its turn; what cannot be because an earlier one was refused is left out. Nothing of it stays."""
    name = f"trial-{secrets.token_hex(8)}"
    steps = [_step("list", lambda: _list(storage)), _step("write", lambda: _write(storage, name))]
    if steps[-1].why is None:
        steps += [
            _step("read back", lambda: _read_back(storage, name)),
            _step("write over nothing", lambda: _write_again(storage, name)),
            _step("note", lambda: _note(storage, name)),
            _step("delete", lambda: _delete(storage, name)),
        ]
    return steps


def _step(what: str, act: Callable[[], None]) -> Step:
    began, why = time.monotonic(), None
    try:
        act()
    except (StorageError, NotFoundError) as error:
        why = str(error)
    return Step(what, round(time.monotonic() - began, 3), why)


def _list(storage: Storage) -> None:
    storage.files()


def _write(storage: Storage, name: str) -> None:
    with storage.draft([name]) as draft:
        draft.write(CONTENT)
        draft.publish()


def _read_back(storage: Storage, name: str) -> None:
    with storage.fetch(name, anew=True) as file:
        if file.read() != CONTENT:
            raise StorageError(f"{storage} gives other bytes back than it was given.")


def _write_again(storage: Storage, name: str) -> None:
    try:
        storage.put(name, b"something else")
    except StorageError:
        if storage.read(name) == CONTENT:
            return
    raise StorageError(f"{storage} lets a file be written over another of its name.")


def _note(storage: Storage, name: str) -> None:
    with storage.locked(name):
        storage.put(name, CONTENT + storage.read(name), replace=True)
    if storage.read(name) != CONTENT * 2:
        raise StorageError(f"{storage} gives other bytes back than it was given.")


def _delete(storage: Storage, name: str) -> None:
    storage.delete(name, [])
    if any(file.name == name for file in storage.files()):
        raise StorageError(f"{storage} still lists what was deleted.")
