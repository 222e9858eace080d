"""What a restore is about to touch, kept as it is before: a backup of kind `undo`, so that there is a way back.

Where most of the target will be touched it is the target's own snapshot. Else it holds the keys of the restored backup in
the order of that backup's own stream, less those that are not there: walked side by side, the two tell which keys the
restore created, and no list of them is needed. A mirror deletes as well, so for one all other keys follow behind.
"""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog

from worker import logs
from worker.arguments.backups import VerifyArguments
from worker.backups.verify import verify
from worker.config.settings import Settings
from worker.engines.completeness import Watch
from worker.engines.replication import Replication
from worker.errors import (
    ArtifactError,
    NotFoundError,
    RefusedError,
    SourceError,
    StorageError,
    TargetError,
    TemporaryError,
)
from worker.formats import rdb
from worker.formats.compression import COMPRESSIONS, DEFAULT_COMPRESSION
from worker.formats.encryption import HOW, PLAIN, Encryption, encryption_of
from worker.formats.rdb.noted import noted
from worker.formats.rdb.reader.census import Census
from worker.formats.tally import Counted, Tally
from worker.progress import followed
from worker.repository import catalogue
from worker.repository.manifest import UNDO_FACT, Manifest, Origin
from worker.repository.writer import New, contents, writing
from worker.restore.selection.held import keep
from worker.restore.selection.keyset import KeySet
from worker.restore.selection.plan import Plan
from worker.restore.target.job import Job
from worker.restore.undo import own
from worker.restore.undo.current import Present
from worker.restore.undo.own import Own
from worker.server.info import Facts, read_facts
from worker.server.reading.keys import Keys
from worker.storage import Storage, open_storage

log = structlog.get_logger()


def take(settings: Settings, job: Job, *, whole: bool) -> dict[str, Any] | None:
    """Keep the present state of what the restore will touch, and read it back; `whole`: all of the backup, as one file.

    Its name, how many keys it holds, and for how many days; None where nothing will be touched, or nothing is to be kept.
    Raises StorageError, TargetError, ArtifactError or RefusedError where that cannot be: the restore must not begin then.
    Where the restore takes nothing away from what is there, it may begin all the same, and its report has a warning.
    """
    if not settings.backup_undo_days:
        return None
    storage = open_storage(settings.backup_storage)
    with _explained():
        manifest = _keep(settings, storage, job, whole=whole)
        if manifest is None:
            return None
        passed = manifest.engine == Replication.engine
        opened = verify(settings, VerifyArguments(name=manifest.name), job.progress, passed=passed)["contents"]
    if not opened:
        job.report.warn(
            f"This restore can be undone only where the secret key is: what was there before is encrypted. {HOW}"
        )
    keep(settings, job.plan.name, job.plan.request.storage, settings.backup_undo_days)
    return {"name": manifest.name, "keys": manifest.keys, "days": settings.backup_undo_days}


def discard(settings: Settings, taken: dict[str, Any] | None) -> None:
    """Remove what `take` kept, for nothing was restored. Where that cannot be, a prune removes it in time."""
    if taken is not None:
        with suppress(NotFoundError, StorageError):
            catalogue.remove(open_storage(settings.backup_storage), taken["name"])


@contextmanager
def _explained() -> Iterator[None]:
    """Add to a failure that the target is unchanged, and how to restore without an undo."""
    try:
        yield
    except TemporaryError:
        raise
    except (StorageError, TargetError) as error:
        raise type(error)(
            f"{error} Nothing was restored, for what that would change could not be kept first; "
            "with the setting BACKUP_UNDO_DAYS=0 a restore keeps nothing."
        ) from None


def _keep(settings: Settings, storage: Storage, job: Job, *, whole: bool) -> Manifest | None:
    """A backup of what will be touched; None where there is nothing to keep, or no need to."""
    plan, watch = job.plan, Watch(job.plan.endpoint)
    compression = COMPRESSIONS[settings.backup_compression or DEFAULT_COMPRESSION["rdb"]]
    new = New(watch.since, "rdb", compression, _encryption(settings, job))
    facts = read_facts(plan.endpoint)
    if wanted := own.chosen(settings, job, facts):
        try:
            return _write_own(storage, new, wanted, watch, job)
        except (SourceError, TargetError, ArtifactError, StorageError) as error:
            # Its keys one by one may still do, and if not, they say why.
            log.warning("undo_snapshot_failed", why=str(error))
            new, watch = replace(new, created_at=datetime.now(UTC)), Watch(job.plan.endpoint)
    with KeySet() if plan.request.deletes else nullcontext() as named, Keys(plan.endpoint) as keys:
        present = Present(plan, facts, keys, named, whole=whole)
        loses = present.begin()
        if not (loses or present.named or present.brought):
            return None
        try:
            return _write(storage, new, present, watch, job)
        except StorageError as error:
            if loses:
                raise
            job.report.warn(f"This restore cannot be undone: what it adds could not be noted. {error}")
            return None


