"""What a script uses: tasks are asked for with 202 and a result id, and looked up by it."""

import threading
from itertools import islice
from typing import Any

from flask import Response, g, url_for
from flask_openapi3 import APIBlueprint, Tag

from web import activity, jobs, lookup
from web.api.downloads import stored_file
from web.api.schemas import (
    TOO_MANY,
    BackupBody,
    BackupList,
    Issued,
    Named,
    Numbers,
    Outcome,
    Page,
    PinBody,
    PruneBody,
    Queued,
    RunList,
    RunsPage,
    ShownRun,
    told,
)
from web.auth import needs, needs_scope_of
from web.errors import Problem
from worker.arguments.backups import DeleteArguments, PinArguments, UnpinArguments, VerifyArguments
from worker.arguments.questions import PingArguments, SearchArguments, StatsArguments
from worker.arguments.restore import PreviewArguments, RestoreArguments, UndoArguments
from worker.config.address import spelt
from worker.config.settings import load_web
from worker.errors import BackupSystemError, UsageError
from worker.repository import catalogue
from worker.repository.manifest import Manifest
from worker.runs.run import Run
from worker.runs.store import Ours, open_runs

SECURITY: dict[str, Any] = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "Made on the System page, or by `python -m worker token`.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "redis_backup_session",
        "description": "Of somebody who has logged in; whatever is no GET needs the header X-CSRFToken as well.",
    },
}
STATS_SECONDS = 5
"""How long the numbers are waited for."""
WAITING = 2
"""By how many at once: each keeps a thread."""
_waiting = threading.BoundedSemaphore(WAITING)

Answer = tuple[dict[str, Any], int, dict[str, str]]


def _faults(*statuses: int) -> dict[Any, Any]:
    return dict.fromkeys(statuses, Problem)


_CALLS = Tag(
    name="calls",
    description="What takes a worker is answered with 202 and a result id; GET /api/result/{result_id} tells the rest.",
)
api = APIBlueprint(
    "api",
    __name__,
    url_prefix="/api",
    abp_tags=[_CALLS],
    abp_security=[{"token": []}, {"session": []}],
    abp_responses={429: TOO_MANY, **_faults(400, 401, 403, 500, 503)},
)
_QUEUED: dict[Any, Any] = {202: Queued, **_faults(413, 415)}


def _in_full(name: str, what: str) -> None:
    if name == catalogue.LATEST:
        raise UsageError(f"Name the backup in full to {what}: which one is the latest may have changed meanwhile.")


def _queued(identity: str) -> Answer:
    return {"result_id": identity}, 202, {"Location": url_for("api.result", result_id=identity)}


@api.post("/backup/create", responses={**_QUEUED, **_faults(409)})
@needs_scope_of("backup")
def create(body: BackupBody) -> Answer:
    """Back the source up."""
    return _queued(jobs.ask("backup", body, g.identity.name))


@api.post("/backup/restore", responses={**_QUEUED, **_faults(404, 409)})
@needs_scope_of("restore")
def restore(body: RestoreArguments) -> Answer:
    """Restore a backup.

    With the mode `overwrite` the name must be given in full; with `skip`, `latest` will do.
    """
    if body.mode != "skip":
        _in_full(body.name, "overwrite with it")
    lookup.in_full(body.name)
    return _queued(jobs.ask("restore", body, g.identity.name))


@api.post("/backup/preview", responses={**_QUEUED, **_faults(404)})
@needs_scope_of("preview")
def preview(body: PreviewArguments) -> Answer:
    """Say what a restore would do to the target, key by key; nothing is written.

    The id of this run can be given to the restore as `preview`: it is refused where the target has changed since.
    """
    lookup.in_full(body.name)
    return _queued(jobs.ask("preview", body, g.identity.name))


@api.post("/backup/undo", responses={**_QUEUED, **_faults(404, 409)})
@needs_scope_of("undo")
def undo(body: UndoArguments) -> Answer:
    """Undo a restore: put back what it replaced, delete what it created.

    `run` is the restore's result id, or the name of what it kept. Keys that others have changed since are left alone,
    unless `force` says otherwise.
    """
    catalogue.undo_of(lookup.storage(), body.run)
    return _queued(jobs.ask("undo", body, g.identity.name))


@api.post("/backup/verify", responses={**_QUEUED, **_faults(404)})
@needs_scope_of("verify")
def verify(body: VerifyArguments) -> Answer:
    """Read a backup to its end and compare it with its manifest."""
    lookup.in_full(body.name)
    return _queued(jobs.ask("verify", body, g.identity.name))


@api.post("/backup/prune", responses=_QUEUED)
@needs_scope_of("prune")
def prune(body: PruneBody) -> Answer:
    """Delete what retention gives up, or with `dry_run` say what that is."""
    return _queued(jobs.ask("prune", body, g.identity.name))


@api.delete("/backup/delete/<name>", responses={**_QUEUED, **_faults(404)})
@needs_scope_of("delete")
def delete(path: Named) -> Answer:
    """Delete one backup, named in full."""
    _in_full(path.name, "delete it")
    lookup.in_full(path.name)
    return _queued(jobs.ask("delete", DeleteArguments(name=path.name), g.identity.name))


