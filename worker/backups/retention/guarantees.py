"""What no policy and no argument breaks: these backups stay, whatever else is decided."""

from collections import defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from worker.backups.retention.pools import Lane, lane_of, pool_of
from worker.repository.manifest import Manifest

REMEMBERED = timedelta(days=7)
"""How long the last good one before a suspicious one stays, once later ones agree with that."""
_GOOD = ("backup", "adopted", "part")


def guaranteed(newest_first: list[Manifest], now: datetime, surely: datetime | None) -> dict[str, str]:
    """By name the backups of each source that stay, and why: the last good one and what is newer, the last rehearsed one,
    the newest of each pool that holds keys, all while the newest is suspicious, and what was there before a suspicious one.

    What is dated in the future is no part of it, `surely` is a moment that has come.
    """
    lanes: defaultdict[Lane, list[Manifest]] = defaultdict(list)
    for backup in newest_first:
        if not backup.is_ahead(now):
            lanes[lane_of(backup)].append(backup)
    reasons: dict[str, str] = {}
    for lane in lanes.values():
        for stays in (
            _held(lane),
            _since_the_last_good(lane),
            _rehearsed(lane),
            _newest(lane),
            _before_falls(lane, surely),
        ):
            reasons = stays | reasons
    return reasons


def suspect(lane: list[Manifest]) -> Manifest | None:
    """The newest of a source, where it is suspicious and nobody has accepted it."""
    newest = next((backup for backup in lane if backup.kind in _GOOD), None)
    return newest if newest is not None and newest.suspicious else None


def _held(lane: list[Manifest]) -> dict[str, str]:
    newest = suspect(lane)
    if newest is None:
        return {}
    why = f"{newest.name} is suspicious: until somebody accepts it, or three more agree, nothing of its source goes"
    return {backup.name: why for backup in lane}


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
        if backup.suspicious and not before.suspicious and not is_over:
            reasons[backup.name] = "suspicious, and accepted by nobody"
            reasons[before.name] = f"the last good one before {backup.name}, which is suspicious"
    return reasons


def is_good(backup: Manifest) -> bool:
    """Whether it holds what it should, as far as is known."""
    return backup.kind in _GOOD and not backup.suspicious
