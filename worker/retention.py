"""Which backups to keep, and why: pure, no clock, no I/O."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from worker.errors import RefusedError
from worker.manifest import Manifest, Scope

PARTIALS_KEPT = 2
"""Of each scope, the newest: what was read of a source that lost its data may be all that is left of it."""


@dataclass(frozen=True)
class Decision:
    """What becomes of one backup, and the reason in words."""

    manifest: Manifest
    keep: bool
    reason: str


@dataclass(frozen=True)
class Undos:
    """What restores can be undone with, and for how many days each is kept."""

    manifests: list[Manifest]
    days: int


def decide(backups: list[Manifest], keep: int, now: datetime, undos: Undos | None = None) -> list[Decision]:
    """Keep the `keep` newest of each scope, whatever is pinned, and what an undo needs; the rest may go.

    In the order of age, newest first, and then the undos, which push out nothing. Of each scope the newest that holds
    keys stays: seven backups of an emptied server must not push out the last good one. Partial ones push out nothing but
    each other. RefusedError where the newest backup lies in the future: by such a clock no age can be trusted.
    """
    ordered, ways_back = _newest_first(backups), _newest_first(undos.manifests if undos else [])
    ahead = next((one for one in (*ordered[:1], *ways_back[:1]) if one.created_at > now), None)
    if ahead is not None:
        raise RefusedError(
            f"The newest backup, {ahead.name}, is dated in the future: set this machine's clock right, "
            "or delete that backup by name. Nothing was deleted."
        )
    needed: dict[str | None, str] = {}
    later = [_decide_undo(one, undos.days, now, needed) for one in ways_back] if undos else []
    kept: Counter[Scope] = Counter()
    partials: Counter[Scope] = Counter()
    holding: set[Scope] = set()
    return [_if_needed(_decide(one, max(keep, 1), kept, partials, holding), needed) for one in ordered] + later


def _newest_first(manifests: list[Manifest]) -> list[Manifest]:
    return sorted(manifests, key=lambda manifest: (manifest.created_at, manifest.name), reverse=True)


def _decide_undo(undo: Manifest, days: int, now: datetime, needed: dict[str | None, str]) -> Decision:
    """One undo; `needed` gathers what the newer ones cannot do without, and why."""
    decision = Decision(undo, keep=False, reason=f"a restore can be undone for {days} days")
    if undo.pinned or now - undo.created_at < timedelta(days=days):
        decision = Decision(undo, keep=True, reason="pinned" if undo.pinned else decision.reason)
    decision = _if_needed(decision, needed)
    if decision.keep:
        needed.setdefault(undo.restored, f"needed by {undo.name}, which can undo its restore")
    return decision


def _if_needed(decision: Decision, needed: dict[str | None, str]) -> Decision:
    why = needed.get(decision.manifest.name)
    return decision if decision.keep or why is None else Decision(decision.manifest, keep=True, reason=why)


def _decide_partial(manifest: Manifest, partials: Counter[Scope]) -> Decision:
    """One that pushes out others of its kind only; `partials` counts those."""
    partials[manifest.scope] += 1
    keep = partials[manifest.scope] <= PARTIALS_KEPT
    return Decision(manifest, keep, f"partial, {'one of' if keep else 'older than'} the {PARTIALS_KEPT} newest such")


def _decide(
    manifest: Manifest, keep: int, kept: Counter[Scope], partials: Counter[Scope], holding: set[Scope]
) -> Decision:
    """One backup; `kept`, `partials` and `holding` tell what the newer ones of each scope have come to."""
    if manifest.pinned:
        return Decision(manifest, keep=True, reason="pinned")
    if manifest.kind == "partial":
        return _decide_partial(manifest, partials)
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