@api.post("/backups/<name>/pin", responses={**_QUEUED, **_faults(404)})
@needs_scope_of("pin")
def pin(path: Named, body: PinBody) -> Answer:
    """Keep a backup from every prune; it is said with the reason wherever it is shown."""
    lookup.in_full(path.name)
    return _queued(jobs.ask("pin", PinArguments(name=path.name, why=body.why), g.identity.name))


@api.delete("/backups/<name>/pin", responses={**_QUEUED, **_faults(404)})
@needs_scope_of("unpin")
def unpin(path: Named) -> Answer:
    """Leave a backup, named in full, to retention again."""
    _in_full(path.name, "unpin it")
    lookup.in_full(path.name)
    return _queued(jobs.ask("unpin", UnpinArguments(name=path.name), g.identity.name))


@api.get("/backup/list", responses={200: BackupList})
@needs("read")
def backups(query: Page) -> dict[str, Any]:
    """The catalogue, newest first; read from storage, whatever has become of the broker."""
    found = catalogue.read(lookup.storage())
    shown = found.listed[slice(*query.bounds)]
    listed = BackupList(
        backups=shown,
        total=len(found.listed),
        problems=found.problems,
        damaged=found.damaged,
        warnings=found.warnings,
        **query.model_dump(),
    )
    return listed.model_dump(mode="json")


@api.get("/backup/manifest/<name>", responses={200: Manifest, **_faults(404, 409)})
@needs("read")
def manifest(path: Named) -> dict[str, Any]:
    """One backup, described; `latest` is the newest."""
    return lookup.manifest(path.name).model_dump(mode="json")


_FILE = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


@api.get(
    "/backup/download/<name>",
    responses={
        200: {"description": "The stored file", "content": _FILE},
        206: {"description": "The part of it that the header Range asks for", "content": _FILE},
        304: {"description": "It is the one that the header If-None-Match names"},
        **_faults(404, 409, 412, 416),
    },
)
@needs("read")
def download(path: Named) -> Response:
    """The stored file, as it is; its ETag is its sha256. `latest` is the newest."""
    return stored_file(lookup.storage(), lookup.manifest(path.name))


@api.get("/backup/stats", responses={200: Numbers, 202: Queued})
@needs_scope_of("stats")
def stats() -> dict[str, Any] | Answer:
    """The numbers on the dashboard; a result id where a worker needs longer than five seconds for them, or others wait."""
    identity = jobs.ask_once("stats", StatsArguments(), g.identity.name)
    if not _waiting.acquire(blocking=False):
        return _queued(identity)
    try:
        run = jobs.outcome(identity, STATS_SECONDS)
    finally:
        _waiting.release()
    if run.ended and run.state != "SUCCESS":
        raise BackupSystemError(run.error or "The numbers could not be had: try again.")
    return dict(run.value) if run.ended else _queued(identity)


@api.post("/backup/search", responses={**_QUEUED, **_faults(404)})
@needs_scope_of("search")
def search(body: SearchArguments) -> Answer:
    """Find a key, or all that fit a glob, in the backups and in the source; or show one version, or two side by side."""
    for name in body.backups:
        lookup.in_full(name)
    return _queued(jobs.ask("search", body, g.identity.name))


@api.post("/ping", responses={202: Queued})
@needs_scope_of("ping")
def ping() -> Answer:
    """Have a worker reach the source, and find out what is allowed there."""
    return _queued(jobs.ask_once("ping", PingArguments(), g.identity.name))


@api.get("/result/<result_id>", responses={200: Outcome, **_faults(404)})
@needs("read")
def result(path: Issued) -> dict[str, Any]:
    """What became of a task."""
    return told(jobs.outcome(path.result_id))


@api.get("/runs", responses={200: RunList})
@needs("read")
def runs(query: RunsPage) -> dict[str, Any]:
    """What was done, is being done and waits, newest first; of everybody whom the broker serves, unless `ours` says."""
    start, end = query.bounds
    with open_runs(load_web(), jobs.BROKER_SECONDS) as remembered:
        operation, ours = query.operation, remembered.ours
        listed = ours.each(operation) if query.ours and operation else remembered.each(operation)
        fitting = (one for one in listed if _fits(one, query, ours))
        found = [_shown(one, ours) for one in islice(fitting, start, end + 1)]
    shown = [one.model_copy(update={"log": []}) for one in found[: query.per_page]]
    more = len(found) > query.per_page
    return RunList(runs=shown, page=query.page, per_page=query.per_page, more=more).model_dump(mode="json")


def _fits(run: Run, query: RunsPage, ours: Ours) -> bool:
    source = spelt(run.source or "")
    return query.state in (None, run.state) and query.source in (None, source) and query.ours in (None, ours.has(run))


def _shown(run: Run, ours: Ours) -> ShownRun:
    return ShownRun(**activity.as_seen(run, ours).model_dump(), ours=ours.has(run))


@api.get("/runs/<result_id>", responses={200: ShownRun, **_faults(404)})
@needs("read")
def run(path: Issued) -> dict[str, Any]:
    """All that is known of one run, with its log."""
    found = jobs.outcome(path.result_id)
    with open_runs(load_web(), jobs.BROKER_SECONDS) as remembered:
        return _shown(found, remembered.ours).model_dump(mode="json")
