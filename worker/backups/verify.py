"""Is this artifact whole, and is it what its manifest says."""

import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog

from worker.arguments.backups import VerifyArguments
from worker.arguments.moments import is_moment
from worker.backups.chains.verify import verify_chain
from worker.config.settings import Settings
from worker.errors import SealedError
from worker.formats.encryption import keys_of
from worker.progress import Progress
from worker.repository import catalogue
from worker.repository.check import check
from worker.repository.copies.found import fetched, find
from worker.repository.manifest import Manifest
from worker.repository.scope import scope_of
from worker.repository.signing.trust import trust_of

log = structlog.get_logger()


def verify(
    settings: Settings, arguments: VerifyArguments, progress: Progress, *, passed: bool = False
) -> dict[str, Any]:
    """Read the whole artifact: bytes, sha256, compression, structure, checksum, number of keys. Notes the time on success,
    where storage can be written. Of what no key here opens only the bytes are checked: `contents` says so, and so does a
    warning, and no time is noted. `passed` is as in `check`.

    Of a moment the chain is played. ArtifactError names what is wrong: missing, short, changed, extra or foreign, forged or
    signed by a stranger.
    """
    if is_moment(arguments.name):
        return verify_chain(settings, arguments, progress)
    clock = time.monotonic()
    held = find(settings, arguments.name, scope_of(settings), arguments.storage)
    manifest, storage = held
    warnings, contents = _damaged(manifest), True
    try:
        walk = partial(check, manifest=manifest, keys=keys_of(settings), progress=progress, walked=True, passed=passed)
        with fetched(settings, held, walk, progress, anew=True):
            pass
    except SealedError as error:
        contents = False
        warnings.append(f"Its bytes are those that were written; what is in them was not checked. {error}")
    if contents:
        now = datetime.now(UTC).replace(microsecond=0)
        warnings += catalogue.try_to_note(storage, manifest.name, verified_at=now)
    trust = trust_of(settings, storage)
    amiss = catalogue.read(storage).amiss.get(manifest.name)
    warnings += [*trust.strangers([manifest]), *([amiss] if amiss else [])]
    seconds = round(time.monotonic() - clock, 3)
    log.info("backup_verified", name=manifest.name, keys=manifest.keys, bytes=manifest.bytes.stored, seconds=seconds)
    return {
        "name": manifest.name,
        "where": str(storage),
        "keys": manifest.keys,
        "bytes": manifest.bytes.stored,
        "sha256": manifest.sha256,
        "signer": manifest.signer,
        "signature": trust.word(manifest),
        "contents": contents,
        "warnings": warnings,
        "seconds": seconds,
    }


def _damaged(manifest: Manifest) -> list[str]:
    if not manifest.damaged:
        return []
    return [
        f"{manifest.damaged:,} of its values are damaged, as they were when it was adopted: restores leave them out."
    ]
