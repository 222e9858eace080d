"""Whether a key that DEL took was deleted, or had expired: the stream does not say it, but often what came before tells it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from worker.segments.telling.effects import Effect


@dataclass
class Taken:
    """A DEL, and when it was run: after `since` and before `until`, in milliseconds."""

    row: dict[str, Any]
    """Of the result, whose `did` is to be said."""
    since: int
    until: int


@dataclass
class Waiting:
    """Those of which nobody knows yet what expiry their key had. It is told what happened before them, the last first."""

    _by_db: dict[int | None, list[Taken]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(self._by_db.values())

    def add(self, effect: Effect, taken: Taken) -> None:
        """One more; of a command with several keys it is certain, for an expiry deletes one at a time."""
        if effect.alone:
            taken.row["did"] = "deleted_or_expired"
            self._by_db.setdefault(effect.db, []).append(taken)
        else:
            taken.row["did"] = "deleted"

    def meet(self, effect: Effect, known_by: int, blur: int) -> None:
        """What happened to the key before, by `known_by` at the latest; its expiry may be wrong by `blur` milliseconds."""
        if effect.did == "swapped":
            first, second = self._by_db.get(effect.db, []), self._by_db.get(effect.other_db, [])
            self._by_db[effect.db], self._by_db[effect.other_db] = second, first
        elif effect.expiry != "kept":
            for taken in self._of(effect):
                taken.row["did"] = _how(taken, effect.expiry, known_by, blur)

    def give_up(self) -> None:
        """Nothing further is known of what was before."""
        self._by_db.clear()

    def _of(self, effect: Effect) -> Iterator[Taken]:
        databases = [*self._by_db] if effect.did == "emptied" and effect.db is None else [effect.db]
        for db in databases:
            yield from self._by_db.pop(db, ())


def _how(taken: Taken, expiry: int | str, known_by: int, blur: int) -> str:
    """By when the key was to expire, and when it went.

    Where its time was over within the seconds of the DEL it has expired, unless it was given that time in the same seconds:
    then it may have been deleted before.
    """
    if expiry == "never":
        return "deleted"
    if not isinstance(expiry, int):
        return "deleted_or_expired"
    if expiry - blur > taken.until:
        return "deleted"
    if expiry + blur <= taken.since or known_by <= taken.since:
        return "expired"
    return "deleted_or_expired"
