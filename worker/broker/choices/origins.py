"""Where each value of the schedule comes from: the environment, somebody who chose it, or nowhere."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from worker.config.schedule.chosen import Chosen
from worker.config.schedule.plan import NAMES, Plan, Value, written
from worker.config.settings import Settings, laid_over

Origin = Literal["environment", "chosen", "default"]


@dataclass(frozen=True)
class Row:
    """One setting of the schedule, as it counts."""

    name: str
    """Its short name, such as `keep`."""
    variable: str
    """As the environment would say it, such as BACKUP_KEEP."""
    value: Value
    origin: Origin
    default: Value
    by: str | None = None
    """Who chose it."""
    at: datetime | None = None


def rows(said: Settings, chosen: Chosen) -> list[Row]:
    """All of them; `said` are the settings as the environment has them."""
    counts, defaults = laid_over(said, chosen), Plan()
    return [_row(said, chosen, name, written(counts, field), written(defaults, field)) for name, field in NAMES.items()]


def _row(said: Settings, chosen: Chosen, name: str, value: Value, default: Value) -> Row:
    field = NAMES[name]
    if field in said.model_fields_set:
        return Row(name, field.upper(), value, "environment", default)
    if choice := chosen.choices.get(field):
        return Row(name, field.upper(), value, "chosen", default, choice.by, choice.at)
    return Row(name, field.upper(), value, "default", default)
