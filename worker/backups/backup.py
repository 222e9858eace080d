"""Source to storage: read, format, compress, store; the manifest last."""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from worker.arguments.backups import BackupArguments
from worker.backups import plan as plans
from worker.backups import renewal
from worker.backups.judgement import judged
from worker.backups.plan import Plan
from worker.backups.suspicion.notice import notice
from worker.broker import lock
from worker.config.settings import Settings
from worker.errors import BusyError, LostError, PartialError, SourceError
from worker.formats import portable, rdb
from worker.formats.entries import EntryStream
from worker.formats.rdb.reader.census import Census
from worker.formats.tally import Counted, Tally
from worker.logs import log
from worker.progress import Progress, Proof, followed
from worker.repository import artifact, behalf, catalogue
from worker.repository.manifest import Manifest, Scope
from worker.repository.scope import scope_of
from worker.repository.writer import New, writing
from worker.storage import Storage, open_storage


def backup(settings: Settings, arguments: BackupArguments, progress: Progress) -> dict[str, Any]:
    """Back the source up: the new manifest as a dict, or `{"skipped": why}` while a young enough backup exists.

    One of kind `partial` is no success: `check_complete` says so. One of kind `part` is, and counts for nothing. Raises
    UsageError, SourceError, StorageError or FormatError, and BusyError while another is being made (LostError where
    another may have been, while this one stood still); then nothing is left in storage.
    """
    try:
        with lock.held(settings, f"source {scope_of(settings).address}") as lease:
            return _backup(settings, arguments, progress, lease.check)
    except LostError:
        raise
    except BusyError:
        if arguments.unless_younger_than_hours is None:
            raise
        return {"skipped": "another backup is being made"}


def _backup(settings: Settings, arguments: BackupArguments, progress: Progress, prove: Proof) -> dict[str, Any]:
    storage = open_storage(settings.backup_storage)
    if (young := _young_enough(storage, scope_of(settings), arguments.unless_younger_than_hours)) is not None:
        return {"skipped": f"{young.name} is younger than {arguments.unless_younger_than_hours:g} hours"}
    made: Manifest | None = None
    if renewal.is_due(settings, arguments, storage, datetime.now(UTC)):
        made = renewal.renewed(settings, storage, progress, prove)
    return notice(settings, storage, made or _read_anew(storage, settings, arguments, progress, prove)).model_dump(
        mode="json"
    )


def _read_anew(
    storage: Storage, settings: Settings, arguments: BackupArguments, progress: Progress, prove: Proof
) -> Manifest:
    """Of the source as it is now."""
    plan = plans.plan(settings, arguments)
    plans.check_room(storage, plan)
    made: Manifest | None = None
    while made is None:
        try:
            made = _make(storage, plan, settings, progress, prove)
        except SourceError as error:
            if (other := plans.otherwise(plan, error)) is None:
                raise
            log.warning("snapshot_failed", why=str(error), engine=other.source.engine)
            plan = other
    return made


def _make(storage: Storage, plan: Plan, settings: Settings, progress: Progress, prove: Proof) -> Manifest:
    """Read and store as planned. Leaves nothing behind where it raises."""
    new, tally = New(datetime.now(UTC), plan.format, plan.compression, plan.encryption), Tally()
    with writing(storage, new) as writer:
        with _read(plan, new.created_at, tally) as (stream, dump):
            writer.write(followed(dump, lambda: progress("reading", tally.keys, plan.keys, "keys")))
        facts = judged(plan, stream, tally, settings.celery_broker_url)
        event = "partial_backup_kept" if facts["kind"] == "partial" else "backup_created"
        # A backup replaces nothing, so it is kept even where the broker is away by now.
        return writer.commit(event, prove, progress, **facts, **behalf.manifest_fields())


@contextmanager
def _read(plan: Plan, began: datetime, tally: Tally) -> Iterator[tuple[EntryStream, Generator[bytes]]]:
    """The bytes of the dump, and the stream that they come from: what it knows is complete once they have passed."""
    if plan.format == "rdb" and plan.databases is None and (sent := plan.source.chunks()) is not None:
        with closing(sent):
            census = Census(sent, tally)
            with closing(census.chunks()) as dump:
                yield census, dump
        return
    with plan.source.entries() as entries:
        stream = Counted(entries, tally, plan.databases)
        with closing(_formatted(stream, plan, began)) as dump:
            yield stream, dump


def _formatted(stream: EntryStream, plan: Plan, began: datetime) -> Generator[bytes]:
    if plan.format == "rdb":
        return rdb.write(stream, {"redis-ver": plan.facts.version, "redis-bits": "64"})
    return portable.write(stream, artifact.header(began, plan.origin))


def check_complete(made: dict[str, Any]) -> None:
    """Raise PartialError where what was made does not hold all that it should."""
    if made.get("kind") == "partial":
        kept = (
            f"What could be read was kept as {made['name']}, which counts as no backup: restore by that name what is nowhere "
            "else, and make the backup again."
        )
        error = PartialError(f"No good backup was made. {made['warnings'][0]} {kept}")
        raise error.said_outside(f"No good backup was made, for keys are missing. {kept}")


def _young_enough(storage: Storage, scope: Scope, hours: float | None) -> Manifest | None:
    """A backup of the same scope that is young enough, whoever asked for it; adopted ones do not count.

    Of a node of a cluster a part is all that there can be.
    """
    if hours is None:
        return None
    contents, now = catalogue.read(storage), datetime.now(UTC)
    parts = [backup for backup in contents.partials if backup.kind == "part" and backup.scope == scope]
    alike = [*islice(catalogue.own(contents.backups, scope), 1), *parts[:1]]
    return next((backup for backup in alike if backup.age_seconds(now) < hours * 3600), None)
