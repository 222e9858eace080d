"""Thirty days at a glance: what became of the backup on each of them. Pure."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from web.wording.numbers import counted

DAYS = 30
State = Literal["ok", "failed", "held", "running", "overdue", "nothing"]
WORDS: dict[State, str] = {
    "ok": "backed up",
    "failed": "failed",
    "held": "held up",
    "running": "running now",
    "overdue": "overdue",
    "nothing": "nothing due",
}


@dataclass(frozen=True)
class Day:
    """One day of the time zone, and what is to be said of it."""

    day: date
    state: State
    text: str


@dataclass(frozen=True)
class Past:
    """When backups were made, when they failed, whether one runs, whether now one is held up (tried again, or bound to
    fail, for the source is away), and how old the newest may ever be.
    """

    made: Sequence[datetime]
    failed: Sequence[datetime]
    running: bool
    promise: timedelta
    held: bool = False


def days(past: Past, now: datetime, zone: str, count: int = DAYS) -> list[Day]:
    """The last `count` days up to today, oldest first."""
    here = ZoneInfo(zone)
    past = replace(past, made=sorted(past.made), failed=sorted(past.failed))
    today = now.astimezone(here).date()
    return [_day(past, today - timedelta(days=back), now, here) for back in reversed(range(count))]


def _day(past: Past, day: date, now: datetime, here: ZoneInfo) -> Day:
    begin = datetime.combine(day, time(), here).astimezone(UTC)
    end = min(datetime.combine(day + timedelta(days=1), time(), here).astimezone(UTC), now)
    made, failed = (_between(moments, begin, end) for moments in (past.made, past.failed))
    state = _state(past, made, failed, end)
    if end == now and (past.held or past.running):
        state = "held" if past.held else "running"
    return Day(day, state, f"{day:%a} {day.day} {day:%b}: {_text(state, len(made), len(failed))}")


def _between(moments: Sequence[datetime], begin: datetime, end: datetime) -> Sequence[datetime]:
    """Those from `begin` to before `end`, of some in order."""
    return moments[bisect_left(moments, begin) : bisect_left(moments, end)]


def _state(past: Past, made: Sequence[datetime], failed: Sequence[datetime], end: datetime) -> State:
    # A failure that a good backup followed on the same day has been mended.
    if failed and (not made or max(failed) > max(made)):
        return "failed"
    if made:
        return "ok"
    earlier = bisect_left(past.made, end)
    last = past.made[earlier - 1] if earlier else None
    return "overdue" if last is not None and end - last > past.promise else "nothing"


def _text(state: State, made: int, failed: int) -> str:
    words = [WORDS[state]] if state in ("running", "held") else []
    words += [counted(made, "backup")] if made else []
    words += [f"{failed} failed"] if failed else []
    return ", ".join(words) or WORDS[state]
