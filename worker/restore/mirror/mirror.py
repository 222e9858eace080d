"""Afterwards the target holds the backup and nothing else: loaded as one file where the target allows it, else key by key."""

import re
from collections.abc import Callable
from contextlib import suppress

from redis.exceptions import RedisError

from worker.arguments.restore import Request
from worker.config.settings import Settings
from worker.errors import BackupSystemError, RefusedError, UsageError
from worker.formats.entries import EntryStream
from worker.repository.manifest import Manifest
from worker.restore.mirror.replicate import replicate
from worker.restore.selection.keyset import KeySet
from worker.restore.selection.plan import Plan, lacking
from worker.restore.selection.surplus import Had, Surplus
from worker.restore.target.aftermath import Watch
from worker.restore.target.job import Job
from worker.server.endpoint import BROKER, Endpoint
from worker.server.info import Facts, info, number, read_facts
from worker.server.wire import Wire

_LIBRARY_NAME = re.compile(rb"#!\S+[^\n]*\bname=(\S+)")
# Values of repl-diskless-load with which a target keeps its old data until the new data is there. Before 6.0 all did.
_FIRST_VERSION_WITH_DISKLESS_LOAD = (6, 0)
_KEEPS_ITS_DATA = ("disabled", "on-empty-db", "swapdb", None)


def choose(settings: Settings, plan: Plan, *, force: bool) -> str | None:
    """Why it goes key by key; None where the target is to load the backup as one file. Writes nothing.

    Raises RefusedError or UsageError where there is to be no mirror at all.
    """
    request, manifest, endpoint = plan.request, plan.manifest, plan.endpoint
    if request.kinds is not None:
        raise UsageError("A mirror is of all keys: leave the kinds out, or choose the mode overwrite.")
    if manifest.lacks_keys and not force:
        raise RefusedError(
            f"{manifest.name} is {lacking(manifest)}, and a mirror would delete what it does not hold: choose the mode overwrite, or "
            "say --force (`force` in a call).",
            risk="partial",
        )
    facts = read_facts(endpoint)
    _refuse_broker(settings, endpoint, facts)
    reason = _because_of_request(request) or _because_of_backup(manifest, facts)
    reason = reason or _because_of_target(endpoint, facts)
    if reason is None and not force and _replicas(endpoint):
        raise RefusedError(
            "The target has replicas, and all of them would load the whole backup too: say --force (`force` in a call) "
            "if they may, or choose the mode overwrite.",
            risk="replicas",
        )
    return reason


def run(settings: Settings, job: Job, stream: EntryStream, reason: str | None, check_room: Callable[[], None]) -> None:
    """Write, and count in the target's report; `reason` is what `choose` said. Raises what Target.accounted raises.

    `check_room` raises where it is to go key by key after all, and there is too little memory for that.
    """
    report = job.report
    if reason is None:
        watch = Watch(job.plan.endpoint, job.plan.databases)
        if (reason := replicate(settings, job)) is None:
            report.account(watch.look(report.restored))
            report.way, report.reason = "replication", "the target allows it"
            return
        check_room()
    report.way, report.reason = "keys", reason
    with job.target.accounted(job.plan.databases):
        _by_keys(job, stream)


def _refuse_broker(settings: Settings, endpoint: Endpoint, facts: Facts) -> None:
    for url in (settings.celery_broker_url, settings.celery_result_backend):
        broker, run_id = Endpoint(url, BROKER), None
        # A broker that is away cannot be on a target that answers; where INFO is forbidden its address is compared.
        with suppress(BackupSystemError):
            run_id = read_facts(broker).run_id
        if broker.address == endpoint.address or (run_id and run_id == facts.run_id):
            raise RefusedError(
                "The broker runs on the target, and a mirror would delete the queue it came by: give the broker a Redis "
                "of its own, or choose the mode overwrite."
            )


def _because_of_request(request: Request) -> str | None:
    if request.narrowed:
        return "only a part of the backup is meant"
    return "its keys go elsewhere, or expire at other times" if request.moved else None


def _because_of_backup(manifest: Manifest, facts: Facts) -> str | None:
    """A server that meets in a file what it cannot load has dropped its old data by then, and ends itself.

    Tried on 6.2 to 8.10: nor does it start again with that file. So only what such a server wrote may go in whole.
    """
    origin, types = manifest.source, {kind for kinds in manifest.keys_by_db.values() for kind in kinds}
    reasons = {
        "the backup is no RDB file": manifest.data_format != "rdb",
        "the backup is of some databases only": origin.databases is not None,
        f"the backup is {lacking(manifest)}": manifest.lacks_keys,
        "the backup was adopted, so nobody knows whether a server wrote it": manifest.kind == "adopted",
        "the backup holds data of modules": "module" in types or manifest.module_data,
        "the backup is of a server of another make": origin.server != facts.server,
        "the backup is of a newer server": _release(origin.version) > _release(facts.version),
    }
    return next((reason for reason, true in reasons.items() if true), None)


