"""Backups in tests: taken, brought back, and all that a server can be asked of its data."""

import gc
import hashlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.data import fill
from tests.support.reading import raw
from tests.support.servers import Server
from worker.arguments.backups import BackupArguments
from worker.arguments.restore import RestoreArguments
from worker.backups.backup import backup
from worker.broker.lease import Lease
from worker.config.settings import Settings, load
from worker.formats.entries import EntriesAlone, Entry
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.manifest import (
    MANIFEST_SUFFIX,
    NAME,
    SIGNED,
    Manifest,
    Origin,
    Scope,
    Size,
    artifact_name,
    to_json,
    to_signed,
)
from worker.repository.scope import scope_of
from worker.repository.signing import keys
from worker.repository.signing.ledger import is_ledger
from worker.restore.restore import restore
from worker.server.endpoint import SOURCE, Endpoint
from worker.server.fence import Fence
from worker.storage.local import Folder

DATABASES = (0, 3)
ANYWHERE = Scope(None, None)

each_format = pytest.mark.parametrize("data_format", ["rdb", "json"])


def settings_for(server: Server, storage: Path, **more: Any) -> Settings:
    """The settings of a product whose source and target is this server."""
    return Settings(**{"redis_url": server.url, "backup_storage": str(storage), **more})


def take(server: Server, storage: Path, **arguments: Any) -> dict[str, Any]:
    """Back the server up; the manifest."""
    return backup(settings_for(server, storage), BackupArguments(**arguments), silent)


def bring_back(server: Server, storage: Path, name: str = "latest", **arguments: Any) -> dict[str, Any]:
    """Restore into the server; the report."""
    return restore(settings_for(server, storage), RestoreArguments(name=name, **arguments), silent)


def endpoint(server: Server, *, hurried: bool = False) -> Endpoint:
    return Endpoint(server.url, SOURCE, hurried=hurried)


def unlocked(endpoint: Endpoint) -> Fence:
    """How a run writes that has no lock, for there is no broker."""
    return Fence(endpoint, Lease(Settings(celery_broker_url="redis://127.0.0.1:1/0"), "target", "a test", 60))


def fill_all(server: Server) -> Server:
    """Data of every type in two databases; the server itself."""
    for db in DATABASES:
        fill(server.client(db), server.binary)
    return server


def asking(server: Server, db: int = 0) -> Any:
    """A client for any command, with the replies that the server sent."""
    return raw(server, db)


def wipe(server: Server) -> None:
    server.client().flushall()
    if server.binary.version >= (7, 0):
        asking(server).execute_command("FUNCTION", "FLUSH")


def files(storage: Path) -> list[str]:
    """All that lies in a folder, hidden files too, but for what tells others what was signed and deleted there."""
    return sorted(name for name in os.listdir(storage) if not is_ledger(name)) if storage.exists() else []


def eventually(true: Callable[[], bool]) -> bool:
    """Whether it becomes true within a minute: however busy the machine is."""
    deadline = time.monotonic() + 60
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def killed(work: Callable[[], object]) -> bool:
    """Run `work` in a process of its own; whether that process was killed on the way."""
    # What is garbage by now is cleared away here: a compressor has threads, which are not in a fork, and whose end would
    # be waited for there for ever.
    gc.collect()
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join()
    return child.exitcode == -signal.SIGKILL


def kill_myself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def manifest_of(
    name: str, content: bytes = b"", *, created_at: datetime | None = None, pinned: bool = False, **more: Any
) -> Manifest:
    """A manifest as a run writes it, of an artifact that holds this; begun when its name says, unless told otherwise."""
    said = NAME.fullmatch(name)
    assert said
    return Manifest(
        name=name,
        created_at=created_at or datetime.strptime(said[1], "%Y%m%d_%H%M%S").replace(tzinfo=UTC),
        data_format="rdb",
        rdb_version=9,
        consistency="point-in-time",
        engine="replication",
        source=Origin(),
        keys=1,
        keys_by_db={0: {"string": 1}},
        expiring=0,
        bytes=Size(raw=len(content), stored=len(content)),
        sha256=hashlib.sha256(content).hexdigest(),
        compression="none",
        duration_seconds=0.1,
        tool_version="0",
        pinned=pinned,
    ).model_copy(update=more)


def dated(settings: Settings, hours: float, **more: Any) -> str:
    """The name of a backup of this source that says to have been begun so many hours ago; below nought in the future."""
    scope, storage = scope_of(settings), Folder(Path(settings.backup_storage))
    created_at = datetime.now(UTC) - timedelta(hours=hours)
    name, source = artifact_name(created_at, "rdb", ""), Origin(address=scope.address)
    storage.put(name, b"content")
    catalogue.add(storage, manifest_of(name, b"content", created_at=created_at, source=source, **more))
    return name


def partial_of(name: str, content: bytes = b"", **more: Any) -> Manifest:
    """One of a source that lost its data while it was read."""
    why = "It is partial: 1 of 9 keys were read of the source at there:6379, and FLUSHALL was called on it meanwhile."
    return manifest_of(name, content, **{"kind": "partial", "warnings": [why], **more})


def format_1(manifest: Manifest) -> bytes:
    """A manifest file as the first version wrote it: without a digest, and with what is noted later in it."""
    old = manifest.model_copy(update={"format": 1})
    return old.model_dump_json(indent=2, exclude={"pin_reason", "rehearsed", "decoded", *SIGNED}).encode() + b"\n"


def rewrite(storage: Folder, manifest: Manifest) -> None:
    """Another manifest in the place of that backup's, as if it had been made so."""
    text = to_signed(manifest, keys.own(load())) if manifest.signer else to_json(manifest)
    storage.put(manifest.name + MANIFEST_SUFFIX, text, replace=True)


def aged(folder: Path, manifest: Manifest, *, days: float) -> str:
    """The same backup, begun so much earlier: its name then."""
    storage, created_at = Folder(folder), manifest.created_at - timedelta(days=days)
    _, _, suffix = manifest.name.partition(f".{manifest.data_format}")
    older = manifest.model_copy(
        update={"name": artifact_name(created_at, manifest.data_format, suffix), "created_at": created_at}
    )
    storage.put(older.name, storage.read(manifest.name))
    catalogue.add(storage, older)
    catalogue.remove(storage, manifest.name)
    return older.name


@dataclass
class Given(EntriesAlone):
    """Entries of a test, as an EntryStream."""

    entries: list[Entry]
    libraries: list[bytes] = field(default_factory=list)
    rdb_version: int | None = 11

    def batches(self) -> Iterator[list[Entry]]:
        yield []
        for start in range(0, len(self.entries), 4):
            yield self.entries[start : start + 4]
