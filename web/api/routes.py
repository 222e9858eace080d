"""What a script asks for: a task is answered with 202 and a result id, under which `status` tells how that stands."""

import threading
from http import HTTPStatus
from typing import Any

from flask import Response, g, request, url_for

from web import jobs, lookup, readings
from web.api.blueprint import api, faults
from web.api.downloads import stored_file
from web.api.schemas import (
    MOST_PER_PAGE,
    AlertList,
    BackupBody,
    BackupList,
    HappenedBody,
    Issued,
    Named,
    Numbers,
    Page,
    PinBody,
    PruneBody,
    Queued,
    TimelineBody,
    Whence,
)
from web.auth import needs, needs_scope_of
from worker.alerts import memory
from worker.arguments.alerts import SilenceArguments
from worker.arguments.backups import (
    AcceptArguments,
    CopyArguments,
    DeleteArguments,
    DrillArguments,
    PinArguments,
    PutBackArguments,
    UnpinArguments,
    VerifyArguments,
)
from worker.arguments.questions import (
    BrowseArguments,
    CountArguments,
    PingArguments,
    SearchArguments,
    StatsArguments,
    StorageArguments,
    TryChannelsArguments,
)
from worker.arguments.restore import DifferencesArguments, PreviewArguments, RestoreArguments, UndoArguments
from worker.arguments.stream import WritesArguments
from worker.config.settings import load_web
from worker.errors import BackupSystemError, UsageError
from worker.repository import catalogue
from worker.repository.copies import holdings, places
from worker.repository.copies.standing import everywhere, standings
from worker.repository.manifest import Manifest

STATS_SECONDS = 5
"""How long the numbers are waited for."""
WAITING = 2
"""By how many at once: each keeps a thread."""
_waiting = threading.BoundedSemaphore(WAITING)

Answer = tuple[dict[str, Any], int, dict[str, str]]


_QUEUED: dict[Any, Any] = {202: Queued, **faults(413, 415)}


def _in_full(name: str, what: str) -> None:
    if name == catalogue.LATEST:
        raise UsageError(f"Name the backup in full to {what}: which one is the latest may have changed meanwhile.")


def _queued(identity: str) -> Answer:
    return {"result_id": identity}, 202, {"Location": url_for("api.result", result_id=identity)}


@api.post("/backup/create", responses={**_QUEUED, **faults(409)})
@needs_scope_of("backup")
def create(body: BackupBody) -> Answer:
    """Back the source up."""
    return _queued(jobs.ask("backup", body, g.identity.name))


@api.post("/backup/restore", responses={**_QUEUED, **faults(404, 409)})
@needs_scope_of("restore")
def restore(body: RestoreArguments) -> Answer:
    """Restore a backup.

    With the mode `overwrite` the name must be given in full; with `skip`, `latest` will do. In its place a moment of the source
    may be named: `@2026-11-28T14:03:05Z`, `@-10m`, `@before:FLUSHALL`, `@before:RUN`, `@offset:14203`.
    """
    if body.mode != "skip":
        _in_full(body.name, "overwrite with it")
    lookup.named(body.name, body.storage)
    return _queued(jobs.ask("restore", body, g.identity.name))


@api.post("/backup/preview", responses={**_QUEUED, **faults(404, 409)})
@needs_scope_of("preview")
def preview(body: PreviewArguments) -> Answer:
    """Say what a restore would do to the target, key by key; nothing is written.

    The id of this run can be given to the restore as `preview`: it is refused where the target has changed since.
    """
    lookup.named(body.name, body.storage)
    return _queued(jobs.ask("preview", body, g.identity.name))


@api.post("/backup/undo", responses={**_QUEUED, **faults(404, 409)})
@needs_scope_of("undo")
def undo(body: UndoArguments) -> Answer:
    """Undo a restore: put back what it replaced, delete what it created.

    `run` is the restore's result id, or the name of what it kept. Keys that others have changed since are left alone,
    unless `force` says otherwise.
    """
    catalogue.undo_of(lookup.storage(), body.run)
    return _queued(jobs.ask("undo", body, g.identity.name))


@api.post("/backup/verify", responses={**_QUEUED, **faults(404, 409)})
@needs_scope_of("verify")
def verify(body: VerifyArguments) -> Answer:
    """Read a backup to its end and compare it with its manifest; of a moment play the chain, and count its keys."""
    lookup.named(body.name, body.storage)
    return _queued(jobs.ask("verify", body, g.identity.name))


