"""Numbers, times and sizes in words, for templates and messages: pure."""

from datetime import UTC, datetime
from math import inf
from typing import Any
from zoneinfo import ZoneInfo

from worker.words import NOTHING, age, counted, listed, number, size, span

__all__ = [
    "NOTHING",
    "age",
    "amount",
    "counted",
    "duration",
    "listed",
    "moment",
    "number",
    "plain",
    "several",
    "short",
    "size",
    "span",
    "when",
]


def plain(value: str | float) -> str:
    """A value as it is typed in: text, or a number without thousands."""
    return value if isinstance(value, str) else f"{value:.15g}"


def duration(seconds: float | None) -> str:
    """How long exactly: `0.8 s`, `3 min 5 s`, `1 h 2 min`."""
    if not isinstance(seconds, (int, float)):
        return NOTHING
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s")]
    return " ".join([f"{count} {unit}" for count, unit in parts if count][:2])


def moment(at: datetime, zone: str) -> str:
    """`Mon 3 Nov 2025, 03:00:07 CET`."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M:%S %Z}"


def when(moment: datetime | str | float | None) -> datetime | None:
    """A moment that a result has as text or as seconds since the epoch; None where it has none."""
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            return None
    if isinstance(moment, (int, float)):
        return datetime.fromtimestamp(moment, UTC) if moment > 0 else None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


def amount(count: float | None, unit: str) -> str:
    """So much of a run's unit, which is bytes or keys."""
    return size(count) if unit == "bytes" else f"{number(count)} {unit}"


def short(text: Any, most: int = 80) -> str:
    """The first characters of a text that may be as long as a megabyte, and how many it has."""
    whole = str(text)
    return whole if len(whole) <= most else f"{whole[:most]}… ({len(whole):,} characters)"


def several(value: Any) -> list[str]:
    """One value or many, in order and as text. Arguments may be anything here, because nobody has checked them yet."""
    many = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
    return [str(item) for item in sorted(many, key=lambda item: (item if isinstance(item, int) else inf, str(item)))]
