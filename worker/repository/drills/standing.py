"""How it stands with rehearsals: the last one, what is overdue, and what is due now. Pure."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from worker.repository.drills.rehearsal import Rehearsal, latest
from worker.repository.manifest import Manifest

GRACE = timedelta(days=1)
"""How long after it is due a rehearsal may be missing before that is a warning."""
MONTH = timedelta(days=30)
"""How often an older backup is rehearsed, and one of each copy."""


class Done(NamedTuple):
    """A drill of a backup."""

    backup: Manifest
    drill: Rehearsal


class Concern(NamedTuple):
    """What somebody should look after."""

    kind: Literal["failed", "overdue", "never"]
    """The last rehearsal failed; the last good one was too long ago; there was none."""
    sentence: str
    advice: str
    """What to do."""

    def __str__(self) -> str:
        return f"{self.sentence} {self.advice}"


@dataclass(frozen=True)
class Standing:
    """Of the backups of one source."""

    good: Done | None
    """The last rehearsal that brought everything back."""
    last: Done | None
    """The last drill, whatever came of it."""
    concern: Concern | None

    @property
    def warning(self) -> str | None:
        """What somebody should look after, and what to do, in words that name no key."""
        return None if self.concern is None else str(self.concern)


class Due(NamedTuple):
    """A drill that is to be asked for."""

    why: str
    """`newest`, `older`, or `copy in PLACE`."""
    name: str
    place: str | None
    """Of the storage to read it from; None for home."""


def drills_of(backup: Manifest) -> Iterator[Done]:
    """Of it and of its copies, as far as is noted beside it."""
    noted = [backup.rehearsed, backup.decoded]
    noted += [drill for copied in backup.copies.values() for drill in (copied.rehearsed, copied.decoded)]
    return (Done(backup, drill) for drill in noted if drill)


def standing(own: Sequence[Manifest], every_days: float, now: datetime) -> Standing:
    """How it stands; `own` are this source's backups, newest first."""
    done = sorted((each for backup in own for each in drills_of(backup)), key=lambda each: each.drill.at)
    last = done[-1] if done else None
    good = next((each for each in reversed(done) if each.drill.is_good), None)
    return Standing(good, last, _concern(own, good, last, every_days, now))


def _concern(
    own: Sequence[Manifest], good: Done | None, last: Done | None, every_days: float, now: datetime
) -> Concern | None:
    if not own:
        return None
    if last is not None and last.drill.has_failed:
        return Concern(
            "failed",
            f"The last rehearsal failed: {last.backup.name} did not come back as it should. {' '.join(last.drill.differs)}",
            "Make a new backup and rehearse that one; until that is good rely on one that was rehearsed before.",
        )
    if not every_days:
        return None
    key = " where the secret key is (BACKUP_AGE_IDENTITY_FILE)" if own[0].encrypted else ""
    how = f"`python -m worker drill {own[0].name}`{key} brings the newest back into a server of its own, and compares."
    if good is None:
        if now - own[-1].created_at < GRACE:
            return None
        why = f" The last one was only read, for {last.drill.reason}." if last and last.drill.reason else ""
        return Concern("never", f"No backup has been rehearsed yet.{why}", how)
    if now - good.drill.at > timedelta(days=every_days) + GRACE:
        days = (now - good.drill.at).days
        return Concern(
            "overdue", f"The last good rehearsal was {days:,} days ago, and one is due every {every_days:g}.", how
        )
    return None


def due(
    own: Sequence[Manifest], copies: Iterable[tuple[str, Sequence[Manifest]]], every_days: float, now: datetime
) -> list[Due]:
    """What is to be rehearsed now: the newest, an older one at random, and of each copy the newest. `copies` are the place of each
    other storage, and this source's backups there, newest first.
    """
    if not every_days or not own:
        return []
    newest, *older = own
    wanted = []
    if _is_due(_as_newest(own), timedelta(days=every_days), now):
        wanted.append(Due("newest", newest.name, None))
    if older and _is_due(_as_older(own), MONTH, now):
        # Whoever looks twice on one day finds the same.
        chosen = random.Random(f"{now:%Y-%m-%d} {newest.name}").choice(older)  # noqa: S311 - nothing to be guessed
        wanted.append(Due("older", chosen.name, None))
    for place, there in copies:
        if there and _is_due(_of_copy(place, [*own, *there]), MONTH, now):
            wanted.append(Due(f"copy in {place}", there[0].name, place))
    return wanted


def _is_due(drills: Iterable[Rehearsal | None], every: timedelta, now: datetime) -> bool:
    last = latest(*drills)
    return last is None or now - last.at >= every


def _as_newest(own: Sequence[Manifest]) -> Iterator[Rehearsal | None]:
    """Drills at home of what was the newest backup then."""
    return (backup.drilled for backup, was_newest in _with_age(own) if was_newest)


def _as_older(own: Sequence[Manifest]) -> Iterator[Rehearsal | None]:
    return (backup.drilled for backup, was_newest in _with_age(own) if not was_newest)


def _with_age(own: Sequence[Manifest]) -> Iterator[tuple[Manifest, bool]]:
    """Each backup that was drilled, and whether there was no newer one then."""
    for place, backup in enumerate(own):
        if backup.drilled is not None:
            yield backup, place == 0 or own[place - 1].created_at > backup.drilled.at


def _of_copy(place: str, backups: Iterable[Manifest]) -> Iterator[Rehearsal | None]:
    """Drills of copies in that storage: noted at home with the copy, or there beside it."""
    for backup in backups:
        if copied := backup.copies.get(place):
            yield from (copied.rehearsed, copied.decoded)
        yield from (drill for drill in (backup.rehearsed, backup.decoded) if drill and drill.storage == place)