@api.post("/backup/drill", responses={**_QUEUED, **faults(404, 409)})
@needs_scope_of("drill")
def drill(body: DrillArguments) -> Answer:
    """Bring a backup back into a server that a worker starts for it, compare the two, and note how long it took.

    Neither the source nor any target is touched. With `full` the values of all keys are compared, else those of a sample.
    """
    lookup.named(body.name, body.storage)
    return _queued(jobs.ask("drill", body, g.identity.name))


@api.post("/backup/copy", responses={**_QUEUED, **faults(404)})
@needs_scope_of("copy")
def copy(body: CopyArguments) -> Answer:
    """Copy a backup to all storages of BACKUP_COPIES, or to the one of these that `to` names."""
    places.chosen(load_web(), body.to)
    lookup.in_full(body.name)
    return _queued(jobs.ask("copy", body, g.identity.name))


@api.post("/backup/prune", responses=_QUEUED)
@needs_scope_of("prune")
def prune(body: PruneBody) -> Answer:
    """Delete what retention gives up, or with `dry_run` say what that is."""
    return _queued(jobs.ask("prune", body, g.identity.name))


@api.delete("/backup/delete/<name>", responses={**_QUEUED, **faults(404, 409)})
@needs_scope_of("delete")
def delete(path: Named) -> Answer:
    """Move one backup, named in full, to the trash. The last good backup of a source is refused: that the admin alone may delete."""
    _in_full(path.name, "delete it")
    lookup.to_delete(path.name, g.identity.name)
    return _queued(jobs.ask("delete", DeleteArguments(name=path.name), g.identity.name))


@api.post("/backups/<name>/put-back", responses={**_QUEUED, **faults(404)})
@needs_scope_of("put_back")
def put_back(path: Named) -> Answer:
    """Put a backup, named in full, back from the trash."""
    _in_full(path.name, "put it back")
    lookup.in_trash(path.name)
    return _queued(jobs.ask("put_back", PutBackArguments(name=path.name), g.identity.name))


@api.post("/backups/<name>/pin", responses={**_QUEUED, **faults(404, 409)})
@needs_scope_of("pin")
def pin(path: Named, body: PinBody) -> Answer:
    """Keep a backup from every prune; it is said with the reason wherever it is shown."""
    lookup.in_full(path.name)
    return _queued(jobs.ask("pin", PinArguments(name=path.name, why=body.why), g.identity.name))


@api.delete("/backups/<name>/pin", responses={**_QUEUED, **faults(404, 409)})
@needs_scope_of("unpin")
def unpin(path: Named) -> Answer:
    """Leave a backup, named in full, to retention again."""
    _in_full(path.name, "unpin it")
    lookup.in_full(path.name)
    return _queued(jobs.ask("unpin", UnpinArguments(name=path.name), g.identity.name))


@api.post("/backups/<name>/accept", responses={**_QUEUED, **faults(404, 409)})
@needs_scope_of("accept")
def accept(path: Named) -> Answer:
    """Say of a suspicious backup, named in full, that it is as it should be: a prune deletes old ones of its source again."""
    _in_full(path.name, "accept it")
    lookup.in_full(path.name)
    return _queued(jobs.ask("accept", AcceptArguments(name=path.name), g.identity.name))


@api.get("/backup/list", responses={200: BackupList})
@needs("read")
def backups(query: Page) -> dict[str, Any]:
    """The catalogue, newest first; read from storage, whatever has become of the broker."""
    contents, settings = catalogue.read(lookup.storage()), load_web()
    page, seen = slice(*query.bounds), holdings.remembered(load_web())
    lying = everywhere(contents, str(lookup.storage()), seen)
    elsewhere = [each.manifest for each in lying if str(lookup.storage()) not in each.where][:MOST_PER_PAGE]
    shown = {backup.name for backup in (*contents.listed[page], *elsewhere)}
    listed = BackupList(
        backups=contents.listed[page],
        total=len(contents.listed),
        alarms=catalogue.in_brief(contents.alarms),
        seen_at=contents.seen_at,
        problems=catalogue.in_brief(contents.problems),
        damaged=contents.damaged[page],
        warnings=catalogue.in_brief(contents.warnings),
        trash=contents.trash[page],
        trash_total=len(contents.trash),
        where={each.manifest.name: [*each.where] for each in lying if each.manifest.name in shown},
        elsewhere=elsewhere,
        copies=standings(settings, contents, seen),
        **query.model_dump(),
    )
    return listed.model_dump(mode="json")


@api.get("/backup/manifest/<name>", responses={200: Manifest, **faults(404, 409)})
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
        **faults(404, 409, 412, 416),
    },
)
@needs("read")
def download(path: Named, query: Whence) -> Response:
    """The stored file, as it is; its ETag is its sha256. `latest` is the newest."""
    manifest, storage = lookup.held(path.name, query.storage)
    response = stored_file(storage, manifest)
    if request.method != "HEAD" and response.status_code in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        readings.downloaded(manifest.name, response.content_length or 0)
    return response


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


