"""A moment in the place of a backup's name: `@2026-11-28T14:03:05Z`, `@-10m`, `@before:FLUSHALL`, `@before:RUN`, `@offset:14203`.

A source that lost its history counts from zero again: `@offset:14203:5bd1e3f0` names the history too, by how its id begins.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from worker.errors import UsageError

SIGN = "@"
_AGO = re.compile(r"-([0-9]{1,9})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_BEFORE = "before:"
_PLACE = re.compile(r"offset:([0-9]{1,19})(?::([0-9a-zA-Z]{1,40}))?")
_SHORT_HISTORY = 8


@dataclass(frozen=True)
class Meant:
    """What somebody means: one of these."""

    at: datetime | None = None
    offset: int | None = None
    history: str = ""
    """How the replication id begins that the source had at that offset; empty for any."""
    before: str | None = None
    """The last command of that name, or a run by its id."""


def is_moment(name: str) -> bool:
    """Whether that is a moment, and no backup."""
    return name.startswith(SIGN)


def meant(name: str) -> Meant:
    """Which moment. UsageError where it is none that anybody could mean."""
    said = name.removeprefix(SIGN).strip()
    if place := _PLACE.fullmatch(said):
        return Meant(offset=int(place[1]), history=place[2] or "")
    if said.startswith(_BEFORE) and said != _BEFORE:
        return Meant(before=said.removeprefix(_BEFORE))
    if (at := _time(said)) is not None:
        return Meant(at=at)
    raise UsageError(
        f"{name[:60]!r} is no moment: write it as @2026-11-28T14:03:05 (UTC), @-10m, @before:FLUSHALL, @before:RUN or @offset:N."
    )


def at_offset(offset: int | None, history: str | None) -> str:
    """That place of the stream, which is the same moment whenever it is asked for."""
    return f"{SIGN}offset:{offset}" + (f":{history[:_SHORT_HISTORY]}" if history else "")


def _time(said: str) -> datetime | None:
    if ago := _AGO.fullmatch(said):
        try:
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        except OverflowError:
            return None
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _lasting(name: str) -> str:
    """The same words mean the same moment later on, when a worker takes them up."""
    if not (is_moment(name) and _AGO.fullmatch(name.removeprefix(SIGN).strip())):
        return name
    at = meant(name).at
    return name if at is None else f"{SIGN}{at.isoformat(timespec='milliseconds').replace('+00:00', 'Z')}"


BackupOrMoment = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_lasting)]
"""The name of a backup (`latest` is the newest), or a moment as `meant` reads it."""
