"""Which backups to keep, and why: pure, no clock, no I/O."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from worker.config.settings import Settings
from worker.repository.manifest import Manifest, Scope
from worker.repository.trash import Trashed, is_token

PARTIALS_KEPT = 2
"""Partial backups that are kept of each pool: what was read of a source that lost its data may be all that is left."""
BY_HAND = "hand"
_SCHEDULE = ""


@dataclass(frozen=True)
class Policy:
    """How many of the schedule's backups are kept, how many of those made by hand or by one token, undos and trash how long."""

    keep: int
    keep_manual: int
    undo_days: int
    trash_days: int = 7
    """How long what was deleted can be put back."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one backup, and the reason in words."""

    manifest: Manifest
    keep: bool
    reason: str
    counts: bool = False
    """Whether it counts, so that others have to go for it."""


@dataclass(frozen=True)
class Due:
    """A backup that leaves the trash for good, and the reason in words."""

    trashed: Trashed
    reason: str


class Pool(NamedTuple):
    """Backups that push out each other, and no others: of one scope, and made by the schedule, by hand, or by one token.

    Were there one pool for all, whoever may make backups could empty the history by making more.
    """

    scope: Scope
    maker: str

    @property
    def words(self) -> str:
        """What is in it."""
        return {_SCHEDULE: "of the schedule", BY_HAND: "made by hand"}.get(self.maker, f"made by {self.maker}")


@dataclass
class _Seen:
    """What has been seen of a pool so far, newest first."""

    kept: int = 0
    partials: int = 0
    parts: int = 0
    holds_keys: bool = False


@dataclass
class _Look:
    """The state of one pass over the backups, newest first."""

    policy: Policy
    now: datetime
    certain: datetime | None
    needed: dict[str | None, str] = field(default_factory=dict)
    """The backups that undos need, and why."""
    seen: defaultdict[Pool, _Seen] = field(default_factory=lambda: defaultdict(_Seen))


def policy_of(settings: Settings) -> Policy:
    """As the settings say of home."""
    keep, manual = settings.backup_keep, settings.backup_keep_manual
    if settings.backup_local_keep:
        keep, manual = min(keep, settings.backup_local_keep), min(manual, settings.backup_local_keep)
    return Policy(keep, manual, settings.backup_undo_days, settings.backup_trash_days)


def pool_of(manifest: Manifest) -> Pool:
    """The one that it is in."""
    if manifest.trigger == "schedule":
        return Pool(manifest.scope, _SCHEDULE)
    asked_by = manifest.asked_by or ""
    return Pool(manifest.scope, asked_by if is_token(asked_by) else BY_HAND)


def decide(backups: list[Manifest], undos: list[Manifest], policy: Policy, now: datetime) -> list[Decision]:
    """Keep the newest of each pool, whatever is pinned or dated in the future, and what an undo needs; the rest may go.

    In the order of age, newest first, and then the undos, which push out nothing. What is dated in the future counts for
    nothing. Of each pool the newest that holds keys stays: seven backups of an emptied server must not push out the last
    good one. Partial ones push out nothing but each other, and neither do parts.
    """
    look = _Look(policy, now, _certain(backups, now))
    ways_back = [_decide_undo(undo, look) for undo in _newest_first(undos)]
    return [_if_needed(_decide(backup, look), look) for backup in _newest_first(backups)] + ways_back


def narrowed(decisions: list[Decision], made_by: str) -> list[Decision]:
    """The decisions for somebody who may only delete what they made themselves: everything else stays."""
    return [
        decision
        if decision.keep or _is_made_by(made_by, decision.manifest)
        else Decision(decision.manifest, keep=True, reason=f"{decision.reason}, but not made by {made_by}")
        for decision in decisions
    ]


def _is_made_by(maker: str, manifest: Manifest | None) -> bool:
    return manifest is not None and (manifest.trigger, manifest.asked_by) == ("manual", maker)


