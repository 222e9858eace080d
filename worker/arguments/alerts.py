"""Arguments of what is done with alerts."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

MOST_HOURS = 24 * 90


class SilenceArguments(BaseModel):
    """Which alert nobody is to be told of, and for how many hours; 0 ends that."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(min_length=1, max_length=500)
    """As the list of alerts shows it, such as `backup.failed`."""
    hours: float = Field(ge=0, le=MOST_HOURS, allow_inf_nan=False)

    @field_validator("hours", mode="before")
    @classmethod
    def _a_number(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("must be a number")
        return value
