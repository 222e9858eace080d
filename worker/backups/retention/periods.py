"""The newest of each hour, day, week, month and year, in a time zone, and what is younger than a span."""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from worker.backups.retention.policy import Policy
from worker.repository.manifest import Manifest

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


class Period(NamedTuple):
    """A kind of period: which one a local moment lies in, and that one in words, beside the present year."""

    noun: str
    of: Callable[[datetime], Any]
    words: Callable[[datetime, int], str]


def _day(at: datetime, year: int) -> str:
    return f"{at.day} {MONTHS[at.month - 1]}{f' {at.year}' * (at.year != year)}"


def _hour(at: datetime, year: int) -> str:
    # The hour that a clock change repeats is told apart by its zone's name then.
    twice = at.replace(fold=0).utcoffset() != at.replace(fold=1).utcoffset()
    return f"the hour {at:%H}:00 {f'{at:%Z} ' * twice}of {_day(at, year)}"


def _monday(at: datetime) -> datetime:
    return at - timedelta(days=at.weekday())


PERIODS = {
    "hourly": Period("hour", lambda at: (at.date(), at.hour, at.utcoffset()), _hour),
    "daily": Period("day", lambda at: at.date(), _day),
    "weekly": Period("week", lambda at: _monday(at).date(), lambda at, year: f"the week of {_day(_monday(at), year)}"),
    "monthly": Period("month", lambda at: (at.year, at.month), lambda at, _year: f"{MONTHS[at.month - 1]} {at.year}"),
    "yearly": Period("year", lambda at: at.year, lambda at, _year: f"the year {at.year}"),
}
"""By the field of a policy that says how many."""


def representing(newest_first: list[Manifest], policy: Policy, now: datetime) -> dict[str, list[str]]:
    """By name the backups that are the newest of a period, each with its periods in words.

    Counted are periods that have a backup, so a gap costs none. All are of the pool that the periods are counted in.
    """
    zone, periods = ZoneInfo(policy.tz), defaultdict[str, list[str]](list)
    local = [(backup.name, backup.created_at.astimezone(zone)) for backup in newest_first]
    for rule, period in PERIODS.items():
        seen, most = set[Any](), getattr(policy, rule)
        for name, at in local if most else ():
            if len(seen) == most:
                break
            if (which := period.of(at)) not in seen:
                seen.add(which)
                periods[name].append(period.words(at, now.astimezone(zone).year))
    return dict(periods)


def counted(policy: Policy, last: str) -> str:
    """How many of each, in words; empty where there is no such rule."""
    numbers = [(getattr(policy, rule), period.noun) for rule, period in PERIODS.items()]
    return joined([f"{most} {noun}{'s' * (most != 1)}" for most, noun in numbers if most], last)


def joined(words: list[str], last: str) -> str:
    """`a, b and c`."""
    return f" {last} ".join([*([", ".join(words[:-1])] if words[1:] else []), *words[-1:]])
