"""Every setting, read once from the environment, typed; a wrong one is named and its value never printed."""

import os
import re
from datetime import time
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from worker.errors import UsageError

# What `make run` starts, on ports of its own: a second terminal needs no settings to talk to it.
LOCAL_BROKER_PORT = 26390
LOCAL_SOURCE_PORT = 26391

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


def _time_of_day(value: str | time) -> time:
    if isinstance(value, time):
        return value
    match = re.fullmatch(r"(\d{1,2}):(\d{2})", value)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise ValueError("must be a time of day such as 03:00")
    return time(int(match[1]), int(match[2]))


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("must be a time zone such as UTC or Europe/Berlin") from None
    return value


def _databases(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return frozenset([value])
    if not isinstance(value, str):
        return value
    if not value.strip() or value.strip() == "all":
        return None
    if not re.fullmatch(r"\s*\d+\s*(,\s*\d+\s*)*", value):
        raise ValueError("must be `all`, or database numbers with commas between, such as 0,3")
    return frozenset(map(int, value.split(",")))


Databases = Annotated[frozenset[int] | None, BeforeValidator(_databases)]
"""Database numbers, None for all; read from text such as `0,3`."""
RedisURL = Annotated[str, BeforeValidator(_redis_url)]


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
    celery_broker_url: RedisURL = f"redis://127.0.0.1:{LOCAL_BROKER_PORT}/0"
    celery_result_backend: RedisURL = f"redis://127.0.0.1:{LOCAL_BROKER_PORT}/1"
    backup_storage: str = "backups"
    backup_engine: EngineName = "auto"
    backup_format: FormatName = "rdb"
    backup_compression: CompressionName | None = None
    """None: what suits the format, zstd for rdb and gzip for json."""
    backup_databases: Databases = None
    backup_keep: int = Field(default=7, ge=1, le=100_000)
    backup_daily_at: Annotated[time, BeforeValidator(_time_of_day)] = time(3, 0)
    backup_every_hours: float = Field(default=24, gt=0, le=24 * 365)
    tz: Annotated[str, BeforeValidator(_time_zone)] = "UTC"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"

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

    session_secret: str = Field(min_length=32)
    """Signs sessions; at least 32 characters."""
    admin_password: str | None = Field(default=None, min_length=8)
    admin_password_hash: str | None = None
    """As werkzeug's generate_password_hash writes it; instead of the password."""
    port: int = Field(default=8000, ge=1, le=65535)
    web_bind: str = "127.0.0.1"
    """The address to listen on: 0.0.0.0 for every network of this machine."""
    web_proxies: int = Field(default=0, ge=0, le=9)
    """How many proxies stand before the dashboard and tell of the client in X-Forwarded-For and -Proto."""

    @model_validator(mode="after")
    def _has_a_password(self) -> Self:
        if not (self.admin_password or self.admin_password_hash):
            raise ValueError("ADMIN_PASSWORD must be set, or ADMIN_PASSWORD_HASH")
        return self


def first_fault(error: ValidationError) -> str:
    """The first thing that is wrong, as `name: what it must be`, without the value that was given."""
    fault = error.errors(include_input=False, include_url=False)[0]
    name = ".".join(map(str, fault["loc"])) or "arguments"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{name}: {message[:1].lower()}{message[1:]}"


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
