"""Source to storage: read, format, compress, store; the manifest last."""

import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import ResponseError

from worker import __version__, engines
from worker.arguments.backups import BackupArguments
from worker.broker import lock
from worker.config.settings import FormatName, Settings
from worker.engines.completeness import Watch
from worker.engines.replication import Replication
from worker.errors import (
    BackupSystemError,
    BusyError,
    LostError,
    PartialError,
    SourceError,
    SourceUnavailableError,
    StorageError,
    UsageError,
)
from worker.formats.compression import COMPRESSIONS, DEFAULT_COMPRESSION, Compression
from worker.formats.entries import EntryStream
from worker.formats.portable import document
from worker.formats.rdb import reader, writer
from worker.formats.rdb.census import Census
from worker.formats.tally import Counted, Tally
from worker.logs import log
from worker.progress import Progress, Proof
from worker.repository import artifact, catalogue
from worker.repository.behalf import asker, trigger_of
from worker.repository.checksum import Meter
from worker.repository.manifest import Manifest, Origin, Scope, Size, free_names
from worker.repository.scope import scope_of
from worker.server import slots
from worker.server.endpoint import BROKER, SOURCE, Endpoint
from worker.server.info import Facts, read_facts
from worker.server.wire import Wire
from worker.storage.draft import Draft
from worker.storage.local import Folder, open_storage

_SLOTS_SHOWN = 100


@dataclass(frozen=True)
class _Plan:
    """All that is decided before the first byte."""

    endpoint: Endpoint
    facts: Facts
    format: FormatName
    compression: Compression
    databases: frozenset[int] | None
    wanted: engines.Wanted
    choice: engines.Choice
    slots: str | None = None
    """Of a node of a cluster, where it tells."""


def backup(settings: Settings, arguments: BackupArguments, progress: Progress) -> dict[str, Any]:
    """Back the source up: the new manifest as a dict, or `{"skipped": why}` while a young enough backup exists.

    One of kind `partial` is no success: `check_complete` says so. One of kind `part` is, and counts for nothing. Raises UsageError, SourceError, StorageError or
    FormatError, and BusyError while another is being made (LostError where another may have been, while this one stood
    still); then nothing is left in storage.
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
    plan = _plan(settings, arguments)
    _check_room(storage, plan)
    made: dict[str, Any] | None = None
    while made is None:
        try:
            made = _make(storage, plan, settings, progress, prove)
        except SourceError as error:
            if (other := _other_plan(plan, error)) is None:
                raise
            log.warning("snapshot_failed", why=str(error), engine=other.choice.source.engine)
            plan = other
    return made


def _make(storage: Folder, plan: _Plan, settings: Settings, progress: Progress, prove: Proof) -> dict[str, Any]:
    """Read and store as planned; the manifest. Leaves nothing behind where it raises."""
    began, clock = datetime.now(UTC), time.monotonic()
    with storage.draft(free_names(began, plan.format, plan.compression.suffix)) as draft:
        described = _fill(draft, plan, began, progress)
        described["warnings"] += _warnings(plan, settings.celery_broker_url)
        seconds = round(time.monotonic() - clock, 3)
        described |= {"trigger": trigger_of(asker()), "asked_by": asker()}
        manifest = Manifest(**described, name=draft.name, created_at=began, duration_seconds=seconds)
        event = "partial_backup_kept" if manifest.kind == "partial" else "backup_created"
        # It replaces nothing: a broker that is away by now is no reason to throw it away.
        return catalogue.commit(storage, draft, manifest, event, prove)


def check_complete(made: dict[str, Any]) -> None:
    """Raise PartialError where what was made does not hold all that it should."""
    if made.get("kind") == "partial":
        raise PartialError(
            f"No good backup was made. {made['warnings'][0]} What could be read was kept as {made['name']}, which counts "
            "as no backup: restore by that name what is nowhere else, and make the backup again."
        )


def _young_enough(storage: Folder, scope: Scope, hours: float | None) -> Manifest | None:
    """A backup of the same scope that keeps the promise of freshness, whoever asked for it; adopted ones promise nothing.

    Of a node of a cluster a part is all that there can be.
    """
    if hours is None:
        return None
    found, now = catalogue.read(storage), datetime.now(UTC)
    parts = [one for one in found.partials if one.kind == "part" and one.scope == scope]
    alike = [*catalogue.own(found.backups, scope)[:1], *parts[:1]]
    return next((one for one in alike if one.age_seconds(now) < hours * 3600), None)


def _plan(settings: Settings, arguments: BackupArguments) -> _Plan:
    endpoint = Endpoint(settings.redis_url, SOURCE, hurried=settings.backup_pace == "full")
    facts = read_facts(endpoint)
    data_format = arguments.format or settings.backup_format
    chosen = arguments.compression or settings.backup_compression or DEFAULT_COMPRESSION[data_format]
    databases = arguments.databases if arguments.databases is not None else settings.backup_databases
    _check_databases(endpoint, databases)
    # A server that hides its keyspace in INFO has a database 0 all the same.
    numbers = sorted(databases if databases is not None else {0, *facts.keys})
    wanted = engines.Wanted(arguments.engine or settings.backup_engine, data_format, numbers)
    choice = engines.choose(endpoint, facts, wanted)
    had = slots.of_node(endpoint) if facts.cluster else None
    return _Plan(endpoint, facts, data_format, COMPRESSIONS[chosen], databases, wanted, choice, had)


def _other_plan(plan: _Plan, error: SourceError) -> _Plan | None:
    """Another way to read the same, where a snapshot failed for a reason of the server's; else None."""
    try:
        facts = read_facts(plan.endpoint)
    except SourceError:
        return None
    if facts.loading or not facts.primary_link_up or facts.run_id != plan.facts.run_id:
        return None
    choice = engines.otherwise(plan.endpoint, facts, plan.wanted, plan.choice, error)
    return None if choice is None else replace(plan, facts=facts, choice=choice)


