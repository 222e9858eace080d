"""How much of a backup is meant: by pattern, type, database, or a list of keys."""

from typing import Annotated, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetPydanticSchema,
    WithJsonSchema,
    model_validator,
)
from pydantic_core.core_schema import literal_schema

from worker.config.fields import Databases
from worker.formats.key_text import KeyText
from worker.formats.types import NAMES

TypeName = Annotated[str, GetPydanticSchema(lambda _source, _handler: literal_schema(list(NAMES)))]
"""A type of types.TYPES."""

ONCE = Field(json_schema_extra={"uniqueItems": False})
"""Of what is named twice once is meant: it is no error, and the document of the API says so."""

MOST_KEYS = 100_000
"""Keys that may be named one by one; all of them are held in memory."""

MOST_GLOBS, LONGEST_GLOB = 100, 4096
ALL_GLOBS = 16_384
"""Characters of all globs together: each key is matched against all of them."""


def _several(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, (list, tuple)):
        raise ValueError("must be a pattern, or a list of patterns")
    return value


_GLOB = {"type": "string", "minLength": 1, "maxLength": LONGEST_GLOB}

# The document of the API must say all that the validator takes.
_GLOBS_SCHEMA = {"anyOf": [_GLOB, {"type": "array", "maxItems": MOST_GLOBS, "items": _GLOB}]}

Globs = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=LONGEST_GLOB)], ...],
    Field(max_length=MOST_GLOBS),
    BeforeValidator(_several),
    WithJsonSchema(_GLOBS_SCHEMA),
]
"""One glob or several, as KEYS takes them."""


class Selection(BaseModel):
    """Which part of a backup is meant; all of it where nothing is set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    match: Globs = ()
    """Only keys that fit one of these, or are named among `keys`."""
    exclude: Globs = ()
    """No key that fits one of these."""
    keys: Annotated[frozenset[KeyText], Field(max_length=MOST_KEYS), ONCE] | None = None
    """Only these keys, each as `key_text` writes it, and those that fit `match`."""
    types: Annotated[frozenset[TypeName], Field(min_length=1), ONCE] | None = None
    databases: Databases = None

    @model_validator(mode="after")
    def _has_globs_in_measure(self) -> Self:
        if sum(map(len, (*self.match, *self.exclude))) > ALL_GLOBS:
            raise ValueError(f"must have patterns of at most {ALL_GLOBS:,} characters in all")
        return self

    @property
    def narrowed(self) -> bool:
        """Whether only a part of the backup is meant."""
        return bool(self.match or self.exclude) or any(
            part is not None for part in (self.keys, self.types, self.databases)
        )
