"""The keys of a backup as a tree by prefix, one level at a time: what is below each branch, and the largest keys."""

import heapq
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from worker.formats.entries import Entry
from worker.formats.key_text import key_text
from worker.search.indexing.index import content

MOST_BRANCHES, BRANCHES_TOLD = 5000, 200
"""Branches that are counted each for itself, and those that are told, the largest first."""
MOST_KEYS, MOST_NAMES = 200, 200_000
"""Keys of one page, and the characters that their names may have together."""
LARGEST = 20
_piece = re.compile(rb"[^:/|.]{0,63}[:/|.]+").match


@dataclass(slots=True)
class Branch:
    """All keys that go on alike."""

    keys: int = 0
    bytes: int = 0
    """Of their values, as they are stored before compression."""

    def add(self, size: int) -> None:
        """One more key."""
        self.keys += 1
        self.bytes += size


@dataclass
class Tree:
    """One level: the keys that begin with `prefix`, by what follows up to the next `:`, `/`, `|` or `.`.

    Memory does not grow with the number of keys: so many branches, names and largest keys are held, and no values.
    """

    prefix: bytes
    db: int | None = None
    after: bytes | None = None
    """Keys that end at this level are told from here on."""
    total: Branch = field(default_factory=Branch)
    types: Counter[str] = field(default_factory=Counter)
    _branches: dict[bytes, Branch] = field(default_factory=dict)
    _others: Branch = field(default_factory=Branch)
    _ending: int = 0
    _listed: list[tuple[bytes, int, str, int, int | None]] = field(default_factory=list)
    _largest: list[tuple[int, bytes, int, str]] = field(default_factory=list)

    def has(self, entry: Entry) -> bool:
        """Whether it is of this level, or below."""
        return entry.key.startswith(self.prefix) and (self.db is None or entry.db == self.db)

    def add(self, batch: list[Entry]) -> None:
        """Entries as they go by, with their values."""
        for entry in batch:
            if self.has(entry):
                self._add(entry, len(content(entry)))

    def _add(self, entry: Entry, size: int) -> None:
        self.total.add(size)
        self.types[entry.type] += 1
        push = heapq.heappush if len(self._largest) < LARGEST else heapq.heappushpop
        push(self._largest, (size, entry.key, entry.db, entry.type))
        piece = _piece(entry.key, len(self.prefix))
        if piece is None:
            self._end(entry, size)
        elif (branch := self._branches.get(piece[0])) is not None:
            branch.add(size)
        elif len(self._branches) < MOST_BRANCHES:
            self._branches[piece[0]] = Branch(1, size)
        else:
            self._others.add(size)

    def _end(self, entry: Entry, size: int) -> None:
        self._ending += 1
        if self.after is None or entry.key > self.after:
            self._listed.append((entry.key, entry.db, entry.type, size, entry.expires_at))
            if len(self._listed) > 4 * MOST_KEYS:
                self._listed = sorted(self._listed)[: MOST_KEYS + 1]

    def told(self) -> dict[str, Any]:
        """`{keys, bytes, types, branches, others, ending, listed, next, largest}`; sizes in bytes, expiry in milliseconds."""
        branches = sorted(self._branches.items(), key=lambda item: (-item[1].bytes, item[0]))
        others = Branch(self._others.keys, self._others.bytes)
        for _, branch in branches[BRANCHES_TOLD:]:
            others.keys += branch.keys
            others.bytes += branch.bytes
        listed, following = self._page()
        return {
            "keys": self.total.keys,
            "bytes": self.total.bytes,
            "types": dict(self.types.most_common()),
            "branches": [
                {"prefix": key_text(self.prefix + piece), "keys": branch.keys, "bytes": branch.bytes}
                for piece, branch in branches[:BRANCHES_TOLD]
            ],
            "others": {"keys": others.keys, "bytes": others.bytes},
            "ending": self._ending,
            "listed": listed,
            "next": following,
            "largest": [
                {"key": key_text(key), "db": db, "type": kind, "bytes": size}
                for size, key, db, kind in sorted(self._largest, key=lambda one: (-one[0], one[1]))
            ],
        }

    def _page(self) -> tuple[list[dict[str, Any]], str | None]:
        """One row at least, and the key after which the next page begins."""
        rows: list[dict[str, Any]] = []
        room = MOST_NAMES
        ordered = sorted(self._listed)
        for key, db, kind, size, expires_at in ordered[:MOST_KEYS]:
            name = key_text(key)
            room -= len(name)
            if rows and room < 0:
                break
            rows.append({"key": name, "db": db, "type": kind, "bytes": size, "expires_at": expires_at})
        return rows, rows[-1]["key"] if rows and len(rows) < len(ordered) else None
