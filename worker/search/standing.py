"""How the keys of a search stand: damaged, gone or as they were, for millions of them at flat memory."""

from collections.abc import Iterable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from worker.formats.compare.values import Kind
from worker.formats.entries import Entry
from worker.restore.selection.keyset import KeySet

DIFFERS, GONE, ABSENT, REST, EXPIRED = range(5)
"""Ranks, in the order of the page: live with another value than in the newest backup; in that and not live, though its time is
not over; neither in that nor live; all others; in that and not live, for its time is over. Without a live source all keys
are of REST.
"""


class Standing:
    """Fed first with what differs from the newest backup, then with live keys, then with stored ones; use it in a `with`.

    StorageError where there is no room for what it keeps on disk.
    """

    def __init__(self, *, ranked: bool) -> None:
        self.differing = self.lost = 0
        """How many keys there are of DIFFERS and of GONE."""
        self._ranked, self._count = ranked, 0
        self._stack = ExitStack()
        self._over = False
        """Whether there is any key of EXPIRED."""
        self._differing, self._lost, self._live, self._others, self._expired = (
            self._stack.enter_context(KeySet()) for _ in range(EXPIRED + 1)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def compared(self, judged: Iterable[tuple[Kind, Entry]]) -> None:
        """Keys of the newest backup, as they are beside the live ones."""
        for kind, entry in judged:
            if kind == "differs":
                self.differing += 1
                self._differing.add(entry.db, [entry.key])
            elif kind == "new":
                self.lost += 1
                self._lost.add(entry.db, [entry.key])
            elif kind == "expired":
                self._over = True
                self._expired.add(entry.db, [entry.key])

    def live(self, db: int, key: bytes) -> int:
        """The rank of a key that is live."""
        self._count += 1
        self._live.add(db, [key])
        return self._rank(db, key, REST)

    def stored(self, db: int, key: bytes) -> int:
        """The rank of a key that is in a backup."""
        if self._live.has(db, key):
            return self._rank(db, key, REST)
        self._others.add(db, [key])
        if not self._ranked:
            return REST
        return EXPIRED if self._over and self._expired.has(db, key) else self._rank(db, key, ABSENT)

    def _rank(self, db: int, key: bytes, otherwise: int) -> int:
        if self.differing and self._differing.has(db, key):
            return DIFFERS
        if self.lost and self._lost.has(db, key):
            return GONE
        return otherwise

    def total(self) -> tuple[int, int]:
        """How many keys there are, and how many of them are not live; to be asked at the end."""
        others = self._others.distinct()
        return self._count + others, others
