"""The newest ones of each pool, by their number; and what counts for none of the numbers."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from worker.backups.retention.decision import Decision
from worker.backups.retention.policy import Policy
from worker.backups.retention.pools import SCHEDULE, Pool, pool_of
from worker.repository.manifest import Manifest

PARTIALS_KEPT = 2
"""Partial backups that are kept of each pool: what was read of a source that lost its data may be all that is left."""


@dataclass
class _Seen:
    """What has been seen of a pool so far, newest first."""

    kept: int = 0
    partials: int = 0
    parts: int = 0
    holds_keys: bool = False


class Counting:
    """One pass over the backups, which are asked for newest first."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._seen: defaultdict[Pool, _Seen] = defaultdict(_Seen)

    def decide(self, manifest: Manifest) -> Decision:
        """One backup, by what the newer ones of its pool have come to."""
        pool = pool_of(manifest)
        seen = self._seen[pool]
        if manifest.kind == "partial":
            seen.partials += 1
            keep = seen.partials <= PARTIALS_KEPT
            which = f"{'one of' if keep else 'older than'} the {PARTIALS_KEPT} newest such {pool.words}"
            return Decision(manifest, keep, f"partial, {which}", counts=keep)
        most = max(self._policy.keep if pool.maker == SCHEDULE else self._policy.keep_manual, 1)
        if manifest.kind == "part":
            seen.parts += 1
            keep = seen.parts <= most
            which = f"{'one of' if keep else 'older than'} the {most} newest such {pool.words}"
            return Decision(manifest, keep, f"a part, {which}", counts=keep)
        if seen.kept < most:
            seen.kept += 1
            reason = f"one of the {most} newest {pool.words}"
        elif manifest.keys != 0 and not seen.holds_keys:
            reason = f"the newest {pool.words} that holds keys"
        else:
            return Decision(manifest, keep=False, reason=f"older than the {most} newest {pool.words}")
        seen.holds_keys = seen.holds_keys or manifest.keys != 0
        return Decision(manifest, keep=True, reason=reason, counts=True)


def set_apart(manifest: Manifest, now: datetime) -> Decision | None:
    """Backups that are kept in any case, and count for nothing."""
    if manifest.pinned:
        reason = f"pinned: {manifest.pin_reason}" if manifest.pin_reason else "pinned"
        return Decision(manifest, keep=True, reason=reason)
    if manifest.is_ahead(now):
        return Decision(manifest, keep=True, reason="dated in the future: until then it neither counts nor goes")
    return None
