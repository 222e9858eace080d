"""Backups and runs that the pages show, and what was asked for by them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.backups import take
from tests.support.dashboard import Web
from worker.repository import catalogue
from worker.repository.manifest import Manifest
from worker.runs.run import Run
from worker.runs.store import open_runs
from worker.storage import open_storage


def make_backup(web: Web, **arguments: Any) -> str:
    """The name of a new backup of the source, which holds a few keys."""
    client = web.source.client()
    client.mset({f"user:{number}": "x" * 50 for number in range(20)})
    client.hset("a hash", mapping={"field": "value"})
    web.source.client(3).set("other", "1")
    return str(take(web.source, web.storage, **arguments)["name"])


def manifest(web: Web, name: str) -> Manifest:
    return catalogue.get(open_storage(str(web.storage)), name)


def remembered(web: Web, **fields: Any) -> Run:
    """A run that the broker remembers, in place of what it remembered under that id: there an end is said once."""
    now = datetime.now(UTC)
    told = {"id": "one", "operation": "backup", "asked_by": "admin", "queued_at": now, "due_at": now, **fields}
    run = Run(**told)
    with open_runs(web.settings) as runs:
        runs.forget(run.id)
        assert runs.put(run)
    return run


def ended(web: Web, state: str, **fields: Any) -> Run:
    now = datetime.now(UTC)
    return remembered(web, state=state, started_at=now - timedelta(seconds=3), ended_at=now, **fields)


def queued(web: Web) -> list[Run]:
    with open_runs(web.settings) as runs:
        return runs.unfinished()


def given_to(run: Run) -> dict[str, Any]:
    return {name: sorted(value) if name in ("keys", "types", "databases", "kinds") else value for name, value in run.arguments.items()}  # fmt: skip
