"""What each kind of setting and argument may be, as people write it; a wrong one is told in words."""

import os
import re
from contextlib import suppress
from datetime import time
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, NonNegativeInt, WithJsonSchema

from worker.config.sentinel_url import is_watched, parsed

DISTINCT_CHARACTERS = 8
"""In a secret at least: random ones have more, in hexadecimal digits too."""


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


def _watched_url(value: str) -> str:
    if not is_watched(value):
        return _redis_url(value)
    parsed(value)
    return value


def _folder(value: str) -> str:
    if "://" in value:
        raise ValueError("must be a folder of this machine, such as var/cache")
    return value


def _time_of_day(value: str | time) -> time:
    if isinstance(value, time):
        return value
    match = re.fullmatch(r"(\d{1,2}):(\d{2})", value)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise ValueError("must be a time of day such as 03:00")
    return time(int(match[1]), int(match[2]))


class QuietTime(NamedTuple):
    """From when to when, by the clock on the wall; the end may be of the next day."""

    begins: time
    ends: time


def _quiet_time(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.strip().lower() == "off":
        return None
    parts = value.split("-")
    if len(parts) == 2:
        with suppress(ValueError):
            quiet = QuietTime(*(_time_of_day(part.strip()) for part in parts))
            if quiet.begins != quiet.ends:
                return quiet
    raise ValueError("must be `off`, or two times of day such as 22:00-07:00")


class WeekTime(NamedTuple):
    """A moment of each week, by the clock on the wall."""

    weekday: int
    """0 is Monday."""
    at: time


_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _week_time(value: object) -> object:
    if not isinstance(value, str):
        return value
    day, _, at = value.strip().lower().partition(" ")
    if (day, at) == ("off", ""):
        return None
    with suppress(ValueError):
        return WeekTime(_DAYS.index(day), _time_of_day(at.strip()))
    raise ValueError("must be `off`, or a day and a time such as monday 09:00")


def written(when: QuietTime | WeekTime | None) -> str:
    """As people write it in a setting."""
    if when is None:
        return "off"
    if isinstance(when, QuietTime):
        return f"{when.begins:%H:%M}-{when.ends:%H:%M}"
    return f"{_DAYS[when.weekday]} {when.at:%H:%M}"


def _password_hash(value: str) -> str:
    # Where a shell or docker compose took a $ for a variable, half a hash is left, and nobody could log in.
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


def _networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return tuple(ip_network(network.strip()) for network in value.split(","))
    except ValueError:
        raise ValueError("must be IP addresses, or networks such as 10.1.0.0/16, with commas between") from None


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _databases(value: object) -> object:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return frozenset([value])
    if value == []:
        raise ValueError("must name a database or more, or be left out for all")
    if isinstance(value, list) and any(isinstance(number, bool) for number in value):
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
WatchedURL = Annotated[str, BeforeValidator(_watched_url)]
"""The same, or a Redis behind Sentinels: redis+sentinel://host:26379,host:26379/name/0."""


_TARGET = re.compile(r"([a-z0-9][a-z0-9_-]{0,63})=(\S+)")


def _targets(value: object) -> object:
    """`name=url name=url`, with blanks or line ends between."""
    if not isinstance(value, str):
        return value
    matches = [_TARGET.fullmatch(word) for word in value.split()]
    if not all(matches):
        raise ValueError("must be names with addresses, such as staging=redis://host:6379, with blanks between")
    targets = {match[1]: match[2] for match in matches if match}
    if len(targets) < len(matches):
        raise ValueError("must give each name once")
    return targets


RedisTargets = Annotated[dict[str, WatchedURL], BeforeValidator(_targets)]
"""Other servers that a restore may write into, by name; read from text such as `staging=redis://host:6379`."""


CacheFolder = Annotated[str, AfterValidator(_folder)]
TimeOfDay = Annotated[time, BeforeValidator(_time_of_day)]
Quiet = Annotated[QuietTime | None, BeforeValidator(_quiet_time)]
Weekly = Annotated[WeekTime | None, BeforeValidator(_week_time)]
TimeZone = Annotated[str, BeforeValidator(_time_zone)]
Address = Annotated[str, AfterValidator(_address)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_networks)]
"""Read from text such as `10.0.0.5, 10.1.0.0/16`."""


def _programs(value: object) -> object:
    if not isinstance(value, str):
        return value
    paths = tuple(path for path in value.split(os.pathsep) if path)
    for path in paths:
        if not Path(path).is_absolute() or not Path(path).name.startswith(("redis-server", "valkey-server")):
            raise ValueError("must be paths of a redis-server or valkey-server, with a colon between two")
        if not os.access(path, os.X_OK):
            raise ValueError("names a program that is not there, or cannot be run")
    return paths


Programs = Annotated[tuple[str, ...], BeforeValidator(_programs)]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)]
Secret = Annotated[str, Field(min_length=32), AfterValidator(_random)]
Password = Annotated[str, Field(min_length=8), AfterValidator(_password)]
PasswordHash = Annotated[str, BeforeValidator(_password_hash)]
"""As werkzeug's generate_password_hash writes it."""
