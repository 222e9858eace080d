"""What an admin may choose of the schedule, all at once, and what they have seen before."""

from typing import Any
from zoneinfo import available_timezones

from pydantic import Field, StrictBool

from worker.arguments.backups import Keeping
from worker.config.schedule.plan import NAMES, Value


# The document of the API must say all that the settings refuse.
def _times(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [{"type": "string", "pattern": "^([01]?[0-9]|2[0-3]):[0-5][0-9]$"}, {"type": "null"}]


def _zones(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [{"type": "string", "enum": sorted(available_timezones())}, {"type": "null"}]


class ScheduleArguments(Keeping):
    """All that is to be chosen: what is left out is not, and is as its default says. The environment wins over both."""

    daily_at: str | None = Field(default=None, max_length=5, json_schema_extra=_times)
    """When the daily backup is made, such as 04:30."""
    every_hours: float | None = Field(default=None, gt=0, le=24 * 365, allow_inf_nan=False)
    """No backup of the source may be older."""
    tz: str | None = Field(default=None, min_length=1, max_length=100, json_schema_extra=_zones)
    """The time zone of the schedule, such as Europe/Berlin."""
    drill_every_days: float | None = Field(default=None, ge=0, le=3650, allow_inf_nan=False)
    """How often the newest backup is rehearsed; 0: never by itself."""
    revision: int = Field(ge=0)
    """The one that was seen: somebody else may have changed it since."""
    gives_up: int = Field(default=0, ge=0)
    """How many backups, at most, that are kept now the next prune may delete by it."""
    dry_run: StrictBool = False
    """Only say what would come of it."""

    @property
    def values(self) -> dict[str, Value]:
        """What is to be chosen, by field of the settings."""
        said: dict[str, Value] = self.model_dump(include={*NAMES}, exclude_none=True)
        return {NAMES[name]: value for name, value in said.items()}
