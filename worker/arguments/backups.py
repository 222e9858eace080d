"""Arguments of what is done with backups: make one, look at it, keep it, delete it."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool

from worker.arguments.moments import BackupOrMoment
from worker.arguments.places import Address
from worker.config.fields import Databases
from worker.config.settings import CompressionName, EngineName, FormatName


class BackupArguments(BaseModel):
    """How to make a backup; what is left out comes from the settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: FormatName | None = None
    compression: CompressionName | None = None
    engine: EngineName | None = None
    databases: Databases = None
    unless_younger_than_hours: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Do nothing while a backup younger than this exists."""


class VerifyArguments(BaseModel):
    """Which backup to verify, and where; or of which moment the chain."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: BackupOrMoment
    storage: Address | None = None
    """BACKUP_STORAGE, or one of BACKUP_COPIES; None for wherever it lies, at home first."""


class DrillArguments(BaseModel):
    """Which backup to bring back for trial, from where, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: BackupOrMoment
    """`latest` is the newest; a moment of the source as for a restore."""
    storage: Address | None = None
    """BACKUP_STORAGE, or one of BACKUP_COPIES; None for wherever it lies, at home first."""
    full: StrictBool = False
    """Compare the values of all keys, and not of a sample."""
    way: Literal["mirror", "keys"] | None = None
    """As one file, or key by key; None: by turns."""


class CopyArguments(BaseModel):
    """Which backup to copy, and to which of the storages that BACKUP_COPIES names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=200)
    to: Address | None = None
    """The address of one of them; None for all."""


Periods = Annotated[int | None, Field(ge=0, le=100_000)]


class Keeping(BaseModel):
    """How many backups to keep; what is left out is as the settings BACKUP_KEEP, BACKUP_KEEP_DAILY and so on say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep: int | None = Field(default=None, ge=1)
    """Of the schedule's."""
    keep_manual: int | None = Field(default=None, ge=1)
    """How many made by hand, and how many of each token."""
    keep_hourly: Periods = None
    """Of so many hours that have a backup of the schedule's the newest; 0: of none."""
    keep_daily: Periods = None
    keep_weekly: Periods = None
    keep_monthly: Periods = None
    keep_yearly: Periods = None
    keep_hours: float | None = Field(default=None, ge=0, le=24 * 36500, allow_inf_nan=False)
    """Everything of the schedule's that is younger; 0: there is no such span."""
    keep_bytes: int | None = Field(default=None, ge=0)
    """How much the backups of one source may take; 0: as much as they do."""


class PruneArguments(Keeping):
    """How many backups to keep (default: as the settings say), and whether only to say what would go."""

    dry_run: StrictBool = False
    made_by: str | None = Field(default=None, min_length=1, max_length=200)
    """Delete only backups that this user or token made by hand, such as `token ci`."""


class DeleteArguments(BaseModel):
    """Which backup to delete."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=200)
    now: StrictBool = False
    """Delete for good: past the trash, or out of it. No token may do that."""


class PutBackArguments(BaseModel):
    """Which backup to put back from the trash."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=200)


def _line(value: str) -> str:
    """Whatever was typed, in one line, because lists show it."""
    shown = "".join(character if character.isprintable() else " " for character in value)
    return " ".join(shown.split()) or "no reason was given"


Reason = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_line)]
"""Why a backup is kept: shown wherever that is said."""


class PinArguments(BaseModel):
    """Which backup to pin, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=200)
    why: Reason


class UnpinArguments(BaseModel):
    """Which backup to unpin."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=200)


class AcceptArguments(BaseModel):
    """Which suspicious backup is as it should be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=200)


class AdoptArguments(BaseModel):
    """Which file of this machine to take in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Path
    with_damaged: StrictBool = False
    """Adopt it also where some values are damaged: a restore leaves those out."""
    trust: StrictBool = False
    """Adopt a backup also where nobody who is trusted here has signed it."""
    max_size: int | None = Field(default=None, ge=1)
    """How many bytes it may become; without, as many as a file of its size is allowed."""


class ReencryptArguments(BaseModel):
    """Which backup to encrypt to the present recipients."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=200)


class RepairArguments(BaseModel):
    """How many bytes an artifact may become."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_size: int | None = Field(default=None, ge=1)
