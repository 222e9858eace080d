"""What the replication stream tells, in words: a step, a burst, when a command was run, what became of a key."""

from datetime import datetime, timedelta
from typing import Any

from web.wording.numbers import counted, duration, number, when
from web.wording.pictures import steps
from worker.words import FATES

WORTH_A_LOOK = 10_000
"""Bytes of a command that is shown among the largest."""
LOST = frozenset(("deleted", "expired", "deleted_or_expired", "emptied", "renamed_away", "moved_away"))
"""Behind these the key is not there any more."""

Data = dict[str, Any]


def fate(row: Data) -> str:
    """What became of the key, without the name of another one."""
    did = str(row.get("did"))
    if did == "swapped":
        return f"databases {row.get('db')} and {row.get('other_db')} swapped"
    words = FATES.get(did, did)
    return f"{words} {row['other_db']}" if did.startswith("moved") else words


def step(said: Data) -> str:
    """One step, for whoever points at it: `1,234 writes, 12 keys deleted or expired`."""
    words = counted(said.get("writes"), "write")
    if said.get("deleted"):
        words += f", {counted(said['deleted'], 'key')} deleted or expired"
    if within := said.get("within_seconds"):
        words += f" (known to within {duration(within)})"
    return f"{words}; a gap: {said['gap']}" if said.get("gap") else words


def commands(said: Data) -> str:
    """`SET 1,200, DEL 41 and 3 others`."""
    words = ", ".join(f"{name} {number(many)}" for name, many in (said.get("commands") or {}).items())
    return f"{words} and {number(said['others'])} others" if said.get("others") else words


def picture(value: Data) -> steps.Bars | None:
    """The steps as bars; None where the result is of another version, or of no time."""
    try:
        return steps.bars(value.get("steps") or [], step)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return None


def peak(said: Data) -> str:
    """A burst: `41,203 deletes`, `SET, 120,000 times`."""
    what = said.get("what")
    many = number(said.get("count"))
    return f"{many} deletes" if what == "deletes" else f"{what}, {many} times"


def named(said: Data) -> str:
    """`FLUSHDB of database 3`, `SWAPDB 0 and 3`."""
    if databases := said.get("databases"):
        return f"{said.get('command')} {' and '.join(map(str, databases))}"
    where = "" if said.get("db") is None else f" of database {said['db']}"
    return f"{said.get('command')}{where}"


def within(said: Data) -> str:
    """How exactly the time is known; empty where it is to the second."""
    since, until = when(said.get("at")), when(said.get("until"))
    apart = (until - since) if since and until else timedelta()
    return f"within {duration(apart.total_seconds())}" if apart >= timedelta(seconds=1) else ""


def last(said: Data) -> datetime | None:
    """The later end of when it may have been run: it was certainly run by then."""
    return when(said.get("until"))


def wide(value: Data) -> str:
    """How long a step is: `minute`, `15 minutes`."""
    seconds = int(value.get("step_seconds") or 60)
    if seconds < 60:
        return f"{seconds} seconds"
    minutes = seconds // 60
    if minutes == 1:
        return "minute"
    return f"{minutes} minutes" if minutes < 60 else "hour" if minutes == 60 else f"{minutes // 60} hours"


def shown(row: Data) -> list[str]:
    """The arguments of a write as they are shown, and how many more there are."""
    parts = [each for each in row.get("rows") or [] if isinstance(each, dict)]
    words = [str(each.get("value")) for each in parts if str(each.get("part")).isdigit()]
    return words + [f"and {each.get('value')} more" for each in parts if each.get("part") == "more"]


def large(commands: list[Data]) -> list[Data]:
    """Those of the largest that are worth a look, and the largest in any case."""
    return [*commands[:1], *(each for each in commands[1:] if each.get("bytes", 0) >= WORTH_A_LOOK)]
