"""Afterwards the target holds the backup and nothing else: loaded as one file where the target allows it, else key by key."""

import re
from collections.abc import Callable

from redis.exceptions import RedisError

from worker.config.settings import Settings
from worker.errors import RefusedError, UsageError
from worker.formats.entries import EntryStream
from worker.restore.mirror import choice
from worker.restore.mirror.replicate import replicate
from worker.restore.selection.keyset import KeySet
from worker.restore.selection.plan import Plan, lacking
from worker.restore.selection.surplus import Had, Surplus
from worker.restore.target.aftermath import Watch
from worker.restore.target.job import Job
from worker.server.info import read_facts
from worker.server.wire import Wire

_LIBRARY_NAME = re.compile(rb"#!\S+[^\n]*\bname=(\S+)")


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
    if choice.carries_broker(settings, endpoint, facts):
        raise RefusedError(
            "The broker runs on the target, and a mirror would delete the queue it came by: give the broker a Redis "
            "of its own, or choose the mode overwrite."
        )
    reason = choice.because(plan, facts)
    if reason is None and not force and choice.replicas(endpoint):
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
