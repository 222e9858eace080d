"""The decision: rules, then the ceiling, then what is guaranteed, then what undos need."""

from datetime import datetime, timedelta

from worker.backups.retention.ceiling import lowered
from worker.backups.retention.clock import certain, newest_first
from worker.backups.retention.decision import Decision
from worker.backups.retention.guarantees import guaranteed
from worker.backups.retention.newest import Counting, set_apart
from worker.backups.retention.policy import Policy
from worker.backups.retention.rules import Rules
from worker.repository.manifest import Manifest


def decide(backups: list[Manifest], undos: list[Manifest], policy: Policy, now: datetime) -> list[Decision]:
    """Keep what the rules of the policy keep, whatever is pinned or dated in the future, what is guaranteed, and what an undo
    needs; the rest may go.

    In the order of age, newest first, and then the undos, which push out nothing. What is dated in the future counts for
    nothing. Of each pool the newest that holds keys stays: seven backups of an emptied server must not push out the last
    good one. Partial ones push out nothing but each other, and neither do parts.
    """
    ordered, surely = newest_first(backups), certain(backups, now)
    needed: dict[str, str] = {}
    ways_back = [_decide_undo(undo, policy, now, surely, needed) for undo in newest_first(undos)]
    stays = guaranteed(ordered, now, surely)
    apart = {backup.name: decision for backup in ordered if (decision := set_apart(backup, now))}
    counting, rules = (
        Counting(policy),
        Rules([backup for backup in ordered if backup.name not in apart], policy, now, surely),
    )
    ruled = [apart.get(backup.name) or rules.besides(counting.decide(backup)) for backup in ordered]
    lowest = lowered(ruled, {*stays, *apart, *needed}, policy)
    return [_if_in(needed, _if_in(stays, decision)) for decision in lowest] + ways_back


def _decide_undo(
    undo: Manifest, policy: Policy, now: datetime, surely: datetime | None, needed: dict[str, str]
) -> Decision:
    """`needed` gets the backups that undos need, and why."""
    over = surely is not None and surely - undo.created_at >= timedelta(days=policy.undo_days)
    decision = Decision(undo, keep=not over, reason=f"a restore can be undone for {policy.undo_days} days")
    decision = _if_in(needed, set_apart(undo, now) or decision)
    if decision.keep:
        needed.setdefault(undo.restored or "", f"needed by {undo.name}, which can undo its restore")
    return decision


def _if_in(reasons: dict[str, str], decision: Decision) -> Decision:
    """Kept after all, where there is a reason for its backup."""
    why = reasons.get(decision.manifest.name)
    return decision if decision.keep or why is None else Decision(decision.manifest, keep=True, reason=why)
