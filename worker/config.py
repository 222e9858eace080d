"""Every setting, read once from the environment, typed; a wrong one is named and its value never printed."""

import os
import re
from datetime import time
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    NonNegativeInt,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from worker.errors import UsageError

# What `make run` starts, on ports of its own: a second terminal needs no settings to talk to it.
LOCAL_BROKER_PORT = 26390
LOCAL_SOURCE_PORT = 26391
DISTINCT_CHARACTERS = 8
"""In a secret at least: random ones have more, in hexadecimal digits too."""
LONGEST_NAME_SHOWN = 80

FormatName = Literal["rdb", "json"]
CompressionName = Literal["zstd", "gzip", "none"]
EngineName = Literal["auto", "replication", "scan", "typed"]


def _redis_url(value: str) -> str:
    if not re.match(r"(rediss?|unix)://[^\s]", value):
        raise ValueError("must begin with redis://, rediss:// or unix://, and go on with a host or a path")
    try:
        parts = urlsplit(value)
        parts.port, parts.hostname  # noqa: B018 - reading them is the check
    except ValueError:
        raise ValueError(
            "cannot be taken apart; write #, /, ?, @ and : in a password as %23, %2F, %3F, %40 and %3A"
        ) from None
    return value


def _folder(value: str) -> str:
    if "://" in value and not value.startswith("file://"):
        raise ValueError("must be a folder, such as backups or /var/backups/redis")
    return value


def _time_of_day(value: str | time) -> time:
    if isinstance(value, time):
        return value
    match = re.fullmatch(r"(\d{1,2}):(\d{2})", value)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise ValueError("must be a time of day such as 03:00")
    return time(int(match[1]), int(match[2]))


def _password_hash(value: str) -> str:
    # A $ that a shell or docker compose took for the name of a variable leaves half a hash, with which nobody gets in.
    if not re.fullmatch(r"(scrypt|pbkdf2)(:\w+)+\$[^$]+\$[0-9a-f]{32,}", value):
        raise ValueError("must be what werkzeug's generate_password_hash wrote, with every $ that is in it")
    return value


def _random(value: str) -> str:
    if len(set(value)) < DISTINCT_CHARACTERS:
        raise ValueError("must be random, such as what `openssl rand -hex 32` prints")
    return value


def _password(value: str) -> str:
    if not value.strip():
        raise ValueError("must be more than blanks")
    return value


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("must be a time zone such as UTC or Europe/Berlin") from None
    return value


