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


def narrowing(told: dict[str, Any]) -> str:
    """What part of a backup is meant; empty for all of it."""
    words = [
        *_one_by_one("keys like", "patterns", patterns(told, "match")),
        *_one_by_one("none like", "patterns", patterns(told, "exclude")),
    ]
    if isinstance(told.get("keys"), str):
        words.append(f"only {short(told['keys'], 400)}")  # a long list, remembered in brief
    elif told.get("keys") is not None:
        words += _one_by_one("only", "keys", several(told["keys"])) or ["no key at all"]
    if told.get("types") is not None:
        words.append(f"type {listed(several(told['types']), 'or')}")
    if told.get("databases") is not None:
        words.append(f"database {listed(several(told['databases']), 'or')}")
    if told.get("kinds") is not None:
        words.append(f"only what is {listed((KINDS.get(kind, kind) for kind in several(told['kinds'])), 'or')}")
    return ", ".join(words)


def moving(told: dict[str, Any]) -> str:
    """What becomes of keys on their way, in a few words; empty where they stay what they are."""
    words = [f"into {told['target']}"] if told.get("target") else []
    words += [f"database {one} as {other}" for one, other in pairs(told)]
    if told.get("strip_prefix"):
        words.append(f"without {told['strip_prefix']}")
    if told.get("prefix"):
        words.append(f"under {told['prefix']}")
    policy = _policy(told)
    return ", ".join([*words, policy] if policy else words)


def consequences(told: dict[str, Any]) -> Iterator[str]:
    """Sentences about names, databases and expiry times."""
    for one, other in pairs(told):
        yield f"Keys of database {one} go to database {other}."
    if told.get("strip_prefix"):
        yield f"“{told['strip_prefix']}” is taken off every key, and keys that do not begin with it are left out."
    if told.get("prefix"):
        yield f"“{told['prefix']}” is put before every key."
    yield _expiry(told)


def patterns(told: dict[str, Any], name: str) -> list[str]:
    """One pattern or several, as a list."""
    given = told.get(name) or []
    return [str(one) for one in given] if isinstance(given, (list, tuple)) else [str(given)]


def pairs(told: dict[str, Any]) -> list[tuple[int, int]]:
    """The databases whose keys go to another, each with that one."""
    given = told.get("map_databases") or {}
    words = (f"{one}:{other}" for one, other in given.items()) if isinstance(given, dict) else str(given).split(",")
    found = (_PAIR.fullmatch(pair) for pair in words)
    return sorted((int(pair[1]), int(pair[2])) for pair in found if pair)


def floor_seconds(told: dict[str, Any]) -> int:
    """How long a key that expires is to live at least; 0 where nothing is said of that."""
    policy, _, seconds = str(told.get("expiry") or "keep").partition(":")
    return int(seconds) if policy == "floor" and seconds.isdecimal() else 0


def _one_by_one(lead: str, what: str, items: list[str]) -> list[str]:
    if not items:
        return []
    return [f"{lead} {listed(map(short, items), 'or')}" if len(items) <= SHOWN else f"{lead} {len(items):,} {what}"]


def _policy(told: dict[str, Any]) -> str:
    if floor := floor_seconds(told):
        return f"for {duration(floor)} at least"
    return {"shift": "expiry shifted", "persist": "without expiry"}.get(str(told.get("expiry")), "")


def _expiry(told: dict[str, Any]) -> str:
    policy = told.get("expiry") or "keep"
    if policy == "persist":
        return "No key that it writes expires any more, and keys whose time has run out since are brought back as well."
    if policy == "shift":
        return (
            "Expiry times are put off by the age of the backup: every key lives on for as long as it had left when the "
            "backup was made."
        )
    if floor := floor_seconds(told):
        return f"A key that expires lives for {duration(floor)} at least, also one whose time has run out since."
    return "Expiry times stay as they were, and keys whose time has run out since are not brought back."
