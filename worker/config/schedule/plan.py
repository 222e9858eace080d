"""The settings of the schedule: when backups are made, and how many are kept. Where the environment is silent, they can be chosen."""

from collections.abc import Mapping
from datetime import time

from pydantic import BaseModel, Field

from worker.config.fields import TimeOfDay, TimeZone

Value = str | int | float
"""Of one of them, as JSON has it and people write it."""


class Plan(BaseModel):
    """They are settings like any other, and the only ones that an admin may choose while everything runs."""

    backup_daily_at: TimeOfDay = time(3, 0)
    backup_every_hours: float = Field(default=24, gt=0, le=24 * 365)
    tz: TimeZone = "UTC"
    drill_every_days: float = Field(default=7, ge=0, le=3650, allow_inf_nan=False)
    """How often the newest backup is brought back for trial; 0: never by itself."""
    backup_keep: int = Field(default=7, ge=1, le=100_000)
    backup_keep_manual: int = Field(default=7, ge=1, le=100_000)
    """How many backups made by hand are kept, and how many of each token."""
    backup_keep_hourly: int = Field(default=0, ge=0, le=100_000)
    """Of how many of the last hours that have a backup of the schedule's the newest is kept, besides the others; 0: of none."""
    backup_keep_daily: int = Field(default=0, ge=0, le=100_000)
    """The same of days in TZ, and so on."""
    backup_keep_weekly: int = Field(default=0, ge=0, le=100_000)
    backup_keep_monthly: int = Field(default=0, ge=0, le=100_000)
    backup_keep_yearly: int = Field(default=0, ge=0, le=100_000)
    backup_keep_hours: float = Field(default=0, ge=0, le=24 * 36500)
    """Every backup of the schedule's that is younger is kept, besides the others; 0: there is no such span."""
    backup_keep_bytes: int = Field(default=0, ge=0)
    """How much the backups of one source may take: the oldest go first, but for what is never deleted; 0: as much as they do."""


NAMES = {field.removeprefix("backup_"): field for field in Plan.model_fields}
"""Each field of the plan by its short name: `keep` is `backup_keep`, and BACKUP_KEEP in the environment."""


def name_of(field: str) -> str:
    """The short name of a field."""
    return field.removeprefix("backup_")


def written(plan: Plan, field: str) -> Value:
    """The value of a field, as people write it."""
    value: Value | time = getattr(plan, field)
    return f"{value:%H:%M}" if isinstance(value, time) else value


def typed(values: Mapping[str, Value]) -> dict[str, object]:
    """Values of fields as the settings have them. Raises pydantic's ValidationError."""
    plan = Plan.model_validate(dict(values))
    return {field: getattr(plan, field) for field in values}
