"""Two versions of a text side by side, what is different in them marked; JSON line by line. Pure."""

import json
from difflib import SequenceMatcher
from typing import Any

MOST_LINES = 200
"""Lines of JSON that are compared line by line: the time for that grows with their square."""

Segment = tuple[str, bool]
"""Some of a text, and whether the other side has something else there."""
Side = list[Segment] | None


def marked(one: Any, other: Any) -> tuple[Side, Side]:
    """Both sides in segments; None for a side that is not there, and then the other has nothing marked."""
    first, second = _shown(one), _shown(other)
    if first is None or second is None:
        return _plain(first), _plain(second)
    lines, others = first.split("\n"), second.split("\n")
    if max(len(lines), len(others)) > MOST_LINES or min(len(lines), len(others)) == 1:
        return _apart(first, second)
    return _by_line(lines, others)


def _shown(text: Any) -> str | None:
    """The text; a document of JSON with a line for each of its parts."""
    if text is None:
        return None
    said = str(text)
    if said[:1] not in ("{", "["):
        return said
    try:
        return json.dumps(json.loads(said), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return said


def _plain(text: str | None) -> Side:
    return None if text is None else [(text, False)]


def _apart(first: str, second: str) -> tuple[list[Segment], list[Segment]]:
    """What both begin and end with is left unmarked."""
    start = _in_common(first, second)
    end = _in_common(first[start:][::-1], second[start:][::-1])
    return _cut(first, start, end), _cut(second, start, end)


def _in_common(first: str, second: str) -> int:
    """How many characters at the beginning are the same."""
    shorter = min(len(first), len(second))
    return next((at for at in range(shorter) if first[at] != second[at]), shorter)


def _cut(text: str, start: int, end: int) -> list[Segment]:
    stop = len(text) - end
    parts = ((text[:start], False), (text[start:stop], True), (text[stop:], False))
    return [(part, changed) for part, changed in parts if part]


def _by_line(lines: list[str], others: list[str]) -> tuple[list[Segment], list[Segment]]:
    sides: tuple[list[Segment], list[Segment]] = [], []
    matcher = SequenceMatcher(None, lines, others, autojunk=False)
    for kind, start, stop, other_start, other_stop in matcher.get_opcodes():
        first, second = _text(lines, start, stop), _text(others, other_start, other_stop)
        pieces = ([(first, False)], [(second, False)]) if kind == "equal" else _apart(first, second)
        for side, segments in zip(sides, pieces, strict=True):
            side += [segment for segment in segments if segment[0]]
    return sides


def _text(lines: list[str], start: int, stop: int) -> str:
    """These lines, each with its end but for the last of all."""
    return "".join(
        line + ("\n" if number < len(lines) else "") for number, line in enumerate(lines[start:stop], start + 1)
    )
