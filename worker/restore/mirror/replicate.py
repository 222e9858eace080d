"""A whole backup given to the target as one file, which it loads as a replica of ours."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from ipaddress import ip_address
from typing import BinaryIO

from worker import logs
from worker.arguments.restore import Request
from worker.config.settings import Settings
from worker.formats.entries import EntryStream
from worker.formats.rdb.census import Census
from worker.formats.tally import Tally
from worker.progress import Progress
from worker.repository import artifact
from worker.repository.manifest import Manifest
from worker.restore.mirror import recovery
from worker.restore.mirror.handover import File, Handover
from worker.restore.mirror.primary import NobodyCameError, Primary
from worker.restore.mirror.promotion import Standin
from worker.restore.mirror.watchdog import Guardian
from worker.restore.selection.keyset import KeySet
from worker.restore.selection.surplus import Had, Surplus
from worker.restore.target.target import Target
from worker.server.endpoint import Endpoint
from worker.server.fence import Fence
from worker.server.info import info, keyspace
from worker.server.wire import Wire


@dataclass(frozen=True)
class Job:
    """A mirror that was asked for, of a backup that was checked."""

    settings: Settings
    request: Request
    manifest: Manifest
    file: BinaryIO
    target: Target
    at: float
    """When it began, by the target's clock, in milliseconds since the epoch."""
    fence: Fence
    """What writes there goes through this."""
    progress: Progress
    """It may raise, where the run is to stop."""

    @property
    def endpoint(self) -> Endpoint:
        """The target's."""
        return self.fence.endpoint

    @property
    def databases(self) -> list[int]:
        """Those of the target that are written."""
        return self.request.databases_of(self.manifest)

    def write(self, stream: EntryStream) -> None:
        """Write key by key, and tell how many keys have an outcome. Raises what Target.restore raises, and `progress`."""
        report = self.target.report
        total = self.request.expected_keys(self.manifest) if self.request.kinds is None else None
        # Closed before its counts are told, should `progress` raise: what is on its way belongs to them.
        with closing(self.target.restore(stream, self.fence)) as written:
            for _ in written:
                self.progress("restoring", report.keys, total, "keys")
        self.progress("restoring", report.keys, total, "keys")


def replicate(job: Job) -> str | None:
    """Let the target load the backup, and count in its report; or why that cannot be, and then nothing was changed.

    Raises TargetError with what the target holds now, and whatever `progress` raises.
    """
    with Guardian() as guardian:
        return _replicate(job, guardian)


def _replicate(job: Job, guardian: Guardian) -> str | None:
    with job.endpoint.translated("becoming a replica of ours"), Wire(job.endpoint) as wire:
        before = info(wire)
        deleted = _surplus(job, wire, keyspace(before))
        bind = job.settings.mirror_bind or wire.local_address
        host = wire.local_address if ip_address(bind).is_unspecified else bind
    try:
        primary = Primary(bind, job.settings.mirror_port)
    except OSError as error:
        return f"nobody can listen on {bind}: {error.strerror}, see MIRROR_BIND and MIRROR_PORT"
    census, from_wire = _census(job), _loads_from_the_wire(job, before)
    with primary:
        standin = _standin(job, primary, host, before)
        guardian.watch(job.request.url(job.settings), standin)
        try:
            _hand_over(job, primary, standin, census, from_wire=from_wire)
        except NobodyCameError:
            return f"the target did not come to {host} to fetch the backup, see MIRROR_BIND and MIRROR_PORT"
    _count(job, census, deleted)
    if before.get("aof_enabled") == "1":
        job.target.report.warn(
            "The target writes its AOF anew now: should it crash before that is done, its old data come back."
        )
    elif from_wire:
        job.target.report.warn(
            "The target has loaded the backup from the wire, so what it has saved is still its old data: let it BGSAVE."
        )
    return None


def _surplus(job: Job, wire: Wire, databases: Iterable[int]) -> int:
    """How many keys of the target the backup does not have."""
    if not databases:
        return 0
    with KeySet() as names:
        job.file.seek(0)
        reader = artifact.reader(artifact.raw_chunks(job.file, job.manifest.compression), "rdb", values=False)
        read = 0
        for batch in Had(reader, names, job.at).batches():
            read += len(batch)
            job.progress("reading", read, job.manifest.keys, "keys")
        return sum(len(keys) for _, keys in Surplus(job.request, job.manifest, names).batches(wire, databases))


def _census(job: Job) -> Census:
    """Counts which keys of the backup have expired; it begins when it is first asked for chunks."""
    return Census(_plain(job), Tally(), job.at)


def _plain(job: Job) -> Iterator[bytes]:
    """The dump; it begins at the start of the file when it is first asked for a chunk, so one must end before the next."""
    job.file.seek(0)
    yield from artifact.raw_chunks(job.file, job.manifest.compression)


def _standin(job: Job, primary: Primary, host: str, before: dict[str, str]) -> Standin:
    databases = keyspace(before).values()
    return Standin(
        run=logs.current_run(),
        target=job.request.target,
        address=job.endpoint.address,
        host=host,
        port=primary.port,
        replication_id=primary.replication_id,
        keys=sum(counts["keys"] for counts in databases),
        expiring=sum(counts["expires"] for counts in databases),
        server=before.get("run_id", ""),
        backup_keys=job.manifest.keys or 0,
        backup_expiring=job.manifest.expiring,
    )


def _hand_over(job: Job, primary: Primary, standin: Standin, census: Census, *, from_wire: bool) -> None:
    keys = {db: sum(kinds.values()) for db, kinds in job.manifest.keys_by_db.items()}
    chunks = _plain(job)
    meanwhile: Iterator[bytes] = iter(())
    if job.manifest.expiring:
        # The keys are counted while the target is busy loading, which is while it receives or after: else that is time lost.
        chunks, meanwhile = (census.chunks(), meanwhile) if from_wire else (chunks, census.chunks())
    recovery.remember(job.settings, standin)
    handover = Handover(standin, primary, job.fence, job.progress)
    try:
        handover.run(File(job.manifest.bytes.raw, chunks, keys, census.expired), meanwhile)
    finally:
        if handover.ended:
            recovery.forget(job.settings, standin)


def _count(job: Job, census: Census, deleted: int) -> None:
    report = job.target.report
    report.expired = census.expired.total()
    report.restored = (job.manifest.keys or 0) - report.expired
    report.deleted, report.functions = deleted, job.manifest.functions


def _loads_from_the_wire(job: Job, before: dict[str, str]) -> bool:
    with job.endpoint.translated("asking how it loads"), Wire(job.endpoint) as wire:
        answer = wire.try_(b"CONFIG", b"GET", b"repl-diskless-load")
    how = answer[1] if isinstance(answer, list) and answer else b""
    return how == b"swapdb" or (how == b"on-empty-db" and not keyspace(before))