def _release(version: str | None) -> list[int]:
    """What must match for one server to load another's file: 7.0 of 7.0.15."""
    return [int(part) for part in (version or "").split(".")[:2] if part.isdigit()]


def _because_of_target(endpoint: Endpoint, facts: Facts) -> str | None:
    if endpoint.encrypted:
        return "the connection to the target is encrypted, and replication would not be"
    with endpoint.translated("asking whether it may become a replica of ours"), Wire(endpoint) as wire:
        config: dict[bytes, str | None] = {}
        for name in (b"repl-diskless-load", b"tls-replication", b"replica-read-only"):
            answer = wire.try_(b"CONFIG", b"GET", name)
            if isinstance(answer, RedisError):
                return f"the target does not say whether it would keep its data until the backup is there: {answer}"
            config[name] = answer[1].decode() if answer else None
        if (reason := _because_of_settings(config, facts)) or "master_replid" not in info(wire):
            return reason or "the target has no replication id to be known by"
        # At a primary this only shows whether it is allowed.
        answer = wire.try_(b"REPLICAOF", b"NO", b"ONE")
        return f"the target does not allow REPLICAOF: {answer}" if isinstance(answer, RedisError) else None


def _because_of_settings(config: dict[bytes, str | None], facts: Facts) -> str | None:
    load, first_with_it = config[b"repl-diskless-load"], facts.redis_version >= _FIRST_VERSION_WITH_DISKLESS_LOAD
    reasons = {
        # Servers of another make call themselves a Redis, and may drop their data at once.
        "the target does not say whether it would keep its data until the backup is there": first_with_it and not load,
        "the target would drop its data before the backup is there (repl-diskless-load)": load not in _KEEPS_ITS_DATA,
        "the target replicates over TLS only": config[b"tls-replication"] == "yes",
        "the target takes writes while it is a replica, and they would be lost (replica-read-only)": (
            config[b"replica-read-only"] == "no"
        ),
    }
    return next((reason for reason, true in reasons.items() if true), None)


def _replicas(endpoint: Endpoint) -> int:
    with endpoint.translated("asking for INFO"), Wire(endpoint) as wire:
        return number(info(wire), "connected_slaves")


def _by_keys(job: Job, stream: EntryStream) -> None:
    """Write all, and only then delete what the backup does not have."""
    request, report = job.plan.request, job.report
    with KeySet() as names:
        job.write(Had(stream, names, job.plan.at))
        job.target.restore_functions(stream.libraries, job.fence)
        if report.failed:
            report.warn("Nothing was deleted, for not every key of the backup could be written.")
            return
        _delete(job, names, whole=not (request.narrowed or request.moved), libraries=stream.libraries)
    report.warn("Key by key, a mirror is not all or nothing: had it been cut, the target would hold a mixture.")


def _delete(job: Job, names: KeySet, *, whole: bool, libraries: list[bytes]) -> None:
    report = job.report
    facts = read_facts(job.plan.endpoint)
    databases = sorted({0, *facts.keys})
    with job.plan.endpoint.translated("deleting what the backup does not have"), job.fence.wire() as wire:
        for _, keys in Surplus(job.plan, names).batches(wire, databases):
            report.undeleted = len(keys)
            report.deleted += wire.ask(facts.delete, *keys)
            report.undeleted = 0
            job.progress("deleting", report.deleted, None, "keys")
        if whole:
            _delete_functions(job, wire, {match[1] for library in libraries if (match := _LIBRARY_NAME.match(library))})


def _delete_functions(job: Job, wire: Wire, kept: set[bytes]) -> None:
    """Delete function libraries that the backup does not have; nothing where functions are unknown or forbidden there."""
    listed = wire.try_(b"FUNCTION", b"LIST")
    if isinstance(listed, RedisError):
        if str(listed).startswith("NOPERM"):
            job.report.warn(f"Functions that the backup does not have are still there: {listed}.")
        return
    for library in listed:
        name = dict(zip(library[::2], library[1::2], strict=True))[b"library_name"]
        if name not in kept:
            wire.ask(b"FUNCTION", b"DELETE", name)