def _check_databases(endpoint: Endpoint, databases: frozenset[int] | None) -> None:
    """UsageError for a database that the source does not have: an empty backup would look like a good one."""
    with endpoint.translated("choosing databases"), Wire(endpoint) as wire:
        for db in sorted(databases or ()):
            if isinstance(answer := wire.try_(b"SELECT", b"%d" % db), ResponseError):
                raise UsageError(f"The source has no database {db} for us: {answer}.")


def _check_room(storage: Folder, plan: _Plan) -> None:
    """Refuse at once what would plainly not fit: the last backup of the same kind tells how much this one needs."""
    alike = (
        one
        for one in catalogue.read(storage).backups
        if (one.data_format, one.compression) == (plan.format, plan.compression.name)
    )
    last, free = next(alike, None), storage.free_bytes()
    if last is not None and free < last.bytes.stored:
        raise StorageError(
            f"The storage {storage} has {free:,} bytes free, and the last backup took {last.bytes.stored:,}: "
            "free some space, or keep fewer backups."
        )


def _fill(draft: Draft, plan: _Plan, began: datetime, progress: Progress) -> dict[str, Any]:
    """Write the whole dump into the draft; what the manifest has to say of it."""
    tally, raw, stored = Tally(), Meter(hashed=False), Meter()
    stack, watch = ExitStack(), Watch(plan.endpoint, plan.wanted.databases)
    stream, dump = _dump(plan, began, tally, stack)
    stack.enter_context(closing(dump))
    total = sum(number for db, number in plan.facts.keys.items() if plan.databases is None or db in plan.databases)

    def told(chunks: Iterator[bytes]) -> Iterator[bytes]:
        # Told as it is read: a compressor may hold back megabytes before it gives anything.
        for chunk in chunks:
            yield chunk
            progress("reading", tally.keys, total, "keys")

    with stack:
        for chunk in stored.watch(plan.compression.compress(told(raw.watch(dump)))):
            draft.write(chunk)
    unreadable = getattr(stream, "unreadable", None) or _unknown_types(tally)
    missing, part = _missing(plan, watch, tally), _part(plan)
    return {
        "kind": "partial" if missing else "part" if part else "backup",
        "data_format": plan.format,
        "rdb_version": stream.rdb_version if plan.format == "rdb" else None,
        "consistency": plan.choice.source.consistency,
        "engine": plan.choice.source.engine,
        "engine_reason": plan.choice.reason,
        "source": _origin(plan),
        "keys": None if unreadable else tally.keys,
        "keys_by_db": tally.by_db,
        "expiring": tally.expiring,
        "functions": len(stream.libraries),
        "module_data": getattr(stream, "modules", False),
        "memory": plan.facts.used_memory or None,
        "bytes": Size(raw=raw.bytes, stored=stored.bytes),
        "sha256": stored.sha256,
        "compression": plan.compression.name,
        "tool_version": __version__,
        "warnings": [
            *([missing] if missing else []),
            *([part] if part else []),
            *_stale(plan),
            *([f"Its keys could not be counted: {unreadable}."] if unreadable else []),
        ],
    }