def _address(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        raise ValueError("must be an IP address of this machine such as 10.0.0.5, or 0.0.0.0 for all") from None


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _databases(value: object) -> object:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return frozenset([value])
    if value == []:
        raise ValueError("must name a database or more, or be left out for all")
    if isinstance(value, list) and any(isinstance(one, bool) for one in value):
        raise ValueError("must be a list of numbers, such as [0, 3]")
    if not isinstance(value, str):
        return value
    if not value.strip() or value.strip() == "all":
        return None
    if not re.fullmatch(r"\s*\d+\s*(,\s*\d+\s*)*", value):
        raise ValueError("must be `all`, or database numbers with commas between, such as 0,3")
    return frozenset(map(int, value.split(",")))


# The document of the API must say all that the validator takes.
_DATABASES_SCHEMA = {
    "anyOf": [
        {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1},
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": r"^\s*(all|[0-9]+\s*(,\s*[0-9]+\s*)*)?\s*$"},
        {"type": "null"},
    ]
}
Databases = Annotated[frozenset[NonNegativeInt] | None, BeforeValidator(_databases), WithJsonSchema(_DATABASES_SCHEMA)]
"""Database numbers, None for all; read from text such as `0,3`."""
RedisURL = Annotated[str, BeforeValidator(_redis_url)]


_TARGET = re.compile(r"([a-z0-9][a-z0-9_-]{0,63})=(\S+)")


def _targets(value: object) -> object:
    """`name=url name=url`, with blanks or line ends between."""
    if not isinstance(value, str):
        return value
    found = [_TARGET.fullmatch(word) for word in value.split()]
    if not all(found):
        raise ValueError("must be names with addresses, such as staging=redis://host:6379, with blanks between")
    targets = {match[1]: match[2] for match in found if match}
    if len(targets) < len(found):
        raise ValueError("must give each name once")
    return targets


RedisTargets = Annotated[dict[str, RedisURL], BeforeValidator(_targets)]
"""Other servers that a restore may write into, by name; read from text such as `staging=redis://host:6379`."""


Arguments = TypeVar("Arguments", bound=BaseModel)


class _SecretFiles(PydanticBaseSettingsSource):
    """`NAME_FILE` holds the path of a file with the value: how Docker and systemd hand over secrets."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - pydantic's signature
        path = os.environ.get(f"{field_name.upper()}_FILE", "")
        if not path:
            return None, field_name, False
        try:
            return Path(path).read_text().strip(), field_name, False
        except (OSError, UnicodeDecodeError):
            raise UsageError(f"{field_name.upper()}_FILE names a file that cannot be read: {path}") from None

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


class Settings(BaseSettings):
    """The settings of one process; each field is the environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(
        hide_input_in_errors=True, env_ignore_empty=True, frozen=True, extra="ignore", enable_decoding=False
    )

    redis_url: RedisURL = f"redis://127.0.0.1:{LOCAL_SOURCE_PORT}/0"
    redis_targets: RedisTargets = {}
    celery_broker_url: RedisURL = f"redis://127.0.0.1:{LOCAL_BROKER_PORT}/0"
    celery_result_backend: RedisURL = f"redis://127.0.0.1:{LOCAL_BROKER_PORT}/1"
    backup_storage: Annotated[str, AfterValidator(_folder)] = "backups"
    backup_engine: EngineName = "auto"
    backup_format: FormatName = "rdb"
    backup_compression: CompressionName | None = None
    """None: what suits the format, zstd for rdb and gzip for json."""
    backup_databases: Databases = None
    backup_keep: int = Field(default=7, ge=1, le=100_000)
    backup_undo_days: int = Field(default=7, ge=0, le=3650)
    """How long a restore can be undone; with 0 nothing is kept for that."""
    backup_daily_at: Annotated[time, BeforeValidator(_time_of_day)] = time(3, 0)
    backup_every_hours: float = Field(default=24, gt=0, le=24 * 365)
    mirror_bind: Annotated[str, AfterValidator(_address)] | None = None
    """The address where a mirror's target comes to fetch its data; None: where our own connection to it comes from."""
    mirror_port: int = Field(default=0, ge=0, le=65535)
    """The port for that, open only for that moment; 0: any free one."""
    tz: Annotated[str, BeforeValidator(_time_zone)] = "UTC"
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)] = "INFO"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, and behind it the files that NAME_FILE names."""
        return init_settings, env_settings, _SecretFiles(settings_cls)


class WebSettings(Settings):
    """What only the dashboard needs to know. There is no default for a secret, so none can be forgotten."""

    session_secret: Annotated[str, Field(min_length=32), AfterValidator(_random)]
    """Signs sessions; at least 32 characters."""
    admin_password_hash: Annotated[str, BeforeValidator(_password_hash)] | None = None
    """As werkzeug's generate_password_hash writes it; instead of the password."""
    admin_password: Annotated[str, Field(min_length=8), AfterValidator(_password)] | None = Field(
        default=None, validate_default=True
    )
    port: int = Field(default=8000, ge=1, le=65535)
    web_bind: str = "127.0.0.1"
    """The address to listen on: 0.0.0.0 for every network of this machine."""
    web_proxies: int = Field(default=0, ge=0, le=9)
    """How many proxies stand before the dashboard and tell of the client in X-Forwarded-For and -Proto."""

    @field_validator("admin_password")
    @classmethod
    def _is_there(cls, value: str | None, others: ValidationInfo) -> str | None:
        if value is None and others.data.get("admin_password_hash") is None:
            raise ValueError("must be set, or ADMIN_PASSWORD_HASH in its place")
        return value


def checked(model: type[Arguments], given: dict[str, Any]) -> Arguments:
    """What was given, as the arguments of that model. UsageError names the first one that is wrong."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise UsageError(f"Wrong argument: {first_fault(error)}.") from None


def first_fault(error: ValidationError) -> str:
    """The first thing that is wrong, as `name: what it must be`, without the value that was given."""
    fault = error.errors(include_input=False, include_url=False)[0]
    name = ".".join(map(str, fault["loc"]))[:LONGEST_NAME_SHOWN] or "arguments"
    return f"{name}: {_in_words(fault['type'], fault['msg'], fault.get('ctx', {}))}"


_WORDS = {
    "missing": "must be given",
    "extra_forbidden": "is not known here",
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length} item",
    "finite_number": "must be a finite number",
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    **dict.fromkeys(("string_type", "string_unicode"), "must be text"),
    **dict.fromkeys(("list_type", "set_type", "frozen_set_type"), "must be a list"),
    "too_long": "must be at most {max_length} of them",
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "must be names with values"),
}
"""What people are told of each kind of fault that pydantic finds; it says the rest well enough itself."""


def _in_words(kind: str, message: str, context: dict[str, Any]) -> str:
    if kind in _WORDS:
        return _WORDS[kind].format(**{name: _plain(value) for name, value in context.items()})
    words = re.sub(r"^(Input|String|List|Frozenset) should ", "must ", message.removeprefix("Value error, "))
    return words[:1].lower() + words[1:]


def _plain(value: object) -> object:
    """A limit as people write it: 1,000,000."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"{value:,}" if isinstance(value, int) else value


@cache
def load() -> Settings:
    """The settings of this process. UsageError names the first one that is wrong."""
    return _read(Settings)


@cache
def load_web() -> WebSettings:
    """The same for the dashboard, with what only it needs."""
    return _read(WebSettings)


Kind = TypeVar("Kind", bound=Settings)


def _read(kind: type[Kind]) -> Kind:
    try:
        return kind()
    except ValidationError as error:
        name, _, what = first_fault(error).partition(": ")
        raise UsageError(f"The setting {name.upper()} is wrong: {what}.") from None
