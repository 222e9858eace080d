"""Shares of the tests, for what takes too long to be run at once: together they are all, each once."""

import re
import zlib
from collections.abc import Iterable

import pytest


def split(items: Iterable[pytest.Item], share: str) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """The tests of a share, `3/24` for the third of 24, and all others. Which one a test is in follows from its name."""
    told = re.fullmatch(r"(\d+)/(\d+)", share)
    if told is None or not 1 <= int(told[1]) <= int(told[2]):
        raise pytest.UsageError(f"--share {share}: give it as 3/24, for the third of 24.")
    number, of = int(told[1]), int(told[2])
    shares: list[list[pytest.Item]] = [[] for _ in range(of)]
    for item in items:
        shares[zlib.crc32(item.nodeid.encode()) % of].append(item)
    chosen = shares.pop(number - 1)
    return chosen, [item for share in shares for item in share]
