"""What differs between two values of one key, side by side and readable: a hash by field, a set by member, text as text."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from worker.formats.compare.long_strings import LongString, in_common
from worker.formats.compare.values import Part, Sides, both, same_expiry
from worker.formats.entries import Entry

ROWS = 10
"""Differences of one key that are shown."""
LONGEST, BEFORE = 200, 60
"""Characters of one side that are always shown, and how many of them come before the first difference."""

_SHOWN_AS_WELL = "\t\n\r\u200c\u200d"
"""Line ends, and the characters that join letters or pictures in Persian and in emoji."""

Row = dict[str, str | None]


def rows(
    backup: Entry | None, live: Entry | None, sides: Sides, most: int = ROWS, room: int = 0
) -> tuple[list[Row], int]:
    """The first `most` differences, each `{part, backup, live}` with None where a side has no such part; and how many more.

    As long as there is `room`, in characters, more than LONGEST of a side is shown.
    """
    if backup is not None and live is not None and backup.type != live.type:
        return _of_two_types(backup, live, sides, most)
    parts, others = both(backup, live, sides)
    differing = [part for part in {**parts, **others} if parts.get(part) != others.get(part)]
    differences = [*_expiries(backup, live)]
    for part in differing[:most]:
        differences.append(_shown(part, parts.get(part), others.get(part), max(LONGEST, room)))
        room -= sum(len(side or "") for side in differences[-1].values())
    return differences, max(0, len(differing) - most)


def _of_two_types(backup: Entry, live: Entry, sides: Sides, most: int) -> tuple[list[Row], int]:
    """The types first, then the parts of the backup's value, then those of the live one."""
    half = most // 2
    (of_backup, more), (of_live, also) = rows(backup, None, sides, half), rows(None, live, sides, half)
    return [_row("type", backup.type, live.type), *_expiries(backup, live), *of_backup, *of_live], more + also


def _expiries(backup: Entry | None, live: Entry | None) -> Iterator[Row]:
    if backup is not None and live is not None and not same_expiry(backup, live):
        yield _row("expires", moment(backup.expires_at), moment(live.expires_at))


def moment(expires_at: int | None) -> str:
    """When a key expires, in words; milliseconds since the epoch."""
    if expires_at is None:
        return "never"
    try:
        return f"{datetime.fromtimestamp(expires_at / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return f"{expires_at:,} ms after 1970"


def _row(part: str, backup: str | None, live: str | None) -> Row:
    return {"part": part, "backup": backup, "live": live}


def _shown(part: Part, backup: Any, live: Any, longest: int) -> Row:
    if part[0] == "field":
        (value, at), (live_value, live_at) = backup or (None, None), live or (None, None)
        first, second = _sides(value, live_value, longest)
        return _row(_label(part), _until(first, at), _until(second, live_at))
    if isinstance(backup, bytes | LongString) or isinstance(live, bytes | LongString):
        return _row(_label(part), *_sides(backup, live, longest))
    return _row(_label(part), _content(part[0], backup, longest), _content(part[0], live, longest))


def _until(value: str | None, at: int | None) -> str | None:
    return value if value is None or at is None else f"{value} (expires {moment(at)})"


def _label(part: Part) -> str:
    name, which = part
    words = "/".join(map(_word, which if isinstance(which, tuple) else (which,)))
    return words if name in ("score", "field", "member") else f"{name} {words}".rstrip()


def _word(which: bytes | str | int) -> str:
    return text(which) if isinstance(which, bytes) else str(which)


def _content(name: str, content: Any, longest: int) -> str | None:
    if content is None:
        return None
    if content is True:
        return "there"
    if name == "entry":
        joined = ", ".join(f"{text(field)}: {text(value, longest=longest)}" for field, value in content[:longest])
        return joined[:longest] + ("…" if len(joined) > longest or len(content) > longest else "")
    if name == "pending":
        return f"delivered {moment(content[0])}, {content[1]:,} times"
    return str(content)


def _sides(
    backup: bytes | LongString | None, live: bytes | LongString | None, longest: int
) -> tuple[str | None, str | None]:
    """Both as text; long ones from shortly before they begin to differ."""
    start = 0
    if backup is not None and live is not None and max(len(backup), len(live)) > longest:
        start = max(0, in_common(backup, live) - BEFORE)
    return (
        None if backup is None else text(backup, start, longest),
        None if live is None else text(live, start, longest),
    )


def text(value: bytes | LongString, start: int = 0, longest: int = LONGEST) -> str:
    """At most `longest` characters of the value, from about `start` on: text as text, all else as hexadecimal."""
    start = _boundary(value, start)
    end = _boundary(value, start + longest)
    shown = _printable(value[start:end])
    if shown is None:
        end = min(end, start + longest // 2)
        shown = f"0x{value[start:end].hex()}"
    cut = start > 0 or end < len(value)
    size = f" ({len(value):,} bytes)" if cut else ""
    return f"{'…' if start else ''}{shown}{'…' if end < len(value) else ''}{size}"


def _printable(piece: bytes) -> str | None:
    try:
        shown = piece.decode()
    except UnicodeDecodeError:
        return None
    return shown if all(char.isprintable() or char in _SHOWN_AS_WELL for char in shown) else None


def _boundary(value: bytes | LongString, at: int) -> int:
    """`at`, or the beginning of the UTF-8 character in which `at` lies."""
    if at >= len(value):
        return len(value)
    return next((place for place in range(at, max(at - 4, -1), -1) if value[place] & 0xC0 != 0x80), at)
