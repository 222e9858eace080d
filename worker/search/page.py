"""The first keys of an order, out of any number in any order: the same as if all had been sorted, at flat memory."""

from bisect import insort
from typing import Generic, TypeVar

Place = tuple[int, int, bytes]
"""Where a key stands in the order: its rank, its database, its name."""
T = TypeVar("T")


class Page(Generic[T]):
    """At most `most` keys behind `after`, of at most `room` bytes in all; one key always fits.

    What stands on the page in the end was on it from the moment it came, for only smaller ones push others off.
    """

    def __init__(self, most: int, room: int, after: Place | None) -> None:
        self.kept: dict[Place, T] = {}
        self._most, self._room, self._after = most, room, after
        self._order: list[Place] = []
        self._sizes: dict[Place, int] = {}
        self._end: Place | None = None
        """The first key that has no room any more."""

    @property
    def more(self) -> bool:
        """Whether others follow."""
        return self._end is not None

    def fits(self, place: Place) -> bool:
        """Whether it stands on the page, as far as is known."""
        return (self._after is None or place > self._after) and (self._end is None or place < self._end)

    def add(self, place: Place, size: int, what: T) -> None:
        """Put a new key that fits on the page, and push off what has no room beside it."""
        self.kept[place], self._sizes[place] = what, size
        self._room -= size
        insort(self._order, place)
        while len(self._order) > self._most or (self._room < 0 and len(self._order) > 1):
            self._end = self._order.pop()
            del self.kept[self._end]
            self._room += self._sizes.pop(self._end)

    def places(self) -> list[Place]:
        """In their order."""
        return self._order
