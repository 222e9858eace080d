"""What a restore is about to touch, kept as it is before: a backup of kind `undo`, so that there is a way back.

It holds the keys of the restored backup in the order of that backup's own stream, less those that are not there: walked
side by side, the two tell which keys the restore created, and no list of them is needed. A mirror deletes as well, so for
one all other keys follow behind.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any

from worker import __version__, logs
from worker.arguments.backups import VerifyArguments
from worker.backups.verify import verify
from worker.config.settings import Settings
from worker.engines.completeness import Watch
from worker.errors import RefusedError, StorageError, TargetError, TemporaryError
from worker.formats.compression import COMPRESSIONS, DEFAULT_COMPRESSION
from worker.formats.rdb import writer
from worker.formats.tally import Counted, Tally
from worker.repository import catalogue
from worker.repository.checksum import Meter
from worker.repository.manifest import UNDO_FACT, Manifest, Origin, Size, free_names
from worker.restore.selection.keyset import KeySet
from worker.restore.target.job import Job
from worker.restore.undo.current import Present
from worker.server.dumps import Keys
from worker.server.info import read_facts
from worker.storage.local import Folder, open_storage


def take(settings: Settings, job: Job) -> dict[str, Any] | None:
    """Keep the present state of what the restore will touch, and read it back.

    Its name, how many keys it holds, and for how many days; None where nothing will be touched, or nothing is to be kept.
    Raises StorageError, TargetError, ArtifactError or RefusedError where that cannot be: the restore must not begin then.
    Where the restore takes nothing away from what is there, it may begin all the same, and its report has a warning.
    """
    if not settings.backup_undo_days:
        return None
    storage = open_storage(settings.backup_storage)
    with _explained():
        manifest = _keep(settings, storage, job)
        if manifest is None:
            return None
        verify(settings, VerifyArguments(name=manifest.name), job.progress)
    # A prune that began before there was an undo did not know that somebody needs the backup.
    catalogue.get(storage, job.plan.manifest.name)
    return {"name": manifest.name, "keys": manifest.keys, "days": settings.backup_undo_days}


@contextmanager
def _explained() -> Iterator[None]:
    """A failure leaves the target as it is, and there is a way to do without."""
    try:
        yield
    except TemporaryError:
        raise
    except (StorageError, TargetError) as error:
        raise type(error)(
            f"{error} Nothing was restored, for what that would change could not be kept first; "
            "with the setting BACKUP_UNDO_DAYS=0 a restore keeps nothing."
        ) from None


def _keep(settings: Settings, storage: Folder, job: Job) -> Manifest | None:
    """A backup of what will be touched; None where there is nothing to keep, or no need to."""
    plan, watch = job.plan, Watch(job.plan.endpoint)
    with KeySet() if plan.request.deletes else nullcontext() as named, Keys(plan.endpoint) as keys:
        present = Present(plan, read_facts(plan.endpoint), keys, named)
        loses = present.begin()
        if not (loses or present.named or present.brought):
            return None
        try:
            return _write(settings, storage, present, watch, job)
        except StorageError as error:
            if loses:
                raise
            job.report.warn(f"This restore cannot be undone: what it adds could not be noted. {error}")
            return None


def _write(settings: Settings, storage: Folder, present: Present, watch: Watch, job: Job) -> Manifest:
    plan, began = present.plan, watch.since
    compression = COMPRESSIONS[settings.backup_compression or DEFAULT_COMPRESSION["rdb"]]
    with storage.draft(free_names(began, "rdb", compression.suffix)) as draft:
        tally, raw, stored = Tally(), Meter(hashed=False), Meter()
        way_back = _way_back(present)
        said = {"redis-ver": present.facts.version, "redis-bits": "64", UNDO_FACT: json.dumps(way_back, default=str)}
        dump = writer.write(Counted(present, tally), said)

        def told(chunks: Iterator[bytes]) -> Iterator[bytes]:
            # Told as it is read: a compressor may hold back megabytes before it gives anything.
            for chunk in chunks:
                yield chunk
                job.progress("keeping what is there", present.named, plan.expected_keys, "keys")

        for chunk in stored.watch(compression.compress(told(raw.watch(dump)))):
            draft.write(chunk)
        _check_known(tally)
        if wiped := watch.wiped():
            raise RefusedError(
                f"While what is at the target {plan.endpoint.address} was being kept, {wiped}: nothing was restored. When "
                "that is over, run the restore again."
            )
        manifest = Manifest(
            **_described(present, tally),
            **way_back,
            name=draft.name,
            created_at=began,
            bytes=Size(raw=raw.bytes, stored=stored.bytes),
            sha256=stored.sha256,
            compression=compression.name,
            duration_seconds=round(max(0.0, (datetime.now(UTC) - began).total_seconds()), 3),
        )
        catalogue.commit(storage, draft, manifest, "undo_taken", job.fence.check)
        return manifest


def _check_known(tally: Tally) -> None:
    """What no reader of ours can walk past could not be put back."""
    unknown = sum(kinds.get("unknown", 0) for kinds in tally.by_db.values())
    if unknown:
        raise RefusedError(
            f"The restore would touch {unknown:,} keys of a type that this program does not know, and could not put them "
            "back: nothing was restored. With the setting BACKUP_UNDO_DAYS=0 a restore keeps nothing."
        )


def _way_back(present: Present) -> dict[str, Any]:
    """What the manifest of an undo says besides, and its file as well: without that nobody could use it."""
    plan, facts = present.plan, present.facts
    origin = Origin(
        address=plan.endpoint.address, server=facts.server, version=facts.version, run_id=facts.run_id or None
    )
    return {
        "source": origin.model_dump(),
        "undoes": logs.current_run(),
        "restored": plan.manifest.name,
        "restored_at": datetime.fromtimestamp(plan.at / 1000, UTC),
        "restore_arguments": plan.request.model_dump(mode="json", exclude_defaults=True) | {"name": plan.manifest.name},
    }


def _described(present: Present, tally: Tally) -> dict[str, Any]:
    return {
        "kind": "undo",
        "data_format": "rdb",
        "rdb_version": present.rdb_version,
        "consistency": "per-key",
        "engine": "scan",
        "engine_reason": "the keys that a restore was about to touch, asked for one by one",
        "keys": tally.keys,
        "keys_by_db": tally.by_db,
        "expiring": tally.expiring,
        "functions": len(present.libraries),
        "tool_version": __version__,
        "warnings": present.warnings,
    }