def _encryption(settings: Settings, job: Job) -> Encryption:
    """As the settings say; where they name nobody and the backup is encrypted, what is kept is for our own key."""
    encryption = encryption_of(settings)
    if encryption is not PLAIN or not job.plan.manifest.encrypted:
        return encryption
    own = job.plan.keys.own()
    if own is None:
        job.report.warn(
            "What was there before is kept to undo this restore, and not encrypted as the backup is: BACKUP_AGE_RECIPIENTS names "
            "no public key."
        )
    return own or PLAIN


def _write(storage: Storage, new: New, present: Present, watch: Watch, job: Job) -> Manifest:
    plan, tally, way_back = present.plan, Tally(), _way_back(present.plan, present.facts)
    expected = plan.expected_keys
    facts = {"redis-ver": present.facts.version, "redis-bits": "64", UNDO_FACT: json.dumps(way_back, default=str)}
    with writing(storage, new) as writer:
        dump = rdb.write(Counted(present, tally), facts)
        writer.write(followed(dump, lambda: job.progress("keeping what is there", present.named, expected, "keys")))
        _check_known(tally)
        _check_not_wiped(plan.endpoint.address, watch)
        return writer.commit("undo_taken", job.fence.check, job.progress, **_described(present, tally), **way_back)


def _write_own(storage: Storage, new: New, wanted: Own, watch: Watch, job: Job) -> Manifest:
    """The target's own snapshot, walked as it passes."""
    plan, facts, tally, source = job.plan, read_facts(job.plan.endpoint), Tally(), wanted.source
    way_back = _way_back(plan, facts) | {"engine": source.engine, "consistency": source.consistency}
    there = sum(facts.keys.values())
    with writing(storage, new) as writer, closing(source.chunks()) as sent:
        census = Census(sent, tally)
        with closing(noted(census.chunks(), UNDO_FACT, json.dumps(way_back, default=str))) as dump:
            writer.write(followed(dump, lambda: job.progress("keeping what is there", tally.keys, there, "keys")))
        source.check_sender(facts)
        if tally.unknown or census.unreadable:
            raise TargetError("It holds keys of types that this program does not know.")
        _check_not_wiped(plan.endpoint.address, watch)
        described = _described(census, tally) | {"engine_reason": wanted.reason}
        return writer.commit("undo_taken", job.fence.check, job.progress, **described | way_back)


def _check_not_wiped(target: str, watch: Watch) -> None:
    if wiped := watch.wiped():
        raise RefusedError(
            f"While what is at the target {target} was being kept, {wiped}: nothing was restored. When that is over, "
            "run the restore again."
        )


def _check_known(tally: Tally) -> None:
    """Refuse keys of types that no reader here can skip: they could not be put back."""
    if tally.unknown:
        raise RefusedError(
            f"The restore would touch {tally.unknown:,} keys of a type that this program does not know, and could not put them "
            "back: nothing was restored. With the setting BACKUP_UNDO_DAYS=0 a restore keeps nothing."
        )


def _way_back(plan: Plan, facts: Facts) -> dict[str, Any]:
    """What an undo needs to know besides; it stands in the manifest and in the artifact."""
    origin = Origin(
        address=plan.endpoint.address, server=facts.server, version=facts.version, run_id=facts.run_id or None
    )
    return {
        "source": origin.model_dump(),
        "undoes": logs.current_run(),
        "restored": plan.name,
        "restored_at": datetime.fromtimestamp(plan.at / 1000, UTC),
        "restore_arguments": plan.request.model_dump(mode="json", exclude_defaults=True) | {"name": plan.name},
    }


def _described(stream: Present | Census, tally: Tally) -> dict[str, Any]:
    return contents(stream, tally, "rdb") | {
        "kind": "undo",
        "consistency": "per-key",
        "engine": "scan",
        "engine_reason": "the keys that a restore was about to touch, asked for one by one",
        "warnings": stream.warnings if isinstance(stream, Present) else [],
    }
