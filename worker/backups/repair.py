"""A damaged manifest made anew: exactly where one bit of it had flipped, else from what the artifact itself tells."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import structlog
from pydantic import ValidationError

from worker import __version__
from worker.backups.adopt import Walked, described, undone_by, walk
from worker.config.settings import Settings
from worker.errors import ArtifactError, BackupSystemError, NotFoundError, RefusedError
from worker.formats.allowance import Allowance
from worker.formats.compression import COMPRESSIONS
from worker.formats.encryption import Keys, keys_of
from worker.progress import Progress
from worker.repository import artifact, catalogue, digest, notes
from worker.repository.manifest import (
    AGE_SUFFIX,
    DAMAGED_SUFFIXES,
    MANIFEST_SUFFIX,
    Manifest,
    Origin,
    from_json,
    named_moment,
)
from worker.repository.notes import NOTES_SUFFIX
from worker.repository.versions.records import remember
from worker.storage import Storage, chunks_of, open_storage

log = structlog.get_logger()

_MENDED_BYTES = 16 << 10
"""A longer manifest has too many bits to try each of them."""
_EMPTY_STRING = b"\0\0"


def repair(settings: Settings, progress: Progress, most: int | None = None) -> dict[str, Any]:
    """Make every damaged manifest anew: which were, how, and which could not be. `check_complete` says if that is all.

    A manifest that is not damaged is never touched, and the text of one that was stays beside it. `most` is how many bytes
    an artifact may become whose manifest tells it no more.
    """
    storage = open_storage(settings.backup_storage)
    repaired, left = [], []
    for damaged in catalogue.read(storage).damaged:
        try:
            repaired.append(_repair(storage, damaged.name, keys_of(settings), progress, most))
        except BackupSystemError as error:
            left.append({"name": damaged.name, "error": str(error)})
    return {"repaired": repaired, "left": left}


def check_complete(report: dict[str, Any]) -> None:
    """Raise ArtifactError, with the first reason, where not every manifest could be made anew."""
    if report["left"]:
        first = report["left"][0]
        raise ArtifactError(
            f"{len(report['left']):,} could not be repaired. The first, {first['name']}: {first['error']}"
        )


def _repair(storage: Storage, name: str, keys: Keys, progress: Progress, most: int | None) -> dict[str, Any]:
    text = storage.read(name + MANIFEST_SUFFIX)
    as_written = mended(name, text)
    if as_written is not None:
        made = from_json(name, as_written)
        aside = _replace(storage, name, text, as_written)
    else:
        # What the artifact tells nobody has vouched for but we: so it is signed as of now.
        rebuilt = _rebuilt(storage, name, keys, progress, most)
        _forget(storage, name)
        with catalogue.signed(storage, rebuilt) as signed:
            made, aside = signed.manifest, _replace(storage, name, text, signed.text)
    exactly = as_written is not None
    log.info("manifest_repaired", name=name, keys=made.keys, exactly=exactly)
    return {
        "name": name,
        "exactly": exactly,
        "kind": made.kind,
        "keys": made.keys,
        "signed": not exactly,
        "aside": aside,
    }


def mended(name: str, text: bytes) -> bytes | None:
    """The manifest as it was written, where a single bit of it has flipped since: its digest tells. Else None."""
    tried = bytearray(text if len(text) <= _MENDED_BYTES else b"")
    for bit in range(len(tried) * 8):
        tried[bit // 8] ^= 1 << bit % 8
        if digest.opened(bytes(tried)):
            with suppress(ArtifactError):
                from_json(name, bytes(tried))
                return bytes(tried)
        tried[bit // 8] ^= 1 << bit % 8
    return None


def _rebuilt(storage: Storage, name: str, keys: Keys, progress: Progress, most: int | None) -> Manifest:
    """What the artifact tells. ArtifactError where it is not whole, or no backup."""
    try:
        with storage.fetch(name, progress) as file:
            walked = walk(file, keys, progress, most)
    except NotFoundError:
        raise ArtifactError(
            f"The artifact {name} is missing, so there is nothing to tell: delete it by name."
        ) from None
    suffix = COMPRESSIONS[walked.compression].suffix + (AGE_SUFFIX if walked.keys else "")
    if not name.endswith(f".{walked.data_format}{suffix}"):
        raise ArtifactError(f"The artifact {name} is no such file as its name says: delete it by name.")
    undo = undone_by(walked.reader.facts)
    if not undo:
        _check_values(storage, name, walked)
    fields = (
        described(walked, sealed=walked.keys is not None)
        | _known(walked)
        | {"name": name, "created_at": named_moment(name), "max_size": most}
    )
    if undo:
        fields |= {"consistency": "per-key", "engine": "scan", **undo, "pinned": False, "damaged": 0}
    fields["warnings"] = [*_words(walked, undo=bool(undo)), *fields["warnings"]]
    try:
        return Manifest.model_validate(fields)
    except ValidationError:
        raise ArtifactError(f"What the artifact {name} says of itself cannot be: delete it by name.") from None


def _known(walked: Walked) -> dict[str, Any]:
    return {
        "data_format": walked.data_format,
        "compression": walked.compression,
        "encryption": {"recipients": []} if walked.keys else "none",
        "bytes": walked.bytes,
        "sha256": walked.sha256,
        "source": _origin(walked.reader.facts),
        "engine_reason": "its manifest was damaged, and made anew",
        "pin_reason": "its manifest was made anew",
        "duration_seconds": 0,
        "tool_version": __version__,
    }


def _origin(facts: dict[str, str]) -> Origin:
    """Where it came from, as far as the file knows: a portable document says all, an RDB file the version."""
    with suppress(KeyError, ValidationError):
        return Origin.model_validate_json(facts["source"])
    return Origin(version=facts.get("redis-ver") or facts.get("valkey-ver"))


def _words(walked: Walked, *, undo: bool) -> list[str]:
    lost = (
        "what it was before is known from the file" if undo else "where it came from, and how it was read, is not known"
    )
    warnings = [f"Its manifest was damaged, and was made anew on {datetime.now(UTC):%Y-%m-%d}: {lost}."]
    if walked.compression == "none" and not artifact.has_checksum(walked.data_format, walked.reader.rdb_version):
        warnings.append("Its file has no checksum, so nobody can tell whether it is what was written.")
    return warnings


def _check_values(storage: Storage, name: str, walked: Walked) -> None:
    """ArtifactError where each of its keys is an empty string: an older undo of names only looks so, and would empty live keys."""
    if walked.data_format != "rdb" or not walked.survey.tally.keys:
        return
    with storage.open(name) as file:
        packed = walked.keys.decrypt(chunks_of(file), name) if walked.keys else chunks_of(file)
        dump = artifact.unpacked(packed, walked.compression, Allowance.of_manifest(walked.bytes.raw))
        reader = artifact.reader(dump, "rdb", values=True)
        if any(entry.payload != _EMPTY_STRING for batch in reader.batches() for entry in batch):
            return
    raise ArtifactError(
        f"The artifact {name} holds names and no values, as what is kept before a restore that leaves alone what exists: "
        "delete it by name."
    )


def _replace(storage: Storage, name: str, text: bytes, instead: bytes) -> str:
    """Replace the damaged manifest and keep its text. Gives the name of that. RefusedError where it has changed meanwhile."""
    file = name + MANIFEST_SUFFIX
    with storage.locked(file):
        if storage.read(file) != text:
            raise RefusedError(
                f"The manifest of {name} was changed by somebody else meanwhile: look at the list again."
            )
        there = {stored.name for stored in storage.files()}
        aside = next((file + suffix for suffix in DAMAGED_SUFFIXES if file + suffix not in there), None)
        if aside is None:
            raise RefusedError(
                f"The manifest of {name} was made anew {len(DAMAGED_SUFFIXES)} times already: look at the disk that it "
                f"lies on, and move {file}{DAMAGED_SUFFIXES[0]} and its like away."
            )
        storage.put(aside, text)
        storage.put(file, instead, replace=True)
        remember(storage, name, instead)
    return aside


def _forget(storage: Storage, name: str) -> None:
    """Drop the notes of the old text, but for a pin."""
    with suppress(NotFoundError):
        known = notes.from_json(name, storage.read(name + NOTES_SUFFIX)) or notes.lost(name)
        catalogue.note(storage, name, verified_at=None, rehearsed=None, decoded=None, pinned=known.pinned or None)
