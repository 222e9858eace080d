"""Where a backup lies: how it stands in each storage, by what was seen there last, was noted at home, and has run since."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import merge

from web.wording.numbers import counted
from worker.config.storage_url import place_of
from worker.repository.contents import age_of
from worker.repository.copies.places import is_copied, is_same
from worker.repository.copies.standing import Reading
from worker.repository.manifest import Manifest
from worker.runs.run import Run

LOOKS = {
    "there": ("done", "check-circle-fill", "there"),
    "coming": ("running", "arrow-repeat", "on its way"),
    "failed": ("failed", "x-octagon-fill", "copying failed"),
    "missing": ("failed", "dash-circle-fill", "missing"),
    "damaged": ("failed", "x-octagon-fill", "not whole"),
    "late": ("interrupted", "exclamation-triangle-fill", "late"),
    "awaited": ("waiting", "hourglass-split", "not there yet"),
    "deleted": ("cancelled", "trash", "in the trash"),
    "unknown": ("nothing", "question-circle", "not known"),
    "absent": ("nothing", "dash-circle", "not there"),
}
"""By its state: the colour, the icon and the words."""
_WORTH_COPYING = frozenset({"failed", "missing", "damaged", "late", "awaited", "unknown"})
_AGAIN = frozenset({"failed", "missing", "damaged"})


@dataclass(frozen=True)
class Lies:
    """How it stands with one backup in one storage."""

    where: str
    """What people call the storage; it is its address as well."""
    label: str
    """The same in a word or two."""
    state: str
    """One of LOOKS."""
    why: str = ""
    """More about it, in a sentence."""
    copied_at: datetime | None = None
    """When it was known to be whole there."""
    seen_at: datetime | None = None
    """Of when this is; None for home where it was looked into right now, and where nobody has looked yet."""
    run: Run | None = None
    """That brings it there, or could not."""
    is_home: bool = False
    copies: str = ""
    """What the button says that copies it there; empty where there is nothing to be copied."""

    @property
    def holds(self) -> bool:
        """Whether it lies there whole, as far as is known."""
        return self.state == "there"

    @property
    def looks(self) -> tuple[str, str, str]:
        """The colour, the icon and the words of its state."""
        return LOOKS[self.state]


@dataclass(frozen=True)
class Home:
    """The storage that backups are written to."""

    where: str
    listed: Sequence[Manifest]
    faults: dict[str, str]
    """By its name, what is wrong with each of the rest."""
    trash: Iterable[str]
    seen_at: datetime | None = None
    """When it was looked into; None for right now."""


@dataclass(frozen=True)
class _Elsewhere:
    """One of the other storages as it was seen last."""

    reading: Reading
    listed: dict[str, Manifest]
    trash: frozenset[str]
    faults: dict[str, str]


class Survey:
    """All storages, and the copies that have run or are under way: where each backup lies comes out of it."""

    def __init__(
        self, home: Home, readings: Sequence[Reading], runs: Iterable[Run], late_hours: float, now: datetime
    ) -> None:
        self._home, self._late_hours, self._now = home, late_hours, now
        self._at_home = {backup.name for backup in home.listed} if readings else set[str]()
        self._others = [*map(_elsewhere, readings)]
        self._labels = labels([reading.where for reading in readings])
        self._runs: dict[tuple[str, str | None], Run] = {}
        for run in runs:
            to = run.arguments.get("to")
            key = str(run.arguments.get("name")), None if to is None else place_of(str(to))
            if not run.skipped:
                self._runs.setdefault(key, run)

    @property
    def alone(self) -> list[Manifest]:
        """Backups that are not whole at home, and lie in another storage: newest first. Those in the trash are left out."""
        known = {*self._at_home, *self._home.trash}
        copies: dict[str, Manifest] = {}
        for there in self._others:
            for name, backup in there.listed.items():
                if name not in known:
                    copies.setdefault(name, backup)
        return sorted(copies.values(), key=age_of, reverse=True)

    def is_at_home(self, name: str) -> bool:
        """Whether it is whole there."""
        return not self._others or name in self._at_home

    @property
    def all(self) -> Iterator[Manifest]:
        """All backups, wherever they lie, newest first."""
        return merge(self._home.listed, self.alone, key=age_of, reverse=True)

    def of(self, backup: Manifest) -> list[Lies]:
        """Home first; nothing where there is no other storage."""
        if not self._others:
            return []
        return [self._here(backup), *(self._there(backup, there) for there in self._others)]

    def _here(self, backup: Manifest) -> Lies:
        state, why = "absent", "It is not there any more."
        if backup.name in self._at_home:
            state, why = "there", ""
        elif backup.name in self._home.faults:
            state, why = "damaged", self._home.faults[backup.name]
        return Lies(self._home.where, "home", state, why, seen_at=self._home.seen_at, is_home=True)

    def _there(self, backup: Manifest, there: _Elsewhere) -> Lies:
        reading, run = there.reading, self._run(backup.name, there.reading)
        copied = backup.copies.get(reading.place)
        state, why = self._stands(backup, there, run)
        is_copy = backup.name in self._at_home and is_copied(backup) and state in _WORTH_COPYING
        return Lies(
            reading.where,
            self._labels[reading.where],
            state,
            why,
            copied.copied_at if copied else None,
            reading.read_at,
            run if state in ("coming", "failed") else None,
            copies="" if not is_copy else "Copy again" if state in _AGAIN else "Copy now",
        )

    def _run(self, name: str, reading: Reading) -> Run | None:
        """The latest that was to bring it there."""
        found = [run for to in (place_of(reading.where), None) if (run := self._runs.get((name, to))) is not None]
        return max(found, key=lambda run: run.queued_at, default=None)

    def _stands(self, backup: Manifest, there: _Elsewhere, run: Run | None) -> tuple[str, str]:
        """The state, and more about it."""
        seen, reading = there.listed.get(backup.name), there.reading
        if seen is not None:
            return ("there", "") if is_same(seen, backup) else ("damaged", "Something else lies there under its name.")
        if run is not None and not run.ended:
            return "coming", ""
        if backup.name in there.trash:
            return "deleted", "Somebody deleted it there, so it is not copied again before it is put back."
        if _is_newer(backup, reading, run):
            return "there", ""
        if backup.name in there.faults:
            return "damaged", there.faults[backup.name]
        if run is not None and run.state in ("FAILURE", "INTERRUPTED"):
            return "failed", run.error or "It came to nothing."
        return self._absent(backup, reading)

    def _absent(self, backup: Manifest, reading: Reading) -> tuple[str, str]:
        if reading.contents is None:
            return "unknown", "Nobody has looked there yet, and no note says that it was copied."
        if reading.place in backup.copies:
            return "missing", "It was copied there, and is not there any more."
        if not is_copied(backup):
            return "absent", "Only whole backups are copied."
        hours = counted(int(self._late_hours), "hour") if self._late_hours.is_integer() else f"{self._late_hours} hours"
        if self._now - backup.created_at > timedelta(hours=self._late_hours):
            return "late", f"It was made more than {hours} ago and should be there by now."
        return "awaited", f"It was made less than {hours} ago, so its copy is not late."


def _elsewhere(reading: Reading) -> _Elsewhere:
    if (contents := reading.contents) is None:
        return _Elsewhere(reading, {}, frozenset(), {})
    listed = {backup.name: backup for backup in contents.listed}
    return _Elsewhere(reading, listed, frozenset(each.name for each in contents.trash), contents.faults)


def _is_newer(backup: Manifest, reading: Reading, run: Run | None) -> bool:
    """Whether it was copied there since somebody has looked last: to the second, as notes have it."""
    since = reading.read_at.replace(microsecond=0) if reading.read_at else None
    copied = backup.copies.get(reading.place)
    moments = [copied.copied_at] if copied else []
    if run is not None and run.state == "SUCCESS" and run.ended_at:
        moments.append(run.ended_at)
    return any(since is None or moment >= since for moment in moments)


def sources(lies: Sequence[Lies]) -> list[Lies]:
    """Where it can be restored from, if that is to be chosen: home first, where it is whole. Empty where there is no choice."""
    holding = [there for there in lies if there.holds]
    return [] if len(holding) == 1 and holding[0].is_home else holding


def whence(lies: Sequence[Lies]) -> str | None:
    """The address of the storage to read it from, where home does not hold it whole; None where it does, or nobody else has it."""
    holding = sources(lies)
    return None if not holding or holding[0].is_home else holding[0].where


def labels(storages: Sequence[str]) -> dict[str, str]:
    """By the address of each a word for it: the bucket, or the last folder; the address itself where that is no help."""
    brief = {where: _label(where) for where in storages}
    words = [*brief.values(), "home"]
    return {where: label if words.count(label) == 1 else where for where, label in brief.items()}


def _label(where: str) -> str:
    _, separator, path = where.partition("://")
    parts = [part for part in (path if separator else where).split("/") if part]
    return (parts[0] if separator else parts[-1]) if parts else where
