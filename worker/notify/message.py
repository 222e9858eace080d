"""One thing that somebody should hear of: a plain sentence, and the page that says more. No values of keys are in it."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Level = Literal["good", "info", "warning", "bad"]


class Message(BaseModel):
    """Fit to be read by a person, on any channel: without a secret, and without markup."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    event: str = Field(pattern=r"^[a-z_]+(\.[a-z_]+)*$", max_length=100)
    """For machines, such as `backup.failed`."""
    level: Level
    """`good` says that something which was bad is so no more."""
    sentence: str = Field(min_length=1, max_length=4000)
    path: str = Field(pattern=r"^/", max_length=1000)
    """Of the dashboard's page, such as `/backups/NAME`."""
    at: AwareDatetime
    key: str = Field(max_length=500)
    """What it is about: two messages of the same event and key are about the same thing."""
