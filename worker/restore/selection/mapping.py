"""Where entries go instead: another target, other databases, other names, other expiry times."""

import re
import time
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeInt, WithJsonSchema

from worker.config.settings import Settings
from worker.errors import RefusedError, UsageError
from worker.formats.entries import Entry, EntryStream, Passing
from worker.formats.rdb.values import decode
from worker.repository.manifest import Manifest
from worker.server.endpoint import TARGET, Endpoint, named_target

_FLOOR = re.compile(r"floor:([1-9][0-9]{0,9})")
_WITH_FIELD_EXPIRY = frozenset({22, 23, 24, 25})
"""RDB types of hashes whose fields may expire (rdb.h: HASH_METADATA, HASH_LISTPACK_EX and what they were before 7.4)."""


_PAIR = r"\s*[0-9]{1,9}\s*:\s*[0-9]{1,9}\s*"
# As a schema says it that a database is named once: no number stands before a colon twice.
_NONE_TWICE = r"(?!([\s\S]*,)?\s*0*([0-9]+)\s*:[\s\S]*,\s*0*\2\s*:)"


def _pairs(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not re.fullmatch(rf"{_PAIR}(,{_PAIR})*", value):
        raise ValueError("must be pairs of database numbers, such as 0:5 or 0:5,1:6")
    pairs = [(int(one), int(other)) for one, other in (pair.split(":") for pair in value.split(","))]
    if len({one for one, _ in pairs}) < len(pairs):
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
    """Where entries go instead of where they came from; nowhere else, where nothing is said."""

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


class Redirected(Passing):
    """An EntryStream whose keys go elsewhere. `now` and the times of entries are milliseconds since the epoch."""

    def __init__(self, stream: EntryStream, way: Redirection, manifest: Manifest, now: float | None = None) -> None:
        super().__init__(stream)
        self._way = way
        self._now = round(time.time() * 1000 if now is None else now)
        # A clock that was set back since makes no backup younger than nothing.
        self._age = max(0, self._now - round(manifest.created_at.timestamp() * 1000))
        floor = _FLOOR.fullmatch(way.expiry)
        self._floor = int(floor[1]) * 1000 if floor else 0
        self._prefix, self._strip = way.prefix.encode(), way.strip_prefix.encode()

    @property
    def libraries(self) -> list[bytes]:
        """As the stream says; none under another name, for functions have none of ours."""
        return [] if self._prefix or self._strip else self._stream.libraries

    def batches(self) -> Iterator[list[Entry]]:
        """Yield the stream's batches with what becomes of each entry."""
        for batch in self._stream.batches():
            if self._way.moved:
                yield [self._moved(entry) for entry in batch if entry.key.startswith(self._strip)]
            else:
                yield batch

    def _moved(self, entry: Entry) -> Entry:
        db = self._way.map_databases.get(entry.db, entry.db)
        key = self._prefix + entry.key[len(self._strip) :]
        moved = entry._replace(db=db, key=key, expires_at=self._moment(entry.expires_at))
        return self._with_fields(moved) if self._way.expiry != "keep" else moved

    def _moment(self, expires_at: int | None) -> int | None:
        if expires_at is None or self._way.expiry == "persist":
            return None
        if self._way.expiry == "shift":
            return expires_at + self._age
        return max(expires_at, self._now + self._floor) if self._floor else expires_at

    def _with_fields(self, entry: Entry) -> Entry:
        """The fields of a hash have times of their own: where any has, the hash goes on as a value."""
        value: Any = entry.value
        if entry.payload is not None and entry.payload[0] in _WITH_FIELD_EXPIRY and self.rdb_version is not None:
            value = decode(entry.payload, self.rdb_version)
        if entry.type != "hash" or not isinstance(value, list) or all(at is None for _, _, at in value):
            return entry
        return entry._replace(payload=None, value=[(field, text, self._moment(at)) for field, text, at in value])
