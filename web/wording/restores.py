"""What somebody means by a restore, in words: which part of a backup, where to, and with which expiry times. Pure."""

import re
from collections.abc import Iterator
from typing import Any

from web.wording.numbers import duration, listed, several, short

_PAIR = re.compile(r"\s*(\d{1,9})\s*:\s*(\d{1,9})\s*", re.ASCII)
SHOWN = 5
"""Patterns and keys that are named one by one."""
KINDS = {"new": "new", "differs": "different", "expiry": "different only in their expiry"}
"""What a preview calls a key, as a part of a restore."""


def narrowing(arguments: dict[str, Any]) -> str:
    """What part of a backup is meant; empty for all of it."""
    words = [
        *_one_by_one("keys like", "patterns", patterns(arguments, "match")),
        *_one_by_one("none like", "patterns", patterns(arguments, "exclude")),
    ]
    if isinstance(arguments.get("keys"), str):
        words.append(f"only {short(arguments['keys'], 400)}")  # a long list, remembered in brief
    elif arguments.get("keys") is not None:
        words += _one_by_one("only", "keys", several(arguments["keys"])) or ["no key at all"]
    if arguments.get("types") is not None:
        words.append(f"type {listed(several(arguments['types']), 'or')}")
    if arguments.get("databases") is not None:
        words.append(f"database {listed(several(arguments['databases']), 'or')}")
    if arguments.get("kinds") is not None:
        words.append(f"only what is {listed((KINDS.get(kind, kind) for kind in several(arguments['kinds'])), 'or')}")
    return ", ".join(words)


def moving(arguments: dict[str, Any]) -> str:
    """What becomes of keys on their way, in a few words; empty where they stay what they are."""
    words = [f"into {arguments['target']}"] if arguments.get("target") else []
    words += [f"database {number} as {other}" for number, other in pairs(arguments)]
    if arguments.get("strip_prefix"):
        words.append(f"without {arguments['strip_prefix']}")
    if arguments.get("prefix"):
        words.append(f"under {arguments['prefix']}")
    policy = _policy(arguments)
    return ", ".join([*words, policy] if policy else words)


def consequences(arguments: dict[str, Any]) -> Iterator[str]:
    """Sentences about names, databases and expiry times."""
    for number, other in pairs(arguments):
        yield f"Keys of database {number} go to database {other}."
    if arguments.get("strip_prefix"):
        yield f"“{arguments['strip_prefix']}” is taken off every key, and keys that do not begin with it are left out."
    if arguments.get("prefix"):
        yield f"“{arguments['prefix']}” is put before every key."
    yield _expiry(arguments)


def patterns(arguments: dict[str, Any], name: str) -> list[str]:
    """One pattern or several, as a list."""
    value = arguments.get(name) or []
    return [str(pattern) for pattern in value] if isinstance(value, (list, tuple)) else [str(value)]


def pairs(arguments: dict[str, Any]) -> list[tuple[int, int]]:
    """The databases whose keys go to another one, each with its new number."""
    value = arguments.get("map_databases") or {}
    words = (f"{old}:{new}" for old, new in value.items()) if isinstance(value, dict) else str(value).split(",")
    matches = (_PAIR.fullmatch(pair) for pair in words)
    return sorted((int(pair[1]), int(pair[2])) for pair in matches if pair)


def floor_seconds(arguments: dict[str, Any]) -> int:
    """How long a key that expires lives at least, in seconds; 0 where that is not asked for."""
    policy, _, seconds = str(arguments.get("expiry") or "keep").partition(":")
    return int(seconds) if policy == "floor" and seconds.isdecimal() else 0


def _one_by_one(lead: str, what: str, items: list[str]) -> list[str]:
    if not items:
        return []
    return [f"{lead} {listed(map(short, items), 'or')}" if len(items) <= SHOWN else f"{lead} {len(items):,} {what}"]


def _policy(arguments: dict[str, Any]) -> str:
    if floor := floor_seconds(arguments):
        return f"for {duration(floor)} at least"
    return {"shift": "expiry shifted", "persist": "without expiry"}.get(str(arguments.get("expiry")), "")


def _expiry(arguments: dict[str, Any]) -> str:
    policy = arguments.get("expiry") or "keep"
    if policy == "persist":
        return "No key that it writes expires any more, and keys whose time has run out since are brought back as well."
    if policy == "shift":
        return (
            "Expiry times are put off by the age of the backup: every key lives on for as long as it had left when the "
            "backup was made."
        )
    if floor := floor_seconds(arguments):
        return f"A key that expires lives for {duration(floor)} at least, also one whose time has run out since."
    return "Expiry times stay as they were, and keys whose time has run out since are not brought back."
