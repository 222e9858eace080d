"""Questions to the replication stream: what happened, and each write to one key."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, WithJsonSchema, field_validator
from pydantic.config import JsonDict

from worker.arguments.moments import SIGN, meant
from worker.arguments.questions import MOST_DATABASES
from worker.errors import UsageError
from worker.formats.key_text import KeyText

MOST_WRITES = 500
PLACE = r"^[0-9]{1,15}:[0-9]{1,19}$"

# The document of the API must say all that the validator takes.
_TIME: JsonDict = {
    "anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "string", "pattern": "^-[0-9]{1,5}[smhd]$"},
        {
            "type": "string",
            "pattern": "^[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])( ([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?)?$",
        },
    ]
}


def _moment(value: object) -> object:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    with suppress(UsageError, OverflowError):
        # RFC 3339 has its T and its Z in small letters as well.
        said = value.upper() if isinstance(value, str) and value[:1] != "-" else value
        if (at := meant(f"{SIGN}{said}").at) is not None:
            return at
    raise ValueError("must be a moment such as 2026-11-28 14:03:05 (UTC), or -10m")


Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema(_TIME)]
"""When, as people write it: without a zone it is UTC, and `-10m` is ten minutes ago."""


class HappenedArguments(BaseModel):
    """Of which span; all that there is where none is said."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: Moment | None = None
    until: Moment | None = None
    prefixes: StrictBool = False
    """Whether writes are counted by how keys begin: the commands of the span are read for it, 256 MB of them at the most."""


class WritesArguments(BaseModel):
    """Of which key, and which of the writes to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: KeyText
    """As `key_text` writes it."""
    db: Annotated[int, Field(ge=0, le=MOST_DATABASES)] | None = None
    """Only in this database; in all where none is said."""
    since: Moment | None = None
    until: Moment | None = None
    limit: int = Field(default=50, ge=1, le=MOST_WRITES)
    """How many writes are told at once, the newest first."""
    after: Annotated[str, Field(pattern=PLACE)] | None = None
    """The `next` of the same question: writes down to there are left out."""
    show: StrictBool = False
    """Whether the arguments of each are told, which are data."""

    @field_validator("db", "limit", mode="before")
    @classmethod
    def _are_numbers(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("must be a number")
        return value
