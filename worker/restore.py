"""Storage to target: verified whole, then checked against the target, then written."""

import time
from collections.abc import Iterator
from typing import Annotated, Any, BinaryIO, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field

from worker import artifact, catalogue, globs, lock
from worker.config import Databases, Settings
from worker.connection import TARGET, Endpoint
from worker.entries import Entry, EntryStream
from worker.errors import BusyError, IncompleteError, RefusedError
from worker.manifest import Manifest
from worker.progress import Progress
from worker.report import counts
from worker.storage import open_storage
from worker.target import Target
from worker.writing import Mode

log = structlog.get_logger()

TypeName = Literal["string", "list", "set", "zset", "hash", "stream", "module"]


class RestoreArguments(BaseModel):
    """Which backup, how, and how much of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=200)
    """Of the backup; `latest` is the newest."""
    mode: Mode = "skip"
    match: str | None = Field(default=None, min_length=1)
    """A glob on keys, as KEYS takes it: only what fits is restored."""
    types: Annotated[frozenset[TypeName], Field(min_length=1)] | None = None
    databases: Databases = None

    @property
    def narrowed(self) -> bool:
        """Whether only a part of the backup is meant."""
        return self.match is not None or self.types is not None or self.databases is not None


def restore(settings: Settings, arguments: RestoreArguments, progress: Progress) -> dict[str, Any]:
    """Restore a backup: the report as a dict. One with failed keys is no success: `check_complete` says so.

    Nothing is written before the artifact was verified and the target has passed every check. Raises NotFoundError,
    ArtifactError, RefusedError, BusyError while another restore writes there, and TargetError with the counts so far
    when the target gives up on the way.
    """
    with lock.held(settings, f"target {Endpoint(settings.redis_url, TARGET).address}") as still_ours:
        return _restore(settings, arguments, progress, still_ours)


def _restore(
    settings: Settings, arguments: RestoreArguments, progress: Progress, still_ours: lock.Check
) -> dict[str, Any]:
    clock = time.monotonic()
    storage = open_storage(settings.backup_storage)
    manifest = catalogue.get(storage, arguments.name, catalogue.scope_of(settings))
    if manifest.keys is None:
        raise RefusedError(
            f"{manifest.name} holds something that this program cannot read ({' '.join(manifest.warnings)}) "
            "It is a plain RDB file: a redis-server of the source's version loads it."
        )
    endpoint = Endpoint(settings.redis_url, TARGET)
    with storage.open(manifest.name) as file:
        artifact.check_bytes(file, manifest, progress)
        target = Target(endpoint, arguments.mode)
        target.check(manifest.rdb_version, _databases(manifest, arguments), _expected_bytes(manifest, arguments))
        try:
            for done in _apply(file, manifest, arguments, target):
                progress("restoring", done, None if arguments.narrowed else manifest.keys, "keys")
                still_ours()
        except BusyError as error:
            raise BusyError(f"{error} Until then: {target.report.written}.") from None
    report, seconds = target.report, round(time.monotonic() - clock, 3)
    if not report.keys:
        report.warn(_nothing(arguments))
    if report.complete:
        about = {"name": manifest.name, "keys": report.restored, "bytes": manifest.bytes.raw, "seconds": seconds}
        told = {"skipped": report.skipped, "expired": report.expired, "warnings": report.warnings}
        log.info("backup_restored", **about, mode=arguments.mode, **told)
    return {
        "name": manifest.name,
        "mode": arguments.mode,
        "source": manifest.source.address,
        "target": endpoint.address,
        **report.as_dict(),
        "seconds": seconds,
    }


def check_complete(report: dict[str, Any]) -> None:
    """Raise IncompleteError, with the counts and the first key, when a restore ran to its end without all its keys."""
    if report["failed"]:
        first = next(iter(report["failures"]), None)
        example = f" The first: {first['key']!r} of database {first['db']}: {first['error']}." if first else ""
        raise IncompleteError(f"Not every key could be restored: {counts(report)}.{example}")
    if report["evicted"]:
        raise IncompleteError(
            f"Not every key is there: {counts(report)}. The target threw keys out for want of memory while this ran: "
            "raise maxmemory, and run the restore again."
        )


def _nothing(arguments: RestoreArguments) -> str:
    """Why there was no key to restore: a wrong pattern must not look like a good restore."""
    return "No key of the backup fits: nothing was restored." if arguments.narrowed else "The backup holds no key."


def _databases(manifest: Manifest, arguments: RestoreArguments) -> list[int]:
    return [db for db in manifest.keys_by_db if arguments.databases is None or db in arguments.databases]


def _expected_bytes(manifest: Manifest, arguments: RestoreArguments) -> int:
    """What the target needs at the least; of a part of a backup nothing is known beforehand."""
    return 0 if arguments.narrowed else manifest.bytes.raw


def _apply(file: BinaryIO, manifest: Manifest, arguments: RestoreArguments, target: Target) -> Iterator[int]:
    """Write, and yield how many keys of the backup have been dealt with so far."""
    chunks = artifact.raw_chunks(file, manifest.compression)
    stream = Narrowed(artifact.reader(chunks, manifest.data_format, values=True), arguments)
    done = 0
    for count in target.restore(stream):
        done += count
        yield done
    target.restore_functions(stream.libraries)
    target.count_evicted()


class Narrowed:
    """An EntryStream less the keys that were not asked for."""

    def __init__(self, stream: EntryStream, arguments: RestoreArguments) -> None:
        self._stream, self._arguments = stream, arguments
        self._glob = globs.compiled(arguments.match.encode()) if arguments.match is not None else None

    @property
    def rdb_version(self) -> int | None:
        """As the stream says."""
        return self._stream.rdb_version

    @property
    def libraries(self) -> list[bytes]:
        """As the stream says; none when only some keys are meant."""
        return [] if self._arguments.narrowed else self._stream.libraries

    def batches(self) -> Iterator[list[Entry]]:
        """Yield the stream's batches, narrowed."""
        for batch in self._stream.batches():
            yield [entry for entry in batch if self._wanted(entry)] if self._arguments.narrowed else batch

    def _wanted(self, entry: Entry) -> bool:
        arguments = self._arguments
        return (
            (arguments.databases is None or entry.db in arguments.databases)
            and (arguments.types is None or entry.type in arguments.types)
            and (self._glob is None or self._glob.fullmatch(entry.key) is not None)
        )
