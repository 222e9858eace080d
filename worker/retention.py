"""Which backups to keep, and why: pure, no clock, no I/O."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from worker.errors import RefusedError
from worker.manifest import Manifest, Scope


@dataclass(frozen=True)
class Decision:
    """What becomes of one backup, and the reason in words."""

    manifest: Manifest
    keep: bool
    reason: str


def decide(backups: list[Manifest], keep: int, now: datetime) -> list[Decision]:
    """Keep the `keep` newest of each scope and whatever is pinned; the rest may go. In the order of age, newest first.

    Of each scope the newest that holds keys stays: seven backups of an emptied server must not push out the last good
    one. RefusedError where the newest backup lies in the future: by such a clock no age can be trusted.
    """
    ordered = sorted(backups, key=lambda manifest: (manifest.created_at, manifest.name), reverse=True)
    if ordered and ordered[0].created_at > now:
        raise RefusedError(
            f"The newest backup, {ordered[0].name}, is dated in the future: set this machine's clock right, "
            "or delete that backup by name. Nothing was deleted."
        )
    kept: Counter[Scope] = Counter()
    holding: set[Scope] = set()
    return [_decide(manifest, max(keep, 1), kept, holding) for manifest in ordered]


def _decide(manifest: Manifest, keep: int, kept: Counter[Scope], holding: set[Scope]) -> Decision:
    """One backup; `kept` and `holding` tell what the newer ones of each scope have come to."""
    if manifest.pinned:
        return Decision(manifest, keep=True, reason="pinned")
    scope = manifest.scope
    if kept[scope] < keep:
        kept[scope] += 1
        reason = f"one of the {keep} newest"
    elif manifest.keys != 0 and scope not in holding:
        reason = "the newest that holds keys"
    else:
        return Decision(manifest, keep=False, reason=f"older than the {keep} newest")
    if manifest.keys != 0:
        holding.add(scope)
    return Decision(manifest, keep=True, reason=reason)
