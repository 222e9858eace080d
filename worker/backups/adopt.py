"""A foreign dump.rdb or portable JSON becomes a backup: walked to its end, copied, given a manifest."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from worker.arguments.backups import AdoptArguments
from worker.config.settings import CompressionName, FormatName, Settings
from worker.errors import ArtifactError, DamagedError, NotFoundError, UntrustedError
from worker.formats.compression import COMPRESSIONS, DEFAULT_COMPRESSION
from worker.formats.encryption import KEPT, PLAIN, Keys, encryption_of, keys_of
from worker.progress import Progress
from worker.repository import artifact, behalf
from worker.repository.checksum import Meter
from worker.repository.manifest import (
    MANIFEST_SUFFIX,
    NAME,
    UNDO_FACT,
    UNDO_FIELDS,
    Manifest,
    Origin,
    Size,
    from_json,
)
from worker.repository.signing.trust import trust_of
from worker.repository.sound import Survey, survey
from worker.repository.writer import New, Writer, contents, writing
from worker.storage import Storage, chunks_of, open_storage

LEFT_OUT = "A restore leaves out what no server should be given:"


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


def _named(storage: Storage, path: Path, progress: Progress) -> AbstractContextManager[BinaryIO]:
    """A file of this machine, or one that lies in the storage."""
    return storage.fetch(path.name, progress) if _is_stored(storage, path) else opened(path)


def _is_stored(storage: Storage, path: Path) -> bool:
    """Whether the name of a backup in the storage is meant, or a path into a bucket: as a path `s3://` is `s3:/`."""
    by_name = NAME.fullmatch(str(path)) is not None and not path.exists()
    return by_name or ("://" in storage.place and path.parent == Path(storage.place))


def _check_signer(settings: Settings, storage: Storage, path: Path) -> None:
    """UntrustedError, ForgedError where there is a manifest beside it that nobody who is trusted has signed.

    A damaged one says nothing, and neither does none.
    """
    try:
        if _is_stored(storage, path):
            text = storage.read(path.name + MANIFEST_SUFFIX)
        else:
            text = Path(f"{path}{MANIFEST_SUFFIX}").read_bytes()
        manifest = from_json(path.name, text)
    except (NotFoundError, OSError, ValueError, DamagedError):
        return
    if objection := trust_of(settings, storage).objection(manifest):
        raise UntrustedError(objection, of=path.name)


@dataclass(frozen=True)
class Walked:
    """What one walk over a foreign file found."""

    data_format: FormatName
    compression: CompressionName
    survey: Survey
    reader: artifact.Reader
    keys: Keys | None
    """What opens it; None where it is not encrypted."""
    bytes: Size
    sha256: str


def adopt(settings: Settings, arguments: AdoptArguments, progress: Progress) -> dict[str, Any]:
    """Take a file in as a backup: its manifest as a dict. It is pinned: its age is its data's, and may be great.

    Every value of it is decoded: a damaged one can end the server that it is restored into. ArtifactError says what is
    wrong with the file, UntrustedError whose signature its manifest bears; then nothing is left in storage.
    """
    clock, path = time.monotonic(), arguments.file
    storage = open_storage(settings.backup_storage)
    if not arguments.trust:
        _check_signer(settings, storage, path)
    with _named(storage, path, progress) as file:
        walked = walk(file, keys_of(settings), progress, arguments.max_size)
        _check_values(walked)
        damage = walked.survey.damage
        if damage.number and not arguments.with_damaged:
            raise ArtifactError(
                f"The file cannot be taken in as it is, for {damage.words}. Such a value can end the server that is given "
                "it; with --damaged the file is taken in all the same, and restores leave out what is damaged."
            )
        encryption = encryption_of(settings)
        as_it_is = walked.keys is not None and encryption is PLAIN
        compression = walked.compression
        if compression == "none" and not as_it_is:
            compression = DEFAULT_COMPRESSION[walked.data_format]
        packing = COMPRESSIONS[compression], KEPT if as_it_is else encryption
        new = New(_created(walked.reader.facts, file), walked.data_format, *packing, clock)
        with writing(storage, new) as writer:
            _copy(writer, file, walked, as_it_is=as_it_is)
            fields = described(walked, sealed=packing[1] is not PLAIN) | {
                "engine_reason": f"adopted from {path.name}",
                "pin_reason": "it was adopted",
                "max_size": arguments.max_size,
            }
            return writer.commit("backup_adopted", progress=progress, **fields, **behalf.manifest_fields()).model_dump(
                mode="json"
            )


def walk(file: BinaryIO, keys: Keys, progress: Progress, most: int | None) -> Walked:
    """Read a file to its end, every value decoded. ArtifactError, FormatError where it cannot be, or is more than `most` bytes."""
    foreign = artifact.foreign(file, keys, most, progress)
    data_format, compression, allowance = foreign.data_format, foreign.compression, foreign.allowance
    stored, raw = Meter(), Meter(hashed=False)
    dump = foreign.dump(stored.watch(foreign.stored(progress, "walking")), allowance)
    reader = artifact.examiner(raw.watch(dump), data_format)
    surveyed = survey(reader, allowance)
    size = Size(raw=raw.bytes, stored=stored.bytes)
    return Walked(data_format, compression, surveyed, reader, foreign.keys, size, stored.sha256)


def _check_values(walked: Walked) -> None:
    """ArtifactError for an undo of names only: restored over live keys, it would empty them."""
    manifest = Manifest.model_construct(**undone_by(walked.reader.facts))
    if manifest.names_only:
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
    """When the data was saved, as the file says. An RDB older than 3.2 does not say it; then the time of the file counts."""
    with suppress(KeyError, ValueError, OverflowError, OSError):
        said = datetime.fromtimestamp(int(facts["ctime"]), UTC)
        return min(said, datetime.now(UTC).replace(microsecond=0))
    with suppress(KeyError, ValueError, OverflowError):
        said = datetime.fromisoformat(facts["created_at"]).astimezone(UTC).replace(microsecond=0)
        return min(said, datetime.now(UTC).replace(microsecond=0))
    return datetime.fromtimestamp(int(os.fstat(file.fileno()).st_mtime), UTC)


def _copy(writer: Writer, file: BinaryIO, walked: Walked, *, as_it_is: bool) -> None:
    """The file as it is, or compressed if it was plain, and to our own recipients if there are any. ArtifactError where it is
    no longer what was walked.
    """
    file.seek(0)
    read = Meter()
    chunks = read.watch(chunks_of(file))
    if walked.keys is not None and not as_it_is:
        chunks = walked.keys.decrypt(chunks, "The file")
    if walked.compression == "none" and not as_it_is:
        writer.write(chunks)
    else:
        writer.copy(chunks, walked.bytes.raw)
    if read.sha256 != walked.sha256:
        raise ArtifactError("The file was changed while it was being read: adopt a copy that nobody writes to.")


def described(walked: Walked, *, sealed: bool) -> dict[str, Any]:
    """What a manifest has to say of data that nobody vouches for; no name of a key where it is `sealed`, as its file is."""
    facts = walked.reader.facts
    return contents(walked.reader, walked.survey.tally, walked.data_format) | {
        "kind": "adopted",
        "consistency": "unknown",
        "engine": "none",
        "source": Origin(version=facts.get("redis-ver") or facts.get("valkey-ver")),
        "pinned": True,
        "damaged": walked.survey.damage.number,
        "warnings": _warnings(walked.survey, sealed=sealed),
    }


def _warnings(surveyed: Survey, *, sealed: bool) -> list[str]:
    warnings = []
    if surveyed.damage.number:
        words = surveyed.damage.words_without_keys if sealed else surveyed.damage.words
        warnings.append(f"{LEFT_OUT} {words}.")
    if surveyed.empty:
        warnings.append(
            f"{surveyed.empty:,} of its keys are empty collections, which a server leaves out when it loads the file: they are "
            "neither counted nor restored."
        )
    return warnings
