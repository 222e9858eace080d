"""An incident in words: which keys, which backup is the last good one of them and why, and what is done next. Pure."""

import re
from typing import Any

from web.wording.keys.befallen import is_pattern
from web.wording.numbers import counted, listed, number
from web.wording.restores import narrowing

MOST_SHOWN = 3
"""Keys of each kind that are shown side by side, where none was named; the preview has more."""
BESIDE = {
    "new": "gone",
    "differs": "changed",
    "expiry": "another expiry",
    "expired": "expired since",
    "identical": "as it was",
}
"""What became of a key since the backup, by what a preview calls it."""
_GLOB = re.compile(r"([*?\[\]\\])")


def asked_for(text: str) -> dict[str, list[str]]:
    """The lines of a text as arguments: names and patterns apart; nothing for all keys."""
    lines = [line.strip() for line in text.replace("\r", "\n").split("\n") if line.strip()]
    match = [line for line in lines if is_pattern(line)]
    keys = [line for line in lines if not is_pattern(line)]
    return ({"match": match} if match else {}) | ({"keys": keys} if keys else {})


def as_text(arguments: dict[str, Any]) -> str:
    """The lines that would ask for this; what is remembered in brief is left out."""
    said = (arguments.get(name) for name in ("keys", "match"))
    return "\n".join(line for lines in said if isinstance(lines, list | tuple) for line in sorted(map(str, lines)))


def beginning_with(prefix: str) -> str:
    """The pattern of all keys that begin so; of those without a prefix there is none."""
    return _GLOB.sub(r"\\\1", prefix) + "*" if prefix else ""


def which(arguments: dict[str, Any]) -> str:
    """The keys that are looked at."""
    return narrowing(arguments) or "all keys"


def change(changes: dict[str, int] | None) -> str:
    """What became of keys from one state to the next."""
    if changes is None:
        return "the oldest that was looked at"
    kinds = (("gone", "gone"), ("differs", "changed"), ("new", "new"), ("expired", "expired"))
    return listed(f"{number(changes[kind])} {said}" for kind, said in kinds if changes.get(kind)) or "as before"


def why(good: dict[str, Any], versions: list[dict[str, Any]]) -> str:
    """Why that backup is the last good one."""
    harm = listed(
        [
            *([f"{counted(good['gone'], 'key')} went"] if good["gone"] else []),
            *([f"{number(good['differs'])} changed"] if good["differs"] else []),
        ]
    )
    until = "between it and now" if good["after"] == "live" else "between it and the next one"
    others = ", more than is usual from one to the next" if len(versions) > 2 else ""
    return f"{harm[:1].upper()}{harm[1:]} {until}{others}."


def closer(harm: dict[str, Any]) -> str:
    """What befell the keys by the replication stream, and when: right before that is a later version of them than the backup's."""
    many = harm["number"]
    did = (
        f"{counted(many, 'key')} {'was' if many == 1 else 'were'} deleted"
        if harm["went"]
        else f"{counted(many, 'write')} came"
    )
    what = "all was emptied" if harm["emptied"] else did
    return f"{what} between {harm['since'][11:19]} and {harm['until'][11:19]} UTC"


def to_type(counts: dict[str, int]) -> int | None:
    """The number that is typed in before a restore: of the live keys that it replaces; None where it replaces none."""
    return counts.get("differs", 0) + counts.get("expiry", 0) or None


def differs(counts: dict[str, int]) -> str:
    """What the live keys are beside those of the backup."""
    kinds = (
        ("new", "not there any more"),
        ("differs", "of another value"),
        ("expiry", "of another expiry only"),
        ("expired", "expired since"),
        ("identical", "identical"),
    )
    said = listed(f"{number(counts[kind])} {words}" for kind, words in kinds if counts.get(kind))
    total = sum(counts.get(kind, 0) for kind, _ in kinds)
    return f"Of {counted(total, 'key')} in the backup: {said}." if said else "The backup holds none of these keys."


def shown(value: dict[str, Any]) -> list[dict[str, Any]]:
    """The keys that are shown side by side: those that were named, or some of each kind that would be written."""
    if value.get("named"):
        return [*value["named"]]
    samples: dict[str, list[dict[str, Any]]] = value.get("samples") or {}
    return [
        {**key, "kind": kind} for kind in ("differs", "new", "expiry") for key in samples.get(kind, ())[:MOST_SHOWN]
    ]
