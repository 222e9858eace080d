"""Where entries are to go: another target, other databases, other names, other expiry times."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeInt, WithJsonSchema

from worker.config.settings import Settings
from worker.errors import RefusedError, UsageError
from worker.server.endpoint import TARGET, Endpoint, named_target

_FLOOR = re.compile(r"floor:([1-9][0-9]{0,9})")

_PAIR = r"\s*[0-9]{1,9}\s*:\s*[0-9]{1,9}\s*"

# So a schema says that a database is named once: no number stands before a colon twice.
_NONE_TWICE = r"(?!([\s\S]*,)?\s*0*([0-9]+)\s*:[\s\S]*,\s*0*\2\s*:)"


def _pairs(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not re.fullmatch(rf"{_PAIR}(,{_PAIR})*", value):
        raise ValueError("must be pairs of database numbers, such as 0:5 or 0:5,1:6")
    pairs = [(int(old), int(new)) for old, new in (pair.split(":") for pair in value.split(","))]
    if len({old for old, _ in pairs}) < len(pairs):
        raise ValueError("must name each database of the backup once")
    return dict(pairs)


def _policy(value: str) -> str:
    if value not in ("keep", "shift", "persist") and not _FLOOR.fullmatch(value):
        raise ValueError("must be keep, shift, persist, or floor:SECONDS such as floor:3600")
    return value


# The document of the API must say all that the validators take.
_PAIRS_SCHEMA = {
    "anyOf": [
        {
            "type": "object",
            "patternProperties": {r"^[0-9]{1,9}$": {"type": "integer", "minimum": 0}},
            "additionalProperties": False,
        },
        {"type": "string", "pattern": rf"^{_NONE_TWICE}{_PAIR}(,{_PAIR})*$"},
    ]
}

_POLICY_SCHEMA = {"type": "string", "pattern": rf"^(keep|shift|persist|{_FLOOR.pattern})$"}

DatabaseMap = Annotated[dict[NonNegativeInt, NonNegativeInt], BeforeValidator(_pairs), WithJsonSchema(_PAIRS_SCHEMA)]

Expiry = Annotated[str, AfterValidator(_policy), WithJsonSchema(_POLICY_SCHEMA)]
"""What becomes of expiry times: `keep` them, `shift` them by the age of the backup, `persist` the keys, or leave each
that expires at least that long (`floor:SECONDS`).
"""


class Redirection(BaseModel):
    """Where entries go. What is left out stays as in the backup."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: str | None = Field(default=None, min_length=1, max_length=64)
    """A name out of REDIS_TARGETS; None for REDIS_URL."""
    map_databases: DatabaseMap = {}
    prefix: str = Field(default="", max_length=1024)
    """Put before every key."""
    strip_prefix: str = Field(default="", max_length=1024)
    """Taken off every key; keys that do not begin with it are not restored."""
    expiry: Expiry = "keep"

    @property
    def moved(self) -> bool:
        """Whether any key gets another name, database or expiry."""
        return bool(self.map_databases or self.prefix or self.strip_prefix) or self.expiry != "keep"

    @property
    def floor_seconds(self) -> int:
        """How long each key that expires is to live at least; 0 where nothing is said of that."""
        floor = _FLOOR.fullmatch(self.expiry)
        return int(floor[1]) if floor else 0

    def endpoint(self, settings: Settings) -> Endpoint:
        """The target. UsageError where REDIS_TARGETS has none of that name."""
        role = TARGET if self.target is None else named_target(self.target)
        return Endpoint(self.url(settings), role, hurried=settings.backup_pace == "full")

    def url(self, settings: Settings) -> str:
        """The target's URL, which may hold a password. UsageError as `endpoint`."""
        if self.target is None:
            return settings.redis_url
        url = settings.redis_targets.get(self.target)
        if url is None:
            known = ", ".join(sorted(settings.redis_targets)) or "none"
            raise UsageError(f"There is no target of the name {self.target!r}: REDIS_TARGETS has {known}.")
        return url

    def mapped(self, wanted: list[int]) -> list[int]:
        """Where these databases go. RefusedError where two would go to one, for then keys could collide."""
        gone = [self.map_databases.get(db, db) for db in wanted]
        if len(set(gone)) < len(gone):
            twice = next(db for db in gone if gone.count(db) > 1)
            both = " and ".join(str(db) for db in wanted if self.map_databases.get(db, db) == twice)
            raise RefusedError(
                f"Databases {both} of the backup would both go to database {twice}, where keys of one name collide: "
                "map them to different ones, or restore one at a time."
            )
        return gone