def due(
    backups: list[Manifest], trash: list[Trashed], policy: Policy, now: datetime, made_by: str | None = None
) -> list[Due]:
    """What has lain in the trash for its days, and of each token's own backups all but as many as are kept, the last deleted.

    Whoever makes backups and deletes them could fill the storage otherwise. With `made_by` only what that one made by hand.
    That days are over is believed once backups say so as well: a clock that is set forward empties no trash.
    """
    dues, seen = [], Counter[Pool]()
    certain = _certain(backups, now) if trash else None
    for trashed in sorted(trash, key=lambda trashed: trashed.deleted_at, reverse=True):
        if made_by and not _is_made_by(made_by, trashed.manifest):
            continue
        pool = pool_of(trashed.manifest) if trashed.manifest else None
        seen.update([pool] if pool else [])
        if _is_over(trashed, policy, now, certain):
            dues.append(
                Due(
                    trashed,
                    f"in the trash since {trashed.deleted_at:%Y-%m-%d}, where it is kept for {policy.trash_days} days",
                )
            )
        elif pool and is_token(pool.maker) and seen[pool] > policy.keep_manual:
            dues.append(Due(trashed, f"in the trash, older there than the {policy.keep_manual} last {pool.words}"))
    return dues


def doubtful(backups: list[Manifest], trash: list[Trashed], policy: Policy, now: datetime) -> list[Trashed]:
    """What this machine's clock alone would empty the trash of."""
    certain = _certain(backups, now) if trash else None
    by_the_clock = (trashed for trashed in trash if now >= trashed.goes_at(policy.trash_days))
    return [trashed for trashed in by_the_clock if not _is_over(trashed, policy, now, certain)]


def _is_over(trashed: Trashed, policy: Policy, now: datetime, certain: datetime | None) -> bool:
    goes_at = trashed.goes_at(policy.trash_days)
    return now >= goes_at and (policy.trash_days == 0 or (certain is not None and certain >= goes_at))


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


def _newest_first(manifests: Iterable[Manifest]) -> list[Manifest]:
    return sorted(manifests, key=lambda manifest: (manifest.created_at, manifest.name), reverse=True)


def _certain(backups: list[Manifest], now: datetime) -> datetime | None:
    """A moment that has surely come: some source was backed up twice at or after it.

    One backup may have been made, and this be asked, by a clock that runs ahead.
    """
    made: defaultdict[Scope, list[datetime]] = defaultdict(list)
    for backup in backups:
        if backup.kind != "adopted" and not backup.is_ahead(now):
            made[backup.scope].append(backup.created_at)
    return max((sorted(moments)[-2] for moments in made.values() if len(moments) > 1), default=None)


def _set_apart(manifest: Manifest, now: datetime) -> Decision | None:
    """Backups that are kept in any case, and count for nothing."""
    if manifest.pinned:
        reason = f"pinned: {manifest.pin_reason}" if manifest.pin_reason else "pinned"
        return Decision(manifest, keep=True, reason=reason)
    if manifest.is_ahead(now):
        return Decision(manifest, keep=True, reason="dated in the future: until then it neither counts nor goes")
    return None


def _decide_undo(undo: Manifest, look: _Look) -> Decision:
    days = look.policy.undo_days
    over = look.certain is not None and look.certain - undo.created_at >= timedelta(days=days)
    decision = Decision(undo, keep=not over, reason=f"a restore can be undone for {days} days")
    decision = _if_needed(_set_apart(undo, look.now) or decision, look)
    if decision.keep:
        look.needed.setdefault(undo.restored, f"needed by {undo.name}, which can undo its restore")
    return decision


def _if_needed(decision: Decision, look: _Look) -> Decision:
    why = look.needed.get(decision.manifest.name)
    return decision if decision.keep or why is None else Decision(decision.manifest, keep=True, reason=why)


def _decide(manifest: Manifest, look: _Look) -> Decision:
    """One backup; `look` tells what the newer ones of its pool have come to."""
    if (apart := _set_apart(manifest, look.now)) is not None:
        return apart
    pool = pool_of(manifest)
    seen = look.seen[pool]
    if manifest.kind == "partial":
        seen.partials += 1
        keep = seen.partials <= PARTIALS_KEPT
        which = f"{'one of' if keep else 'older than'} the {PARTIALS_KEPT} newest such {pool.words}"
        return Decision(manifest, keep, f"partial, {which}", counts=keep)
    most = max(look.policy.keep if pool.maker == _SCHEDULE else look.policy.keep_manual, 1)
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
