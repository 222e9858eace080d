"""What becomes of one backup, and the reason in words."""

from dataclasses import dataclass

from worker.backups.retention.pools import Pool, pool_of
from worker.repository.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one backup, and the reason in words."""

    manifest: Manifest
    keep: bool
    reason: str
    counts: bool = False
    """Whether it counts, so that others have to go for it."""


def narrowed(decisions: list[Decision], made_by: str) -> list[Decision]:
    """The decisions for somebody who may only delete what they made themselves: everything else stays."""
    return [
        decision
        if decision.keep or is_made_by(made_by, decision.manifest)
        else Decision(decision.manifest, keep=True, reason=f"{decision.reason}, but not made by {made_by}")
        for decision in decisions
    ]


def is_made_by(maker: str, manifest: Manifest | None) -> bool:
    """Whether that one has made it by hand."""
    return manifest is not None and (manifest.trigger, manifest.asked_by) == ("manual", maker)


def replacements(decisions: list[Decision]) -> list[Manifest]:
    """The newest backup of each pool that loses one: of good ones if it has any."""
    losing = {
        pool_of(decision.manifest) for decision in decisions if not decision.keep and decision.manifest.kind != "undo"
    }
    newest: dict[Pool, Manifest] = {}
    for kinds in (("backup", "adopted"), ("part",), ("partial",)):
        for decision in decisions:
            pool = pool_of(decision.manifest)
            if decision.counts and decision.manifest.kind in kinds and pool in losing:
                newest.setdefault(pool, decision.manifest)
    return [*newest.values()]
