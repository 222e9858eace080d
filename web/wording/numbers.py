"""Numbers, times and sizes in words, for templates and messages: pure."""

from datetime import UTC, datetime
from math import inf
from typing import Any
from zoneinfo import ZoneInfo

NOTHING = "\u2013"
"""What stands where there is no number."""
_SPANS = (("day", 86400), ("hour", 3600), ("minute", 60))


def size(count: float | None) -> str:
    """Bytes for people: 1,234,567 is `1.2 MB`."""
    if not isinstance(count, (int, float)):
        return NOTHING
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def number(count: float | None) -> str:
    """A count with its thousands apart, or a dash where it is not known."""
    return f"{count:,.0f}" if isinstance(count, (int, float)) else NOTHING


def counted(count: int | None, word: str) -> str:
    """`1 key`, `2 keys`; of an unknown number `keys not counted`."""
    if not isinstance(count, (int, float)):
        return f"{word}s not counted"
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def span(seconds: float) -> str:
    """About how long, in its largest unit: `3 hours`; two of the small days, so that 36 hours are no `2 days`."""
    whole = abs(seconds)
    for word, length in _SPANS:
        if whole >= length * (2 if word == "day" else 1):
            return counted(int(whole // length), word)
    return "less than a minute"


def age(at: datetime, now: datetime) -> str:
    """`3 hours ago`, `in 5 minutes`, `just now`."""
    seconds = (now - at).total_seconds()
    if abs(seconds) < 60:
        return "just now" if seconds >= 0 else "in a moment"
    return f"{span(seconds)} ago" if seconds > 0 else f"in {span(seconds)}"


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


def listed(items: Any, word: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    texts = [str(item) for item in items]
    return f" {word} ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else "".join(texts)
