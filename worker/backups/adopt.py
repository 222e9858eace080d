"""A foreign dump.rdb or portable JSON becomes a backup: walked to its end, copied, given a manifest."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from worker import __version__
from worker.arguments.backups import AdoptArguments
from worker.config.settings import CompressionName, FormatName, Settings
from worker.errors import ArtifactError, NotFoundError
from worker.formats.compression import COMPRESSIONS, DEFAULT_COMPRESSION
from worker.progress import Progress, reported
from worker.repository import artifact, catalogue
from worker.repository.behalf import asker, trigger_of
from worker.repository.checksum import Meter
from worker.repository.manifest import UNDO_FACT, UNDO_FIELDS, Manifest, Origin, Size, free_names
from worker.repository.sound import Survey, survey
from worker.storage.draft import Draft
from worker.storage.local import chunks_of, open_storage


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file that the user names. NotFoundError, or ArtifactError, with the reason in words."""
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise NotFoundError(f"There is no file {path}.") from None
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}.") from None


@dataclass(frozen=True)
class Walked:
    """What one walk over a foreign file found; sizes in bytes."""

    data_format: FormatName
    compression: CompressionName
    survey: Survey
    reader: artifact.Reader
    raw_bytes: int
    stored_bytes: int
    sha256: str


def adopt(settings: Settings, arguments: AdoptArguments, progress: Progress) -> dict[str, Any]:
    """Take a file in as a backup: its manifest as a dict. It is pinned: its age is its data's, and may be great.

    Every value of it is decoded: a damaged one can end the server that it is restored into. ArtifactError says what is
    wrong with the file; then nothing is left in storage.
    """
    clock, path = time.monotonic(), arguments.file
    storage = open_storage(settings.backup_storage)
    with opened(path) as file:
        walked = walk(file, progress)
        _check_values(walked)
        damage = walked.survey.damage
        if damage.number and not arguments.with_damaged:
            raise ArtifactError(
                f"The file cannot be taken in as it is, for {damage.words}. Such a value can end the server that is given "
                "it; with --damaged the file is taken in all the same, and restores leave out what is damaged."
            )
        created = _created(walked.reader.facts, file)
        compression = walked.compression if walked.compression != "none" else DEFAULT_COMPRESSION[walked.data_format]
        with storage.draft(free_names(created, walked.data_format, COMPRESSIONS[compression].suffix)) as draft:
            stored = _copy(draft, file, walked, compression)
            about = described(walked) | {
                "name": draft.name,
                "created_at": created,
                "engine_reason": f"adopted from {path.name}",
                "compression": compression,
                "bytes": Size(raw=walked.raw_bytes, stored=stored.bytes),
                "sha256": stored.sha256,
                "pin_reason": "it was adopted",
                "trigger": trigger_of(asker()),
                "asked_by": asker(),
            }
            manifest = Manifest(**about, duration_seconds=round(time.monotonic() - clock, 3))
            return catalogue.commit(storage, draft, manifest, "backup_adopted")


def walk(file: BinaryIO, progress: Progress) -> Walked:
    """Read a file to its end, every value decoded. ArtifactError, FormatError where it cannot be."""
    data_format, compression = artifact.sniff(file)
    size = file.seek(0, 2)
    file.seek(0)
    stored, raw = Meter(), Meter(hashed=False)
    dump = COMPRESSIONS[compression].decompress(stored.watch(reported(chunks_of(file), progress, "walking", size)))
    reader = artifact.examiner(raw.watch(artifact.bounded(dump, artifact.foreign_limit(size))), data_format)
    return Walked(data_format, compression, survey(reader), reader, raw.bytes, stored.bytes, stored.sha256)


def _check_values(walked: Walked) -> None:
    """ArtifactError for an undo of names only: restored over live keys, it would empty them."""
    told = Manifest.model_construct(**undone_by(walked.reader.facts))
    if told.names_only:
        raise ArtifactError(
            "The file holds names and no values: it was kept before a restore that left alone what exists, and is no backup."
        )


def undone_by(facts: dict[str, str]) -> dict[str, Any]:
    """What an undo says of itself in its file; nothing where it is none."""
    with suppress(KeyError, ValueError):
        said = json.loads(facts[UNDO_FACT])
        if isinstance(said, dict) and isinstance(said.get("restore_arguments"), dict):
            return {"kind": "undo", **{name: said[name] for name in UNDO_FIELDS if name in said}}
    return {}


def _created(facts: dict[str, str], file: BinaryIO) -> datetime:
    """When the data was saved, as the file says; of others (RDB before 3.2) the file's own time is all there is."""
    with suppress(KeyError, ValueError, OverflowError, OSError):
        said = datetime.fromtimestamp(int(facts["ctime"]), UTC)
        return min(said, datetime.now(UTC).replace(microsecond=0))
    with suppress(KeyError, ValueError, OverflowError):
        said = datetime.fromisoformat(facts["created_at"]).astimezone(UTC).replace(microsecond=0)
        return min(said, datetime.now(UTC).replace(microsecond=0))
    return datetime.fromtimestamp(int(os.fstat(file.fileno()).st_mtime), UTC)


def _copy(draft: Draft, file: BinaryIO, walked: Walked, compression: CompressionName) -> Meter:
    """The file as it is, or compressed if it was plain. ArtifactError where it is no longer what was walked."""
    file.seek(0)
    read, stored = Meter(), Meter()
    chunks = read.watch(chunks_of(file))
    for chunk in stored.watch(COMPRESSIONS[compression].compress(chunks) if walked.compression == "none" else chunks):
        draft.write(chunk)
    if read.sha256 != walked.sha256:
        raise ArtifactError("The file was changed while it was being read: adopt a copy that nobody writes to.")
    return stored


def described(walked: Walked) -> dict[str, Any]:
    """What its manifest has to say of a file that nobody vouches for."""
    facts, tally = walked.reader.facts, walked.survey.tally
    return {
        "kind": "adopted",
        "data_format": walked.data_format,
        "rdb_version": walked.reader.rdb_version,
        "consistency": "unknown",
        "engine": "none",
        "source": Origin(version=facts.get("redis-ver") or facts.get("valkey-ver")),
        "keys": tally.keys,
        "keys_by_db": tally.by_db,
        "expiring": tally.expiring,
        "functions": len(walked.reader.libraries),
        "module_data": getattr(walked.reader, "modules", False),
        "bytes": Size(raw=walked.raw_bytes, stored=walked.stored_bytes),
        "sha256": walked.sha256,
        "compression": walked.compression,
        "tool_version": __version__,
        "pinned": True,
        "damaged": walked.survey.damage.number,
        "warnings": _warnings(walked.survey),
    }


def _warnings(found: Survey) -> list[str]:
    warnings = []
    if found.damage.number:
        warnings.append(f"A restore leaves out what no server should be given: {found.damage.words}.")
    if found.empty:
        warnings.append(
            f"{found.empty:,} of its keys are empty collections, which a server leaves out when it loads the file: they are "
            "neither counted nor restored."
        )
    return warnings
