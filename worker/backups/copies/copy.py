"""A backup copied to other storages: the same bytes, checked against the manifest as they come, and the manifest last."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from worker.arguments.backups import CopyArguments
from worker.broker import lock
from worker.config.settings import Settings
from worker.errors import (
    ArtifactError,
    BackupSystemError,
    BusyError,
    LostError,
    NotFoundError,
    RefusedError,
    StoppedError,
    StorageError,
    StorageUnavailableError,
)
from worker.progress import Progress, Proof, reported
from worker.repository import catalogue
from worker.repository.checksum import Meter
from worker.repository.copies import places
from worker.repository.described import noted
from worker.repository.manifest import MANIFEST_SUFFIX, Copied, Manifest
from worker.repository.scope import scope_of
from worker.repository.versions.records import record_of, remember
from worker.storage import Storage, chunks_of, require

log = structlog.get_logger()
Data = dict[str, Any]


def copy(settings: Settings, arguments: CopyArguments, progress: Progress) -> Data:
    """Copy one backup to each storage that is asked for: what became of it there. One that is there already is left alone.

    No key is needed, for the bytes stay as they are. UsageError, NotFoundError; RefusedError for what is not copied, and where
    something else has its name there; ArtifactError where it is not what was written; StorageError, which says what was done
    elsewhere. Nothing half is listed anywhere then.
    """
    to = places.chosen(settings, arguments.to)
    home = places.home(settings)
    manifest = catalogue.get(home, arguments.name, scope_of(settings))
    if not places.is_copied(manifest):
        raise RefusedError(f"{manifest.name} stays where it is: only whole backups are copied, and it is none.")
    done: list[Data] = []
    failures: list[BackupSystemError] = []
    for there in to:
        try:
            done.append(_copied(settings, _Way(manifest, home, there, progress)))
        except (StoppedError, LostError, ArtifactError):
            raise
        except BackupSystemError as error:
            failures.append(error)
    if failures:
        raise _all_told(failures, done)
    busy = [copied["skipped"] for copied in done if "skipped" in copied]
    result = {"name": manifest.name, "bytes": manifest.bytes.stored, "copies": done}
    return result | {"skipped": busy[0]} if len(busy) == len(done) else result


def _all_told(failures: list[BackupSystemError], done: list[Data]) -> BackupSystemError:
    """One error for all; it is tried again only where that can help each."""
    if len(failures) + len(done) == 1:
        return failures[0]
    words = [*map(str, failures), *(f"It lies in {copied['to']}." for copied in done)]
    passing = all(isinstance(failure, StorageUnavailableError) for failure in failures)
    error = (StorageUnavailableError if passing else StorageError)(" ".join(words))
    return error.said_outside(" ".join(failure.outside for failure in failures))


@dataclass(frozen=True)
class _Way:
    """What goes from where to where."""

    manifest: Manifest
    home: Storage
    there: Storage
    progress: Progress


def _copied(settings: Settings, way: _Way) -> Data:
    clock, name, to = time.monotonic(), way.manifest.name, str(way.there)
    try:
        with lock.held(settings, f"copy of {name} in {way.there.place}") as lease:
            is_new = _make(way, lease.prove)
    except LostError:
        raise
    except BusyError:
        return {"to": to, "skipped": f"another run is copying {name} to {to}"}
    warnings = _note(way, is_new=is_new)
    seconds = round(time.monotonic() - clock, 3)
    if is_new:
        log.info("backup_copied", name=name, to=to, bytes=way.manifest.bytes.stored, seconds=seconds)
    return {"to": to, "new": is_new, "seconds": seconds, "warnings": warnings}


def _note(way: _Way, *, is_new: bool) -> list[str]:
    place, manifest = way.there.place, way.manifest
    if place in manifest.copies and not is_new:
        return []
    record = record_of(way.there, manifest.name)
    versions = {file: kept.id for file, kept in record.files.items() if kept.id} if record else {}
    copied = Copied(copied_at=datetime.now(UTC).replace(microsecond=0), versions=versions)
    return catalogue.try_to_note(way.home, manifest.name, copies={place: copied})


def _make(way: _Way, prove: Proof) -> bool:
    """Write what is missing there of the two files; whether anything was."""
    manifest, there = way.manifest, way.there
    require(there)
    name, text = manifest.name, way.home.read(manifest.name + MANIFEST_SUFFIX)
    sizes = {file.name: file.size for file in there.files()}
    has_manifest = name + MANIFEST_SUFFIX in sizes
    if has_manifest and not _says_the_same(there, name, text):
        raise _other(there, name)
    if name not in sizes:
        _write(way, text, prove, with_manifest=not has_manifest)
        remember(there, name, text)
        return True
    if sizes[name] != manifest.bytes.stored:
        raise _other(there, name)
    if has_manifest:
        return False
    # Of a run that was killed right before its end: what it brought there may be all of it.
    if _sha256_there(way) != manifest.sha256:
        raise _other(there, name)
    _put_manifest(way, text, prove)
    remember(there, name, text)
    return True


def _put_manifest(way: _Way, text: bytes, prove: Proof) -> None:
    """Write it, unless another machine, which copies the same backup, has just done so."""
    name = way.manifest.name
    try:
        way.there.put(name + MANIFEST_SUFFIX, text, prove=prove)
    except StorageUnavailableError:
        raise
    except StorageError:
        with suppress(NotFoundError):
            if way.there.read(name + MANIFEST_SUFFIX) == text:
                return
        raise


def _says_the_same(there: Storage, name: str, text: bytes) -> bool:
    """Whether the manifest there is the same. RefusedError where the backup lies in the trash there."""
    if there.read(name + MANIFEST_SUFFIX) != text:
        return False
    known = noted(there, name)
    if known and known.deleted_at:
        raise RefusedError(
            f"Somebody deleted {name} in {there}, where it lies in the trash: put it back with `BACKUP_STORAGE={there} "
            f"python -m worker put-back {name}`."
        )
    return True


def _other(there: Storage, name: str) -> RefusedError:
    return RefusedError(
        f"{there} holds something else under the name {name}, and nothing is ever written over it. Look what it is; once it is "
        "moved away or deleted there, copy again."
    )


def _sha256_there(way: _Way) -> str:
    read, manifest = Meter(), way.manifest
    with way.there.open(manifest.name) as stream:
        for _ in reported(read.watch(chunks_of(stream)), way.progress, "reading back", manifest.bytes.stored):
            pass
    return read.sha256


def _write(way: _Way, text: bytes, prove: Proof, *, with_manifest: bool) -> None:
    name, size = way.manifest.name, way.manifest.bytes.stored
    with way.there.draft(_only(way.there, name), claim=hashlib.sha256(text).hexdigest()) as draft:
        read = Meter()
        with way.home.fetch(name, way.progress) as file:
            for chunk in reported(read.watch(chunks_of(file)), way.progress, "reading", size):
                draft.write(chunk)
        _check(way.home, way.manifest, read)
        draft.publish(prove, way.progress)
        if with_manifest:

            def still() -> None:
                prove()
                draft.check()

            _put_manifest(way, text, still)


def _only(there: Storage, name: str) -> Iterator[str]:
    """That name and no other."""
    yield name
    raise StorageUnavailableError(
        f"Somebody else is bringing {name} to {there}, or was killed at it less than a day ago: try again later."
    )


def _check(home: Storage, manifest: Manifest, read: Meter) -> None:
    if (read.bytes, read.sha256) != (manifest.bytes.stored, manifest.sha256):
        raise ArtifactError(
            f"{manifest.name} is no longer what was written to {home}, so it was not copied: `python -m worker verify "
            f"{manifest.name}` says what is wrong with it.",
            of=manifest.name,
        )
