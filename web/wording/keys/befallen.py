"""What befell keys, in words: in a preview, a restore, an undo, and from one backup to the next."""

import re
import time
from collections import Counter
from typing import Any, NamedTuple
from urllib.parse import urlencode

from web.wording.numbers import counted, listed, number, short

PREVIEWED = {
    "new": "New",
    "differs": "Different",
    "expiry": "Another expiry",
    "deleted": "Only there",
    "expired": "Expired since",
    "identical": "Identical",
}
"""What a preview calls a key of the backup beside the live one, as titles; what a restore would change comes first."""
FORECAST = {
    "restored": "Would be restored",
    "skipped": "Left alone",
    "expired": "Expired since",
    "failed": "Would fail",
    "deleted": "Would be deleted",
}
RESTORED = {
    "restored": "Restored",
    "skipped": "Left alone",
    "expired": "Expired since",
    "deleted": "Deleted",
    "failed": "Failed",
    "evicted": "Evicted meanwhile",
}
UNDONE = {
    "put_back": "Put back",
    "deleted": "Deleted",
    "as_before": "Were as before",
    "left_alone": "Left alone",
    "failed": "Failed",
}
CHANGES = {
    "first": "the oldest",
    "new": "new",
    "identical": "the same",
    "expiry": "another expiry",
    "differs": "changed",
    "gone": "gone",
    "expired": "expired",
    "absent": "not there",
}
"""A version of a key compared with the one before it."""
LIVE = {
    "differs": "changed",
    "gone": "gone",
    "expired": "expired",
    "absent": "gone before",
    "new": "new since",
    "expiry": "another expiry",
    "identical": "as it was",
}
"""A live key beside that of the newest backup; `absent` is in older ones only."""


_PATTERN = re.compile(r"(?<!\\)(?:\\\\)*[*?\[]")
"""What makes a glob of a text, where no backslash stands before it."""


def is_pattern(text: str) -> bool:
    """Whether somebody who types this means all keys that fit it, and not one key of that name."""
    return _PATTERN.search(text) is not None


class Parts(NamedTuple):
    """Parts of a preview's counts: those in which keys differ, and the names of those in which all are identical."""

    differing: list[tuple[str, dict[str, int]]]
    alike: list[str]


def parts_that_differ(value: dict[str, Any]) -> list[tuple[str, Parts]]:
    """A preview's counts by database, type and prefix, each with its title."""
    titled = []
    for title, name in (("Database", "by_db"), ("Type", "by_type"), ("Prefix", "by_prefix")):
        counts: dict[str, dict[str, int]] = value.get(name) or {}
        differing = [(part, kinds) for part, kinds in counts.items() if set(kinds) - {"identical"}]
        alike = [part for part, kinds in counts.items() if not set(kinds) - {"identical"}]
        if counts:
            titled.append((title, Parts(differing, alike)))
    return titled


def number_of(title: str, name: str) -> str:
    """What a button says of a number in a part of the table, behind its kind, as the query of an address does."""
    if title == "Prefix" and name == "(others)":
        return "&others=on"
    part = {"Database": "of_database", "Type": "of_type", "Prefix": "under"}[title]
    return f"&{urlencode({part: name})}"


def these(arguments: dict[str, Any]) -> str:
    """The keys behind a number of a preview, in words."""
    words = [PREVIEWED.get(str(arguments.get("kind")), "all that would be written").lower()]
    if arguments.get("of_type"):
        words.append(f"type {arguments['of_type']}")
    if arguments.get("of_database") is not None:
        words.append(f"database {arguments['of_database']}")
    if arguments.get("under"):
        words.append("without a prefix" if arguments["under"] == '""' else f"under {short(arguments['under'])}")
    if arguments.get("not_under"):
        words.append("under other prefixes")
    return ", ".join(words)


def fitting(value: dict[str, Any]) -> str:
    """How many keys a pattern found, and how they stand."""
    total = value.get("total", len(value.get("keys", ())))
    many = f"{number(total)} {'key fits' if total == 1 else 'keys fit'}"
    words = many if value.get("exact", True) else f"at least {many}"
    differing = (("differing", "changed since the newest backup"), ("gone", "gone since"))
    kinds = [f"{number(value[name])} {change}" for name, change in differing if value.get(name)]
    return f"{words}: {listed(kinds)}; these come first" if kinds else words


def history(changes: Any) -> str:
    """How often a key changed that fits a pattern."""
    versions = changes if isinstance(changes, list) else []
    counts = Counter(version["change"] for version in versions if isinstance(version, dict) and "change" in version)
    kinds = ("differs", "gone", "expired", "expiry")
    return (
        listed(f"{CHANGES[kind]} {counted(counts[kind], 'time')}" for kind in kinds if counts[kind]) or "never changed"
    )


def way_back(key: str, db: int, version: dict[str, Any]) -> dict[str, Any]:
    """The arguments of the restore that brings this version of a key back; what has expired since lives as long again."""
    arguments = {"name": version["where"], "mode": "overwrite", "keys": [key], "databases": [db]}
    expired = version["expires_at"] is not None and version["expires_at"] <= time.time() * 1000
    return arguments | ({"expiry": "shift"} if expired else {})


_PIECE = re.compile(r"[^:/|.]*[:/|.]+|[^:/|.]+")


def trail(prefix: Any) -> list[tuple[str, str]]:
    """The way down to a prefix: what each step adds, and the prefix that it leads to."""
    return [(match[0], match.string[: match.end()]) for match in _PIECE.finditer(str(prefix or ""))]


def above(key: Any) -> str:
    """The prefix that a key lies under, empty for none."""
    return "".join(words for words, _ in trail(key)[:-1])
