"""What a person calls a backup: by its day and time, how many keys it has, and what changed since the one before. Pure."""

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from web.wording.numbers import counted
from worker.repository.manifest import Manifest

MOST_PREFIXES = 12
"""So many are told, those first that have changed most."""
SHARE_OF_SAMPLE, FEWEST_OF_SAMPLE = 0.1, 20
"""By a sample, less than that share of a prefix's keys, or fewer than so many, is no change that anybody could tell."""
_FILE = re.compile(r"redis_backup_\d{8}_\d{6}[\w.]*\w")
_STAMP = re.compile(r"redis_backup_(\d{8}_\d{6})")


class Change(NamedTuple):
    """How many keys of one prefix there are, and were; None where there are too few to be listed, and others are not."""

    prefix: str
    had: int | None
    has: int | None

    @property
    def by(self) -> int:
        """How many more there are."""
        return (self.has or 0) - (self.had or 0)


def titled(backup: Manifest, zone: str, now: datetime) -> str:
    """`Today 03:00`, `Yesterday 22:15`, `Mon 3 Nov 03:00`; of another year `3 Nov 2024 03:00`."""
    return _moment(backup.created_at, zone, now)


def called(name: str, zone: str, now: datetime) -> str:
    """The same by the name of its file alone; that name where it tells no time."""
    stamp = _STAMP.match(name)
    try:
        return _moment(datetime.strptime(f"{stamp[1]}+0000", "%Y%m%d_%H%M%S%z"), zone, now) if stamp else name
    except ValueError:
        return name


def _moment(made: datetime, zone: str, now: datetime) -> str:
    at, today = made.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone)).date()
    if at.date() == today:
        return f"Today {at:%H:%M}"
    if at.date() == today - timedelta(days=1):
        return f"Yesterday {at:%H:%M}"
    return f"{at:%a} {at.day} {at:%b %H:%M}" if at.year == today.year else f"{at.day} {at:%b %Y %H:%M}"


def before(backup: Manifest, backups: Sequence[Manifest]) -> Manifest | None:
    """The good backup of the same data that was made before it; `backups` are the newest first."""
    if backup.kind != "backup":
        return None
    first = bisect_left(backups, True, key=lambda one: one.created_at < backup.created_at)
    older = (one for one in islice(backups, first, None) if one.kind == "backup")
    return next((one for one in older if one.scope == backup.scope), None)


def more(backup: Manifest, former: Manifest | None) -> str:
    """`12 more than before`, `2 fewer than before`, `as many as before`; nothing where nobody can tell."""
    if former is None or backup.keys is None or former.keys is None:
        return ""
    by = backup.keys - former.keys
    return f"{abs(by):,} {'more' if by > 0 else 'fewer'} than before" if by else "as many as before"


def keys(backup: Manifest, former: Manifest | None) -> str:
    """`3,437 keys, 12 more than before`."""
    return ", ".join(words for words in (counted(backup.keys, "key"), more(backup, former)) if words)


def changes(backup: Manifest, former: Manifest | None) -> list[Change]:
    """What became of each prefix since then, the largest change first; nothing where their names are hashed."""
    now, then = backup.prefixes, former.prefixes if former else None
    if now is None or then is None or now.hashed or then.hashed:
        return []
    prefixes = [
        Change(prefix, _count(then.counts, prefix, then.others), _count(now.counts, prefix, now.others))
        for prefix in {**now.counts, **then.counts}
    ]
    is_exact = now.exact and then.exact
    changed = [one for one in prefixes if one.had is not None and one.has is not None and _differs(one, is_exact)]
    return sorted(changed, key=lambda one: (-abs(one.by), one.prefix))[:MOST_PREFIXES]


def _differs(one: Change, is_exact: bool) -> bool:
    least = max(FEWEST_OF_SAMPLE, SHARE_OF_SAMPLE * max(one.had or 0, one.has or 0))
    return abs(one.by) >= (1 if is_exact else least)


def _count(counts: dict[str, int], prefix: str, others: int) -> int | None:
    """What is not listed has as many as the largest that is not listed, or fewer: that is a number where that is none."""
    return counts.get(prefix, None if others else 0)


def unbroken(text: str) -> Markup:
    """The text, in which the name of a file stays in one line."""
    return _with_files(text, lambda name: Markup('<span class="file">%s</span>') % name)


def retitled(text: str, zone: str, now: datetime) -> Markup:
    """The text, in which each backup is called by its day and time; the name of its file is for whoever points at it."""
    return _with_files(
        text, lambda name: Markup('<span class="file" title="%s">%s</span>') % (name, called(name, zone, now))
    )


def _with_files(text: str, shown: Callable[[str], Markup]) -> Markup:
    parts = [(text[at:end], text[end:to]) for at, end, to in _files(text)]
    return Markup("").join(escape(plain) + (shown(name) if name else "") for plain, name in parts)


def _files(text: str) -> list[tuple[int, int, int]]:
    found = [match.span() for match in _FILE.finditer(text)]
    ends = [0, *(to for _, to in found)]
    return [(at, begin, to) for at, (begin, to) in zip(ends, [*found, (len(text), len(text))], strict=True)]
