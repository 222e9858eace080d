"""Is this artifact whole, and is it what its manifest says."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, Field

from worker import artifact, catalogue
from worker.config import Settings
from worker.errors import ArtifactError
from worker.manifest import Manifest
from worker.progress import Progress, reported
from worker.sound import survey
from worker.storage import open_storage
from worker.tally import Tally

log = structlog.get_logger()


class VerifyArguments(BaseModel):
    """Which backup to verify."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=200)


def verify(settings: Settings, arguments: VerifyArguments, progress: Progress) -> dict[str, Any]:
    """Read the whole artifact: bytes, sha256, compression, structure, checksum, number of keys. Notes the time on success,
    where storage can be written.

    ArtifactError names what is wrong: missing, short, changed, extra or foreign.
    """
    clock = time.monotonic()
    storage = open_storage(settings.backup_storage)
    manifest = catalogue.get(storage, arguments.name, catalogue.scope_of(settings))
    with storage.open(manifest.name) as file:
        artifact.check_bytes(file, manifest, progress)
        raw = artifact.bounded(artifact.raw_chunks(file, manifest.compression), manifest.bytes.raw)
        _check_content(manifest, reported(raw, progress, "walking", manifest.bytes.raw))
    now = datetime.now(UTC).replace(microsecond=0)
    warnings = _damaged(manifest) + catalogue.note(storage, manifest.model_copy(update={"verified_at": now}))
    seconds = round(time.monotonic() - clock, 3)
    log.info("backup_verified", name=manifest.name, keys=manifest.keys, bytes=manifest.bytes.stored, seconds=seconds)
    return {
        "name": manifest.name,
        "keys": manifest.keys,
        "bytes": manifest.bytes.stored,
        "sha256": manifest.sha256,
        "warnings": warnings,
        "seconds": seconds,
    }


def _damaged(manifest: Manifest) -> list[str]:
    if not manifest.damaged:
        return []
    return [
        f"{manifest.damaged:,} of its values are damaged, as they were when it was adopted: restores leave them out."
    ]


def _check_content(manifest: Manifest, raw: Iterator[bytes]) -> None:
    """Its keys are counted; of a file that was adopted every value is decoded, for nobody vouches for it."""
    if manifest.kind != "adopted":
        return _check_keys(manifest, artifact.count(raw, manifest.data_format))
    found = survey(artifact.examiner(raw, manifest.data_format))
    if found.damage.number != manifest.damaged:
        raise ArtifactError(
            f"{manifest.name} was adopted, and {found.damage.words}. Such a value can end the server that is given it: a "
            "restore leaves it out. Adopt the file anew with --damaged to have that on record."
        )
    # Before empty collections were told apart they were counted.
    if manifest.keys != found.tally.keys + found.empty:
        _check_keys(manifest, found.tally)
    return None


def _check_keys(manifest: Manifest, tally: Tally) -> None:
    if manifest.keys is not None and (tally.keys, tally.by_db) != (manifest.keys, manifest.keys_by_db):
        raise ArtifactError(
            f"{manifest.name} holds {tally.keys:,} keys where its manifest says {manifest.keys:,}: the manifest is not its own."
        )
