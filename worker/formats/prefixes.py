"""How many keys begin alike, by a sample: what their names have up to the first `:`, `/`, `|` or `.`, with `#` for digits."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Annotated
from zlib import crc32

from pydantic import BaseModel, ConfigDict, Field

from worker.formats.key_text import key_text

ALL_OF, AFTER_THAT = 16_384, 2048
"""Keys that are all looked at; then so many in each doubling of their number: an eighth of the next 16,384, a sixteenth of 32,768
more."""
MOST_LISTED, SMALLEST_SHARE = 40, 200
"""How many prefixes are listed, and that each holds at least one in so many keys."""
LONGEST = 64
"""Bytes of a prefix; what has no end before that is none."""

_prefix = re.compile(rb"[^:/|.]{0,%d}[:/|.]" % (LONGEST - 1)).match
_NUMBER = re.compile(rb"[0-9]+")
_Count = Annotated[int, Field(ge=0, le=2**63 - 1)]


class Prefixes(BaseModel):
    """The prefixes that most keys of a backup have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    counts: dict[str, _Count]
    """Keys by prefix, as `key_text` writes it, or by what it is called where it is `hashed`; the largest first."""
    others: _Count = 0
    """How many keys the largest prefix has that is not listed."""
    exact: bool = True
    """Whether each key was looked at; else the numbers are by a sample."""
    hashed: bool = False
    """Whether the prefixes are called by something that only the machine which wrote it can make of them."""

    def renamed(self, name: Callable[[bytes], str]) -> "Prefixes":
        """The same, hashed by `name`."""
        counts = {name(prefix.encode()): number for prefix, number in self.counts.items()}
        return self.model_copy(update={"counts": counts, "hashed": True})


class PrefixSample:
    """Counts keys by prefix as they go by. Of ten million it looks at 35,000.

    Whoever reads asks how many are `wanted` of those that have just gone by, all of one database, and gives so many of them:
    each stands for as many keys as have gone by for one that was looked at. A database gives its keys in the order of their
    hashes, so any of it are a fair sample of it, and of no other one: sessions may all be in the next.
    """

    def __init__(self) -> None:
        self._counts: Counter[bytes] = Counter()
        self._seen = self._looked_at = 0
        # Keys that have gone by and that no sampled one stands for yet.
        self._waiting = 0

    @property
    def _halvings(self) -> int:
        """A key that is looked at stands for two to the power of this."""
        return (self._seen // (2 * AFTER_THAT)).bit_length() if self._seen >= ALL_OF else 0

    def wanted(self, passed: int) -> int:
        """How many of so many keys are to be looked at."""
        return min(passed, (self._waiting + passed) >> self._halvings)

    def add(self, keys: list[bytes], passed: int) -> None:
        """So many went by, and these of them were looked at."""
        halvings = self._halvings
        self._count(keys, 1 << halvings)
        self._waiting += passed - (len(keys) << halvings)
        self._seen += passed

    def add_large(self, key: bytes) -> None:
        """One went by whose value goes over several batches: by its place such a one would be looked at too often or never."""
        halvings = self._halvings
        if not crc32(key) & ((1 << halvings) - 1):
            self._count([key], 1 << halvings)
        self._seen += 1

    def _count(self, keys: list[bytes], number: int) -> None:
        self._looked_at += len(keys)
        for prefix, times in Counter(match[0] for key in keys if (match := _prefix(key))).items():
            self._counts[prefix] += times * number

    def largest(self) -> Prefixes:
        """What to remember of it."""
        counts = Counter[bytes]()
        for prefix, number in self._counts.items():
            counts[_NUMBER.sub(b"#", prefix)] += number
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        listed = [item for item in ordered[:MOST_LISTED] if item[1] * SMALLEST_SHARE >= self._seen]
        rest = ordered[len(listed) :]
        return Prefixes(
            counts={key_text(prefix): number for prefix, number in listed},
            others=rest[0][1] if rest else 0,
            exact=self._looked_at == self._seen,
        )
