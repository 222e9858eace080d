"""What of the tests is run when: rows of sweeps, and shares for what takes too long to be run at once."""

import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator

import pytest

QUICK_ROWS = 2
"""How many rows of a sweep the quick set has."""


def swept(items: Iterable[pytest.Item]) -> Iterator[pytest.Item]:
    """The rows of tests marked `sweep` that belong to the slow set: all but QUICK_ROWS of each, always the same."""
    rows = defaultdict[str, list[pytest.Item]](list)
    for item in items:
        if item.get_closest_marker("sweep") and not item.get_closest_marker("slow"):
            rows[item.nodeid.partition("[")[0]].append(item)
    for of_one_test in rows.values():
        yield from sorted(of_one_test, key=_turn)[QUICK_ROWS:]


def _turn(item: pytest.Item) -> int:
    return zlib.crc32(item.nodeid.encode())


def split(items: Iterable[pytest.Item], share: str) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """The tests of a share, `3/24` for the third of 24, and all others. Which one a test is in follows from its name."""
    told = re.fullmatch(r"(\d+)/(\d+)", share)
    if told is None or not 1 <= int(told[1]) <= int(told[2]):
        raise pytest.UsageError(f"--share {share}: give it as 3/24, for the third of 24.")
    number, of = int(told[1]), int(told[2])
    shares: list[list[pytest.Item]] = [[] for _ in range(of)]
    for item in items:
        shares[_turn(item) % of].append(item)
    chosen = shares.pop(number - 1)
    return chosen, [item for share in shares for item in share]
