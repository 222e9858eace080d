"""A whole backup given to the target as one file, which it loads as a replica of ours."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network

from worker import logs
from worker.config.fields import Networks
from worker.config.settings import Settings
from worker.formats.rdb.reader.census import Census
from worker.formats.tally import Tally
from worker.repository import artifact
from worker.restore.mirror import emptiness, recovery
from worker.restore.mirror.emptiness import NotEmptyError
from worker.restore.mirror.handover import File, Handover, all_is_well
from worker.restore.mirror.password import digest
from worker.restore.mirror.primary import NobodyCameError, Primary
from worker.restore.mirror.promotion import Demotion
from worker.restore.mirror.watchdog import Watchdog
from worker.restore.selection.keyset import KeySet
from worker.restore.selection.surplus import Had, Surplus
from worker.restore.target.job import Job
from worker.server.info import info, keyspace
from worker.server.wire import Wire


def replicate(settings: Settings, job: Job) -> str | None:
    """Let the target load the backup, and count in its report; or why that cannot be, and then nothing was changed.

    In a mode that deletes nothing it cannot be where anything is there. Raises TargetError with what the target holds now,
    and whatever `progress` raises.
    """
    if not job.fence.outlives_us:
        return _replicate(settings, job, None)
    with Watchdog() as watchdog:
        return _replicate(settings, job, watchdog)


def _replicate(settings: Settings, job: Job, watchdog: Watchdog | None) -> str | None:
    with job.plan.endpoint.translated("becoming a replica of ours"), Wire(job.plan.endpoint) as wire:
        before, deletes = info(wire), job.plan.request.deletes
        if not deletes and (clause := emptiness.held(wire)):
            return clause
        deleted = _surplus(job, wire, keyspace(before)) if deletes else 0
        bind = settings.mirror_bind or wire.local_address
        host = wire.local_address if ip_address(bind).is_unspecified else bind
        networks = settings.mirror_from or _comes_from(wire, host)
    try:
        primary = Primary(bind, settings.mirror_port)
    except OSError as error:
        return f"nobody can listen on {bind}: {error.strerror}, see MIRROR_BIND and MIRROR_PORT"
    census, from_wire = _census(job), _loads_from_the_wire(job, before)
    with primary:
        demotion = _demotion(job, primary, host, before)
        handover = Handover(demotion, primary, networks, job.fence, job.progress)
        last_look = all_is_well if deletes else emptiness.check
        try:
            with _watched(settings, job, watchdog, demotion, handover):
                handover.run(*_on_its_way(job, census, from_wire=from_wire), last_look)
        except NobodyCameError as error:
            return _not_come(host, error.turned_away)
        except NotEmptyError as error:
            return f"others have written there in the last moment: {error}"
    _count(job, census, deleted)
    if warning := _unsaved(before, from_wire=from_wire):
        job.report.warn(warning)
    return None


def _comes_from(wire: Wire, host: str) -> Networks:
    """The address that the target will come from: its own, or ours if it is on the same machine."""
    there, here = wire.peer_address, wire.local_address
    addresses = {there, host} if there == here or ip_address(there).is_loopback else {there}
    return tuple(ip_network(address.partition("%")[0]) for address in sorted(addresses))


def _not_come(host: str, turned_away: str | None) -> str:
    words = f"the target did not come to {host} to fetch the backup, see MIRROR_BIND and MIRROR_PORT"
    if turned_away is None:
        return words
    return (
        f"{words}; somebody came from {turned_away}, where we do not reach it: if that is the target, see MIRROR_FROM"
    )


def _surplus(job: Job, wire: Wire, databases: Iterable[int]) -> int:
    """How many keys of the target the backup does not have."""
    if not databases:
        return 0
    plan, read = job.plan, 0
    with KeySet() as names:
        reader = artifact.reader(plan.chunks(), "rdb", values=False)
        for batch in Had(reader, names, plan.at).batches():
            read += len(batch)
            job.progress("reading", read, plan.manifest.keys, "keys")
        return sum(len(keys) for _, keys in Surplus(plan, names).batches(wire, databases))


def _census(job: Job) -> Census:
    """Counts which keys of the backup have expired; it begins when it is first asked for chunks."""
    return Census(job.plan.chunks(), Tally(), job.plan.at)


def _demotion(job: Job, primary: Primary, host: str, before: dict[str, str]) -> Demotion:
    databases = keyspace(before).values()
    return Demotion(
        run=logs.current_run(),
        target=job.plan.request.target,
        address=job.plan.endpoint.address,
        host=host,
        port=primary.port,
        replication_id=primary.replication_id,
        keys=sum(counts["keys"] for counts in databases),
        expiring=sum(counts["expires"] for counts in databases),
        server=before.get("run_id", ""),
        backup_keys=job.plan.manifest.keys or 0,
        password=digest(primary.password),
        backup_expiring=job.plan.manifest.expiring,
    )


def _on_its_way(job: Job, census: Census, *, from_wire: bool) -> tuple[File, Iterator[bytes]]:
    """The backup as a file, and what is to be gone through while the target loads it: then the keys are counted.

    It loads while it receives or after: what is counted at another time is time lost.
    """
    plan = job.plan
    keys = {db: sum(kinds.values()) for db, kinds in plan.manifest.keys_by_db.items()}
    chunks = plan.chunks()
    meanwhile: Iterator[bytes] = iter(())
    if plan.manifest.expiring:
        chunks, meanwhile = (census.chunks(), meanwhile) if from_wire else (chunks, census.chunks())
    return File(plan.manifest.bytes.raw, chunks, keys, census.expired), meanwhile


@contextmanager
def _watched(
    settings: Settings, job: Job, watchdog: Watchdog | None, demotion: Demotion, handover: Handover
) -> Iterator[None]:
    """Others know of it until the target is known to be a primary again; of one that ends with us nobody has to."""
    if watchdog is None:
        yield
        return
    watchdog.watch(job.plan.request.url(settings), demotion)
    recovery.remember(settings, demotion)
    try:
        yield
    finally:
        if handover.ended:
            recovery.forget(settings, demotion)


def _count(job: Job, census: Census, deleted: int) -> None:
    report = job.report
    report.expired = census.expired.total()
    report.restored = (job.plan.manifest.keys or 0) - report.expired
    report.deleted, report.functions = deleted, job.plan.manifest.functions


def _unsaved(before: dict[str, str], *, from_wire: bool) -> str | None:
    """What a crash of the target would bring back, as a sentence; None where it has saved what it loaded."""
    if before.get("aof_enabled") == "1":
        return "The target writes its AOF anew now: should it crash before that is done, its old data come back."
    if from_wire:
        return (
            "The target has loaded the backup from the wire, so what it has saved is still its old data: let it BGSAVE."
        )
    return None


def _loads_from_the_wire(job: Job, before: dict[str, str]) -> bool:
    with job.plan.endpoint.translated("asking how it loads"), Wire(job.plan.endpoint) as wire:
        answer = wire.try_(b"CONFIG", b"GET", b"repl-diskless-load")
    how = answer[1] if isinstance(answer, list) and answer else b""
    return how == b"swapdb" or (how == b"on-empty-db" and not keyspace(before))
