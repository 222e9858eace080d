"""Numbers, spans and lists in words, the same in messages and on pages: pure."""

from datetime import datetime
from typing import Any

NOTHING = "\u2013"
"""What stands where there is no number."""
FATES = {
    "written": "written",
    "expiry": "another expiry",
    "deleted": "deleted",
    "expired": "expired",
    "deleted_or_expired": "deleted or expired",
    "emptied": "emptied with its database",
    "swapped": "databases swapped",
    "renamed_away": "renamed to",
    "renamed_here": "renamed from",
    "copied_here": "copied from",
    "moved_away": "moved to database",
    "moved_here": "moved from database",
}
"""What became of a key by a command, each by its name in telling/writes.py."""
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


def listed(items: Any, word: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    texts = [str(item) for item in items]
    return f" {word} ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else "".join(texts)
