"""Whether keys of some prefix went missing, though about as many keys are there: in a sentence, with the largest of them. Pure."""

from collections.abc import Iterator
from statistics import median
from typing import NamedTuple

from worker.formats.prefixes import Prefixes
from worker.repository.manifest import Manifest

SHARE, FEWEST_KEYS = 20, 100
"""A prefix counts that had at least one in so many keys, and so many keys, in the middle."""
NAMED = 3
"""So many are named, the largest first."""


class Prefix(NamedTuple):
    """What became of one."""

    prefix: str
    had: int
    """Keys, in the middle of the last good ones."""
    has: int
    is_bound: bool
    """Whether it has no more than that, as it is not among the listed ones."""


def fallen(new: Manifest, usual: list[Manifest], most: float) -> str | None:
    """What fell by more than `most` percent, against the least that any of the usual ones had of it; None where nothing did.

    Only such are compared as call a prefix by the same word: hashed ones by one key, which is the signer's.
    """
    now = new.prefixes
    before = [backup for backup in usual if backup.prefixes and _word(backup) == _word(new)]
    if now is None or not before:
        return None
    large = _large(before)
    least = {prefix: min(_count(backup, prefix) for backup in before) for prefix in large}
    lost = [one for one in _now(now, large) if one.has * 100 < least[one.prefix] * (100 - most)]
    if not lost:
        return None
    is_exact = now.exact and all(backup.prefixes.exact for backup in before if backup.prefixes)
    return _counted(lost, len(large)) if now.hashed else _named(lost, exact=is_exact)


def _word(backup: Manifest) -> str | None:
    return backup.signer if backup.prefixes and backup.prefixes.hashed else "plain"


def _large(before: list[Manifest]) -> dict[str, int]:
    """The prefixes that are looked at, the largest first, and how many keys they had in the middle."""
    all_of_them = {prefix for backup in before if backup.prefixes for prefix in backup.prefixes.counts}
    had = {prefix: int(median(_count(backup, prefix) for backup in before)) for prefix in all_of_them}
    keys = median(backup.keys or 0 for backup in before)
    large = [prefix for prefix, number in had.items() if number >= FEWEST_KEYS and number * SHARE >= keys]
    return {prefix: had[prefix] for prefix in sorted(large, key=lambda prefix: (-had[prefix], prefix))}


def _count(backup: Manifest, prefix: str) -> int:
    """What is not listed counts as none: so what comes and goes is no loss."""
    return backup.prefixes.counts.get(prefix, 0) if backup.prefixes else 0


def _now(now: Prefixes, large: dict[str, int]) -> Iterator[Prefix]:
    for prefix, had in large.items():
        has = now.counts.get(prefix, now.others)
        yield Prefix(prefix, had, has, is_bound=prefix not in now.counts and has > 0)


def _named(lost: list[Prefix], *, exact: bool) -> str:
    named = [f"`{one.prefix}` fell from {_number(one.had, exact)} keys to {_left(one, exact)}" for one in lost[:NAMED]]
    more = len(lost) - NAMED
    words = ", ".join(named) + (f", and {more} more prefixes fell" if more > 0 else "")
    digits = " (# stands for digits)" if any("#" in one.prefix for one in lost[:NAMED]) else ""
    return f"Keys are missing by how their names begin: {words}{digits}."


def _left(one: Prefix, exact: bool) -> str:
    if not exact and one.has == 0:
        return "none, or hardly any"
    return f"{'at most ' if one.is_bound else ''}{_number(one.has, exact)}"


def _number(keys: int, exact: bool) -> str:
    """By a sample only the first two digits are worth saying."""
    return f"{keys:,}" if exact else f"about {int(float(f'{keys:.1e}')):,}"


def _counted(lost: list[Prefix], number: int) -> str:
    """Which ones, nobody can tell from outside of it."""
    largest = "its largest prefix" if number == 1 else f"{len(lost)} of its {number} largest prefixes"
    return (
        f"Keys are missing by how their names begin: {largest} fell. It is encrypted, so no names are kept beside it."
    )
