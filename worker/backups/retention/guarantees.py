"""What no policy and no argument breaks: these backups stay, whatever else is decided."""

from collections import defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from worker.backups.retention.pools import Lane, lane_of, pool_of
from worker.repository.manifest import Manifest
from worker.repository.trash import is_token

REMEMBERED = timedelta(days=7)
"""How long the last good one before a suspicious one stays, once later ones agree with that."""
_GOOD = ("backup", "adopted", "part")


def guaranteed(newest_first: list[Manifest], now: datetime, surely: datetime | None) -> dict[str, str]:
    """By name the backups of each source that stay, and why: the last good one and what is newer, the last rehearsed one,
    the newest of each pool that holds keys, all while the newest is suspicious, and what was there before a suspicious one.

    What is dated in the future is no part of it, `surely` is a moment that has come.
    """
    reasons: dict[str, str] = {}
    for lane in _lanes(newest_first, now).values():
        for stays in (
            _held(lane),
            _since_the_last_good(lane),
            _rehearsed(lane),
            _newest(lane),
            _before_falls(lane, surely),
        ):
            reasons = stays | reasons
    return reasons


def _lanes(newest_first: list[Manifest], now: datetime) -> dict[Lane, list[Manifest]]:
    lanes: defaultdict[Lane, list[Manifest]] = defaultdict(list)
    for backup in newest_first:
        if not backup.is_ahead(now):
            lanes[lane_of(backup)].append(backup)
    return lanes


def suspects(newest_first: list[Manifest], now: datetime) -> dict[Lane, Manifest]:
    """The newest of each source that is suspicious, and accepted by nobody."""
    newest = {which: _suspect(lane) for which, lane in _lanes(newest_first, now).items()}
    return {which: backup for which, backup in newest.items() if backup is not None}


def doubt(newest: Manifest) -> str:
    """Why nothing goes while that one is the newest of its source."""
    return f"{newest.name} is suspicious: until somebody accepts it, or three more agree, nothing of its source goes"


def _suspect(lane: list[Manifest]) -> Manifest | None:
    newest = next((backup for backup in lane if backup.kind in _GOOD), None)
    return newest if newest is not None and newest.suspicious else None


def _held(lane: list[Manifest]) -> dict[str, str]:
    newest = _suspect(lane)
    return {} if newest is None else dict.fromkeys((backup.name for backup in lane), doubt(newest))


def _since_the_last_good(lane: list[Manifest]) -> dict[str, str]:
    """What is pinned is not relied on: it may be unpinned."""
    last = next((place for place, backup in enumerate(lane) if is_good(backup) and not backup.pinned), None)
    if last is None:
        return {}
    newer = {backup.name: "newer than the last good one" for backup in lane[:last]}
    return newer | {lane[last].name: "the last good one"}


def _rehearsed(lane: list[Manifest]) -> dict[str, str]:
    """The newest that came back in a rehearsal, and the one that did so last."""
    proven = [(backup, at) for backup in lane if (at := _rehearsed_at(backup))]
    if not proven:
        return {}
    latest, _ = max(proven, key=lambda each: each[1])
    return {latest.name: "the last that was rehearsed", proven[0][0].name: "the newest that was rehearsed"}


def _rehearsed_at(backup: Manifest) -> datetime | None:
    """When it came back in a rehearsal."""
    rehearsal: Any = getattr(backup, "rehearsed", None)
    return rehearsal.at if rehearsal is not None and rehearsal.is_good else None


def _newest(lane: list[Manifest]) -> dict[str, str]:
    """Of each pool, for which none of another can stand."""
    newest: dict[str, Manifest] = {}
    for holds_keys in (True, False):
        for backup in lane:
            if is_good(backup) and not backup.pinned and (backup.keys != 0 or not holds_keys):
                newest.setdefault(pool_of(backup).words, backup)
    return {
        backup.name: f"the newest {words}{' that holds keys' * (backup.keys != 0)}" for words, backup in newest.items()
    }


def _before_falls(lane: list[Manifest], surely: datetime | None) -> dict[str, str]:
    """What a source had before something went missing, and the backup that tells of it, until days are over."""
    reasons: dict[str, str] = {}
    usual = [backup for backup in lane if backup.kind in _GOOD]
    for backup, before in pairwise(usual):
        is_over = surely is not None and surely - backup.created_at >= REMEMBERED
        if _is_doubted(backup) and not _is_doubted(before) and not is_over:
            reasons[backup.name] = f"suspicious, and accepted by {backup.accepted_by or 'nobody'}"
            reasons[before.name] = f"the last good one before {backup.name}, which is suspicious"
    return reasons


def _is_doubted(backup: Manifest) -> bool:
    """Whoever stole a token may have done what it tells of, so what a token accepts is remembered as well."""
    return bool(backup.suspicious) or is_token(backup.accepted_by)


def is_good(backup: Manifest) -> bool:
    """Whether it holds what it should, as far as is known."""
    return backup.kind in _GOOD and not backup.suspicious
