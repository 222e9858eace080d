"""An undo and what it counts, and a server whose keys have changed since their backup."""

from pathlib import Path
from typing import Any

from tests.support.backups import settings_for, take
from tests.support.servers import Server
from worker.arguments.restore import UndoArguments
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.manifest import Manifest
from worker.restore.undo.undo import check_complete, undo
from worker.storage.local import Folder

COUNTS = ("put_back", "deleted", "left_alone", "as_before", "failed", "evicted")


def kept_in(storage: Path) -> list[Manifest]:
    return catalogue.read(Folder(storage)).undos


def take_back(server: Server, storage: Path, run: str = "", *, force: bool = False) -> dict[str, Any]:
    """Undo a restore, the newest unless another is named; the report."""
    arguments = UndoArguments(run=run or kept_in(storage)[0].name, force=force)
    report = undo(settings_for(server, storage), arguments, silent)
    check_complete(report)
    return report


def counts(report: dict[str, Any]) -> dict[str, int]:
    return {name: report[name] for name in COUNTS if report[name]}


def changed(report: dict[str, Any]) -> list[tuple[int, str]]:
    return [(one["db"], one["key"]) for one in report["changed"]]


def small(server: Server, storage: Path) -> Any:
    """A server whose four keys were backed up; since then one has gone, one is another, one expires."""
    client = server.client()
    client.mset({"stays": "old", "gone": "old", "changed": "old", "timed": "old"})
    take(server, storage)
    client.delete("gone")
    client.set("changed", "new")
    client.expire("timed", 1000)
    return client
