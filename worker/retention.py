"""Which backups to keep, and why: pure, no clock, no I/O."""

from dataclasses import dataclass
from datetime import datetime

from worker.errors import RefusedError
from worker.manifest import Manifest


@dataclass(frozen=True)
class Decision:
    """What becomes of one backup, and the reason in words."""

    manifest: Manifest
    keep: bool
    reason: str


def decide(backups: list[Manifest], keep: int, now: datetime) -> list[Decision]:
    """Keep the `keep` newest and whatever is pinned; the rest may go. In the order of age, newest first.

    RefusedError where the newest backup lies in the future: by such a clock no age can be trusted.
    """
    ordered = sorted(backups, key=lambda manifest: (manifest.created_at, manifest.name), reverse=True)
    if ordered and ordered[0].created_at > now:
        raise RefusedError(
            f"The newest backup, {ordered[0].name}, is dated in the future: set this machine's clock right, "
            "or delete that backup by name. Nothing was deleted."
        )
    decisions, kept = [], 0
    for manifest in ordered:
        if manifest.pinned:
            decisions.append(Decision(manifest, keep=True, reason="pinned"))
        elif kept < max(keep, 1):
            kept += 1
            decisions.append(Decision(manifest, keep=True, reason=f"one of the {keep} newest"))
        else:
            decisions.append(Decision(manifest, keep=False, reason=f"older than the {keep} newest"))
    return decisions
