"""What changes nothing: a search for a key, the numbers, whether source and storage can be reached."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator
from pydantic.config import JsonDict

from worker.arguments.moments import BackupOrMoment
from worker.arguments.places import Address
from worker.arguments.selection import LONGEST_GLOB, Selection
from worker.config.fields import Databases
from worker.formats.key_text import LONGEST_KEY, KeyText

LIVE = "live"
"""The name of the live source, where a backup could be named."""

MOST_KEYS, MOST_NAMES = 1000, 100
MOST_DATABASES = 999_999_999

CURSOR = r"^[0-9]:[0-9]{1,9}:"

Name = BackupOrMoment


def _only(*asked: str) -> JsonDict:
    """JSON schema: of the arguments that make a question exactly these are set."""
    kinds: JsonDict = {
        name: {"type": "string" if name in asked else "null"} for name in ("key", "match", "after", "show", "against")
    }
    return {"required": [*asked], "properties": kinds}


# The document of the API must say all that the validator takes.
_QUESTIONS: JsonDict = {
    "anyOf": [
        _only("key"),
        _only("match"),
        _only("match", "after"),
        _only("key", "show"),
        _only("key", "show", "against"),
    ]
}


class SearchArguments(BaseModel):
    """One key, or all that fit a glob; where to look for it; and which version of the key to show."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_QUESTIONS)

    key: KeyText | None = None
    """As `key_text` writes it."""
    match: Annotated[str, Field(min_length=1, max_length=LONGEST_GLOB)] | None = None
    names: Annotated[tuple[Name, ...], Field(max_length=MOST_NAMES)] = ()
    """Only in these backups; in all where none is named."""
    databases: Databases = None
    live: StrictBool = True
    """In the source as well."""
    limit: int = Field(default=100, ge=1, le=MOST_KEYS)
    """How many keys that fit a glob are listed at once."""
    after: Annotated[str, Field(max_length=LONGEST_KEY + 100, pattern=CURSOR)] | None = None
    """The `next` of a search for the same glob: keys up to there are left out."""
    show: Name | None = None
    """The backup (or `live`) whose version of the key is to be shown."""
    against: Name | None = None
    """The backup (or `live`) whose version it is compared with."""

    @property
    def backups(self) -> set[str]:
        """The backups that are named."""
        return {name for name in (*self.names, self.show, self.against) if name not in (None, LIVE)}

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        if (self.key is None) == (self.match is None):
            raise ValueError("must have either a key or a match")
        if self.after is not None and self.match is None:
            raise ValueError("must have a match, of which more keys are to be told")
        if self.show is not None and self.key is None:
            raise ValueError("must have a key, of which a version is to be shown")
        if self.against is not None and self.show is None:
            raise ValueError("must say with `show` what is to be compared")
        return self


class TimelineArguments(Selection):
    """Which keys are to be followed from backup to backup up to now; all of them where nothing is said."""

    backups: int = Field(default=20, ge=1, le=200)
    """How many of the newest are looked through."""


class CountArguments(Selection):
    """Of which backup, and which of its keys are to be counted."""

    name: Name
    storage: Address | None = None
    """Where to read it; None for wherever it lies."""


class BrowseArguments(BaseModel):
    """Which backup is looked into, and where in the tree of its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    prefix: KeyText = ""
    """What the keys begin with, as `key_text` writes it; the whole key for a document of one."""
    db: Annotated[int, Field(ge=0, le=MOST_DATABASES)] | None = None
    """Only this database; all where none is said."""
    after: KeyText | None = None
    """The `next` of a look at the same place: keys up to there are left out of the list."""
    document: Literal["key", "prefix"] | None = None
    """Not a look, but the key, or all keys that begin so, with their values as a document of at most 1 MB."""
    storage: Address | None = None
    """The address of the storage to read it from; where none is said, wherever it lies."""


class StatsArguments(BaseModel):
    """Nothing to tell."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PingArguments(BaseModel):
    """Nothing to tell."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StorageArguments(BaseModel):
    """Nothing to tell."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TryChannelsArguments(BaseModel):
    """None: every channel is tried."""

    model_config = ConfigDict(extra="forbid", frozen=True)
