"""Months of backups, day by day: how many a prune keeps of each day, and how many it deletes. Pure."""

from calendar import Calendar
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from web.wording.numbers import counted
from worker.backups.retention.decision import Decision
from worker.backups.retention.periods import MONTHS

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MOST_MONTHS = 24


@dataclass(frozen=True)
class Day:
    """One day of a month that has backups, or none."""

    day: date
    kept: int
    goes: int

    @property
    def name(self) -> str:
        """Such as `Monday, 23 November`."""
        return f"{WEEKDAYS[self.day.weekday()]}, {self.day.day} {MONTHS[self.day.month - 1]}"

    @property
    def words(self) -> str:
        """What becomes of its backups; empty where there are none."""
        said = [(self.kept, "kept"), (self.goes, "deleted")]
        return ", ".join(f"{number:,} {what}" for number, what in said if number)


@dataclass(frozen=True)
class Month:
    """A month that has backups, in weeks from Monday on; None beside its days."""

    title: str
    weeks: list[list[Day | None]]
    kept: int
    goes: int

    @property
    def words(self) -> str:
        """All of it."""
        return f"{counted(self.kept, 'backup')} kept, {self.goes:,} deleted"


def months(decisions: Iterable[Decision], zone: str) -> list[Month]:
    """Those that have backups, the last first, in that time zone; what undoes restores is no part of them."""
    here, kept, goes = ZoneInfo(zone), Counter[date](), Counter[date]()
    for decision in decisions:
        if decision.manifest.kind != "undo":
            (kept if decision.keep else goes)[decision.manifest.created_at.astimezone(here).date()] += 1
    of = sorted({(day.year, day.month) for day in (*kept, *goes)}, reverse=True)
    return [_month(year, month, kept, goes) for year, month in of[:MOST_MONTHS]]


def _month(year: int, month: int, kept: Counter[date], goes: Counter[date]) -> Month:
    weeks = [
        [Day(day, kept[day], goes[day]) if day.month == month else None for day in week]
        for week in Calendar().monthdatescalendar(year, month)
    ]
    days = [day for week in weeks for day in week if day]
    return Month(f"{MONTHS[month - 1]} {year}", weeks, sum(day.kept for day in days), sum(day.goes for day in days))