def _missing(plan: _Plan, watch: Watch, tally: Tally) -> str | None:
    """Why not all that was there has been read, as a sentence. SourceUnavailableError where what was is not worth keeping."""
    source = plan.choice.source
    if isinstance(source, Replication):
        _check_sender(plan)
        return None
    read = {db: sum(kinds.values()) for db, kinds in tally.by_db.items()}
    why = watch.missing(read, source.named)
    if why is None:
        return None
    what = f"{tally.keys:,} of {watch.keys:,} keys were read of the source at {plan.endpoint.address}, and {why}"
    if watch.hardly_any(tally.keys):
        raise SourceUnavailableError(f"No backup was made: only {what}. Nothing was kept; try again.")
    return f"It is partial: {what}."


def _stale(plan: _Plan) -> Iterator[str]:
    """That a replica was read on after it had lost its primary, as a sentence; a snapshot is made only while it has one."""
    if plan.facts.role == "master" or isinstance(plan.choice.source, Replication):
        return
    facts = read_facts(plan.endpoint)
    if facts.role != "master" and not facts.primary_link_up:
        yield (
            f"The source at {plan.endpoint.address} is a replica that lost the link to its primary while it was read: what was "
            "written there since is not in this backup."
        )


def _part(plan: _Plan) -> str | None:
    """Why a backup is only one of several that make a whole, as sentences; None where the source has all the keys."""
    if not plan.facts.cluster:
        return None
    had, has = plan.slots, slots.of_node(plan.endpoint)
    if had is None or has is None:
        told = "does not tell which slots it has, for which this user needs +cluster|nodes"
    elif had != has:
        told = f"had other slots when this began ({had[:_SLOTS_SHOWN]}) than when it ended ({has[:_SLOTS_SHOWN]})"
    elif (number := slots.count(had)) == slots.ALL:
        return None
    else:
        told = f"has {number:,} of the {slots.ALL:,} slots ({had[:_SLOTS_SHOWN]})"
    return (
        f"It is a part: the source at {plan.endpoint.address} is one node of a cluster and {told}. Back up each of the other "
        "nodes by its own address."
    )


def _check_sender(plan: _Plan) -> None:
    """SourceUnavailableError where the snapshot is of another history than the server that was asked for its facts."""
    known, told = plan.facts.replication_id, _origin(plan).replication_id
    if known and told and known != told:
        raise SourceUnavailableError(
            f"The source at {plan.endpoint.address} became another one before it sent its snapshot: it was restarted or "
            "promoted, or its address leads to several servers. Nothing was kept; try again."
        )


def _unknown_types(tally: Tally) -> str | None:
    """Keys that DUMP gave us and that no reader of ours could walk past: kept, and not for us to restore."""
    number = sum(kinds.get("unknown", 0) for kinds in tally.by_db.values())
    return f"{number:,} of them are of a type that this program does not know" if number else None


def _dump(plan: _Plan, began: datetime, tally: Tally, stack: ExitStack) -> tuple[EntryStream, Generator[bytes]]:
    """The bytes of the dump, and the stream that they come from: what it knows is complete once they have passed."""
    source = plan.choice.source
    if plan.format == "rdb" and isinstance(source, Replication) and plan.databases is None:
        census = Census(stack.enter_context(closing(source.chunks())), tally)
        return census, census.chunks()
    read: EntryStream = source if not isinstance(source, Replication) else _reader(source, stack)
    stream = Counted(read, tally, plan.databases)
    if plan.format == "rdb":
        return stream, writer.write(stream, {"redis-ver": plan.facts.version, "redis-bits": "64"})
    return stream, document.write(stream, artifact.header(began, _origin(plan)))


def _reader(source: Replication, stack: ExitStack) -> reader.Reader:
    # Closed with the backup, whatever still refers to it: a source's child must not outlive our failure.
    return reader.Reader(stack.enter_context(closing(source.chunks())), values=True)


def _origin(plan: _Plan) -> Origin:
    replicated: dict[str, Any] = plan.choice.source.facts if isinstance(plan.choice.source, Replication) else {}
    return Origin(
        address=plan.endpoint.address,
        server=plan.facts.server,
        version=plan.facts.version,
        run_id=plan.facts.run_id,
        databases=sorted(plan.databases) if plan.databases is not None else None,
        slots=plan.slots,
        **replicated,
    )


def _warnings(plan: _Plan, broker_url: str) -> list[str]:
    found = [*plan.choice.warnings, *getattr(plan.choice.source, "warnings", [])]
    if plan.endpoint.wants_replica and plan.facts.role == "master":
        found.append("No healthy replica was there, which REDIS_URL asks for (role=replica), so the primary was read.")
    if not sum(plan.facts.keys.values()):
        found.append("The source held no key at all.")
    # A broker that is away is no reason to fail: the shell works without one.
    with suppress(BackupSystemError):
        if read_facts(Endpoint(broker_url, BROKER)).run_id == plan.facts.run_id:
            found.append(
                "The broker runs on the source: when that Redis is lost, so is the queue that should restore it."
            )
    return found
