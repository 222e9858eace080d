"""What was chosen of the settings of the schedule: by whom, when, and how often something was."""

from functools import cached_property

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from worker.config.schedule.plan import Plan, Value, typed


class Choice(BaseModel):
    """One value that somebody has chosen; its time is in UTC."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    value: Value
    by: str
    """Such as `admin`, `token ci`, `shell root@host`."""
    at: AwareDatetime


class Chosen(BaseModel):
    """All that is chosen; whoever changes it says which revision they have seen."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    revision: int = Field(default=0, ge=0)
    """It counts the changes; 0: nobody has ever chosen anything."""
    choices: dict[str, Choice] = {}
    """By field, such as `backup_keep`."""

    @field_validator("choices")
    @classmethod
    def _are_settings(cls, choices: dict[str, Choice]) -> dict[str, Choice]:
        if not choices.keys() <= Plan.model_fields.keys():
            raise ValueError("must be settings of the schedule")
        typed({field: choice.value for field, choice in choices.items()})
        return choices

    @cached_property
    def typed(self) -> dict[str, object]:
        """The values by field, as settings have them."""
        return typed({field: choice.value for field, choice in self.choices.items()})


NOTHING = Chosen()
