"""A whole backup given to the target as one file, which it loads as a replica of ours."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import BinaryIO

from worker import artifact, logs, standins
from worker.config import Settings
from worker.connection import Endpoint
from worker.entries import EntryStream
from worker.facts import info, keyspace
from worker.guardian import Guardian
from worker.handover import File, Handover
from worker.keyset import KeySet
from worker.manifest import Manifest
from worker.primary import NobodyCameError, Primary
from worker.progress import Progress
from worker.request import Request
from worker.standins import Standin
from worker.surplus import Had, Surplus
from worker.target import Target
from worker.wire import Wire


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
    progress: Progress
    """It may raise, where the run is to stop."""

    @property
    def endpoint(self) -> Endpoint:
        """The target's."""
        return self.request.endpoint(self.settings)

    def write(self, stream: EntryStream) -> None:
        """Write key by key, and tell of it. Raises TargetError, ArtifactError or BusyError, with the counts so far."""
        done = 0
        total = self.request.expected_keys(self.manifest) if self.request.kinds is None else None
        with self.target.counting():
            for count in self.target.restore(stream):
                done += count
                self.progress("restoring", done, total, "keys")


@dataclass
class _Contents:
    """What is in an RDB file; `keys` and `expired` by database."""

    bytes: int = 0
    keys: Counter[int] = field(default_factory=Counter)
    expired: Counter[int] = field(default_factory=Counter)
    functions: int = 0
    unfit: str | None = None
    """Why no server should be given it whole."""


def replicate(job: Job) -> str | None:
    """Let the target load the backup, and count in its report; or why that cannot be, and then nothing was changed.

    Raises TargetError with what the target holds now, and whatever `progress` raises.
    """
    with Guardian() as guardian:
        return _replicate(job, guardian)


def _replicate(job: Job, guardian: Guardian) -> str | None:
    with KeySet() as names, job.endpoint.translated("becoming a replica of ours"), Wire(job.endpoint) as wire:
        before = info(wire)
        databases = keyspace(before)
        contents = _walk(job, names if databases else None)
        if contents.unfit:
            return contents.unfit
        deleted = sum(len(keys) for _, keys in Surplus(job.request, job.manifest, names).batches(wire, databases))
        bind = job.settings.mirror_bind or wire.local_address
        host = wire.local_address if ip_address(bind).is_unspecified else bind
    try:
        primary = Primary(bind, job.settings.mirror_port)
    except OSError as error:
        return f"nobody can listen on {bind}: {error.strerror}, see MIRROR_BIND and MIRROR_PORT"
    with primary:
        standin = _standin(job, primary, host, before, contents)
        guardian.watch(job.request.url(job.settings), standin)
        try:
            _hand_over(job, primary, standin, contents)
        except NobodyCameError:
            return f"the target did not come to {host} to fetch the backup, see MIRROR_BIND and MIRROR_PORT"
    _count(job, contents, deleted, before)
    return None


def _walk(job: Job, names: KeySet | None) -> _Contents:
    """Read the file to its end before any of it is sent: what no server could load must not reach one."""
    contents = _Contents()

    def counted() -> Iterator[bytes]:
        for chunk in artifact.raw_chunks(job.file, job.manifest.compression):
            contents.bytes += len(chunk)
            yield chunk

    job.file.seek(0)
    reader = artifact.reader(counted(), "rdb", values=False)
    for batch in (Had(reader, names, job.at) if names else reader).batches():
        contents.keys.update(entry.db for entry in batch)
        contents.expired.update(
            entry.db for entry in batch if entry.expires_at is not None and entry.expires_at <= job.at
        )
        job.progress("reading", contents.keys.total(), job.manifest.keys, "keys")
    contents.functions = len(reader.libraries)
    contents.unfit = "the backup holds data of modules" if getattr(reader, "modules", False) else None
    return contents


def _standin(job: Job, primary: Primary, host: str, before: dict[str, str], contents: _Contents) -> Standin:
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
        backup_keys=contents.keys.total(),
        backup_expiring=job.manifest.expiring,
    )


def _hand_over(job: Job, primary: Primary, standin: Standin, contents: _Contents) -> None:
    job.file.seek(0)
    chunks = artifact.raw_chunks(job.file, job.manifest.compression)
    standins.remember(job.settings, standin)
    handover = Handover(job.endpoint, standin, primary, job.progress)
    try:
        handover.run(File(contents.bytes, chunks, contents.keys, contents.expired))
    finally:
        if handover.ended:
            standins.forget(job.settings, standin)


def _count(job: Job, contents: _Contents, deleted: int, before: dict[str, str]) -> None:
    report = job.target.report
    report.expired = contents.expired.total()
    report.restored = contents.keys.total() - report.expired
    report.deleted, report.functions = deleted, contents.functions
    if before.get("aof_enabled") == "1":
        report.warn("The target writes its AOF anew now: should it crash before that is done, its old data come back.")
    elif _loaded_from_the_wire(job, before):
        report.warn(
            "The target has loaded the backup from the wire, so what it has saved is still its old data: let it BGSAVE."
        )


def _loaded_from_the_wire(job: Job, before: dict[str, str]) -> bool:
    with job.endpoint.translated("asking how it loads"), Wire(job.endpoint) as wire:
        answer = wire.try_(b"CONFIG", b"GET", b"repl-diskless-load")
    how = answer[1] if isinstance(answer, list) and answer else b""
    return how == b"swapdb" or (how == b"on-empty-db" and not keyspace(before))
