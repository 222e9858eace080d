"""How it stands with rehearsals: the last one, what is overdue, and what is due now. Pure."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

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


@dataclass(frozen=True)
class Standing:
    """Of the backups of one source."""

    good: Done | None
    """The last rehearsal that brought everything back."""
    last: Done | None
    """The last drill, whatever came of it."""
    warning: str | None
    """What somebody should look after, in a sentence."""


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
    return Standing(good, last, _warning(own, good, last, every_days, now))


def _warning(
    own: Sequence[Manifest], good: Done | None, last: Done | None, every_days: float, now: datetime
) -> str | None:
    if not own:
        return None
    how = f"`python -m worker drill {own[0].name}`"
    if last is not None and last.drill.has_failed:
        return (
            f"The last rehearsal failed: {last.backup.name} did not come back as it should. {' '.join(last.drill.differs)} Make a new "
            "backup and rehearse that one; until that is good rely on one that was rehearsed before."
        )
    if not every_days:
        return None
    if good is None:
        if now - own[-1].created_at < GRACE:
            return None
        why = f" The last one was only read, for {last.drill.reason}." if last and last.drill.reason else ""
        return f"No backup has been rehearsed yet.{why} {how} brings the newest back into a server of its own, and compares."
    if now - good.drill.at > timedelta(days=every_days) + GRACE:
        days = (now - good.drill.at).days
        return f"The last good rehearsal was {days:,} days ago, and one is due every {every_days:g}: {how} makes up for it."
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
