"""One backup, described: what, when, from where, how many keys, and the sha256 of its bytes."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from worker.config import CompressionName, FormatName
from worker.errors import ArtifactError

NAMES_TRIED = 600
MANIFEST_SUFFIX = ".manifest.json"
INDEX_SUFFIX = ".index"
"""Of what `search` makes beside an artifact, and can make anew."""
NAME = re.compile(r"redis_backup_([0-9]{8}_[0-9]{6})\.(rdb|json)(\.zst|\.gz)?(\.age)?")


class Origin(BaseModel):
    """The server that the data came from; for an adopted file, what the file says of it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    address: str | None = None
    server: str | None = None
    version: str | None = None
    run_id: str | None = None
    replication_id: str | None = None
    replication_offset: int | None = None
    databases: list[int] | None = None
    """The databases that were asked for; None for all."""


def _plausible(moment: datetime) -> datetime:
    if not 1970 <= moment.year <= 3000:
        raise ValueError("must be a date that a backup can have")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_plausible)]
Count = Annotated[int, Field(ge=0, le=2**63)]
Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class Scope(NamedTuple):
    """What a backup is a backup of: which server, and which of its databases (None for all)."""

    address: str | None
    databases: tuple[int, ...] | None


class Size(BaseModel):
    """Bytes: of the dump itself, and of the file in storage."""

    model_config = ConfigDict(frozen=True)

    raw: Count
    stored: Count


class Manifest(BaseModel):
    """One backup. It exists once its manifest is in storage, and no longer than that."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    format: Literal[1] = 1
    name: str
    created_at: Moment
    kind: Literal["backup", "adopted", "undo", "partial"] = "backup"
    """`undo`: what a restore was about to touch, as it was before. `partial`: what could be read while the source lost its
    data; its first warning says why. It counts as no backup."""
    data_format: FormatName
    rdb_version: int | None = None
    consistency: Literal["point-in-time", "per-key", "unknown"]
    engine: Literal["replication", "scan", "typed", "none"]
    engine_reason: str = ""
    source: Origin
    keys: Count | None
    """None where the walk could not follow the file to its end; `warnings` then says why."""
    keys_by_db: dict[Count, dict[str, Count]]
    """Keys by database and type."""
    expiring: Count
    functions: Count = 0
    module_data: bool = False
    """Whether modules have put something beside the keys: only a server with all of them loads the file as it is."""
    damaged: Count = 0
    """Of an adopted file: values that no server is to be given; a restore leaves them out."""
    bytes: Size
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Of the stored file, in hexadecimal: what `sha256sum` prints."""
    compression: CompressionName
    encryption: Literal["none"] = "none"
    duration_seconds: Seconds
    tool_version: str
    verified_at: Moment | None = None
    drilled_at: Moment | None = None
    pinned: bool = False
    warnings: list[str] = []
    undoes: str | None = None
    """Of an undo: the run that restored."""
    restored: str | None = None
    """Of an undo: the backup that was restored; without it nobody can tell which keys that created."""
    restored_at: Moment | None = None
    """Of an undo: when, by the target's clock; what had expired by then was not restored."""
    restore_arguments: dict[str, Any] = {}
    """Of an undo: what the restore was told."""
    undone_at: Moment | None = None
    """Of an undo: when it was used."""

    @property
    def scope(self) -> Scope:
        """Backups of one scope can stand for each other."""
        databases = self.source.databases
        return Scope(self.source.address, None if databases is None else tuple(sorted(databases)))

    @property
    def names_only(self) -> bool:
        """Whether it holds names and no values: what is kept before a restore that leaves alone what exists."""
        return self.kind == "undo" and self.restore_arguments.get("mode", "skip") == "skip"

    def age_seconds(self, now: datetime) -> float:
        """Seconds from the start of the backup to `now`; negative when it lies in the future."""
        return (now - self.created_at).total_seconds()


def artifact_name(at: datetime, data_format: FormatName, suffix: str) -> str:
    """The name of a backup begun at that moment, written in UTC, such as `redis_backup_20231205_143022.rdb.zst`."""
    return f"redis_backup_{at.astimezone(UTC):%Y%m%d_%H%M%S}.{data_format}{suffix}"


def free_names(at: datetime, data_format: FormatName, suffix: str) -> Iterator[str]:
    """The name of that second and, should it be taken, those of the next ones."""
    for later in range(NAMES_TRIED):
        yield artifact_name(at + timedelta(seconds=later), data_format, suffix)


def to_json(manifest: Manifest) -> bytes:
    """The bytes of a manifest file."""
    return manifest.model_dump_json(indent=2).encode() + b"\n"


def from_json(name: str, text: bytes) -> Manifest:
    """Read a manifest file of the artifact `name`. ArtifactError where it is damaged, or no backup of ours is meant."""
    if not NAME.fullmatch(name):
        raise ArtifactError(f"The file {name}{MANIFEST_SUFFIX} is of no backup: none can have that name.")
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError:
        raise ArtifactError(
            f"The manifest of {name} is damaged: restore it from a copy, or adopt the artifact anew."
        ) from None
    if manifest.name != name:
        raise ArtifactError(f"The manifest of {name} describes another backup: it was renamed or swapped.")
    return manifest