@api.post("/backup/search", responses={**_QUEUED, **faults(404, 409)})
@needs_scope_of("search")
def search(body: SearchArguments) -> Answer:
    """Find a key, or all that fit a glob, in the backups and in the source; or show one version, or two side by side."""
    for name in body.backups:
        lookup.named(name)
    return _queued(jobs.ask("search", body, g.identity.name))


@api.post("/backup/differences", responses={**_QUEUED, **faults(404, 409)})
@needs_scope_of("differences")
def differences(body: DifferencesArguments) -> Answer:
    """Show the keys that a preview counts, with their values, a page at a time: `next` of one is `after` of the one behind."""
    lookup.named(body.name, body.storage)
    return _queued(jobs.ask("differences", body, g.identity.name))


@api.post("/backup/fits", responses={**_QUEUED, **faults(404, 409)})
@needs_scope_of("fits")
def fits(body: CountArguments) -> Answer:
    """Count the keys of a backup that a preview or a restore with the same selection would take."""
    name = lookup.named(body.name, body.storage)
    return _queued(jobs.ask("fits", body.model_copy(update={"name": name}), g.identity.name))


@api.post("/backup/browse", responses={**_QUEUED, **faults(404, 409)})
@needs_scope_of("browse")
def browse(body: BrowseArguments) -> Answer:
    """Look into a backup: how many keys and bytes are below each prefix, the largest keys; or some as a JSON document."""
    name = lookup.named(body.name, body.storage)
    return _queued(jobs.ask("browse", body.model_copy(update={"name": name}), g.identity.name))


@api.post("/backup/timeline", responses=_QUEUED)
@needs_scope_of("timeline")
def timeline(body: TimelineBody) -> Answer:
    """Follow keys from backup to backup up to now: how many went, changed or came, and the last good backup of them."""
    return _queued(jobs.ask("timeline", body, g.identity.name))


@api.post("/stream/happened", responses=_QUEUED)
@needs_scope_of("happened")
def happened(body: HappenedBody) -> Answer:
    """Say what was written and deleted when, what stands out, and the offset right before it; by the replication stream."""
    return _queued(jobs.ask("happened", body, g.identity.name))


@api.post("/stream/writes", responses=_QUEUED)
@needs_scope_of("writes")
def writes(body: WritesArguments) -> Answer:
    """Show each write to a key in the replication stream, the newest first; `next` of one page is `after` of the next."""
    return _queued(jobs.ask("writes", body, g.identity.name))


@api.post("/ping", responses={202: Queued})
@needs_scope_of("ping")
def ping() -> Answer:
    """Have a worker reach the source, and find out what is allowed there."""
    return _queued(jobs.ask_once("ping", PingArguments(), g.identity.name))


@api.post("/storage", responses={202: Queued})
@needs_scope_of("storage")
def try_storage() -> Answer:
    """Have a worker try out what we may do where the backups lie, with a small file that it deletes again."""
    return _queued(jobs.ask_once("storage", StorageArguments(), g.identity.name))


@api.get("/alerts", responses={200: AlertList})
@needs("read")
def alerts(query: Page) -> dict[str, Any]:
    """What is wrong, as a worker saw it at `seen_at`, and of what was wrong that page."""
    known = memory.read(load_web())
    history = memory.history(load_web())[slice(*query.bounds)]
    listed = AlertList(
        alerts=known.open if known else [],
        silences=known.silences if known else {},
        history=history,
        seen_at=known.seen_at if known else None,
        **query.model_dump(),
    )
    return listed.model_dump(mode="json")


@api.post("/alerts/silence", responses=_QUEUED)
@needs_scope_of("silence")
def silence(body: SilenceArguments) -> Answer:
    """Tell nobody of an alert, by its `key`, for so many hours; 0 ends that."""
    return _queued(jobs.ask("silence", body, g.identity.name))


@api.post("/notify", responses={202: Queued})
@needs_scope_of("try_channels")
def try_channels() -> Answer:
    """Have a worker send a message to each channel that the settings name, now; the result says what came of each."""
    return _queued(jobs.ask_once("try_channels", TryChannelsArguments(), g.identity.name))


@api.delete("/runs/<result_id>", responses={202: Queued, **faults(404, 409)})
@needs("read")
def cancel(path: Issued) -> Answer:
    """Cancel a run: one that waits ends at once, one that runs at its next batch, and then its outcome says what it did.

    A token may cancel what it asked for itself; what others asked for, where it has the scope `restore`.
    """
    jobs.cancel(path.result_id, g.identity)
    return _queued(path.result_id)
