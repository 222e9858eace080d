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
"""Of each pool, the newest: what was read of a source that lost its data may be all that is left of it."""
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
    """Whether it is one of those for which others go."""


@dataclass(frozen=True)
class Due:
    """What is to go from the trash for good, and the reason in words."""

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
    """What the newer ones of a pool have come to."""

    kept: int = 0
    partials: int = 0
    parts: int = 0
    holds_keys: bool = False


@dataclass
class _Look:
    """What is known while the backups are gone through, newest first."""

    policy: Policy
    now: datetime
    certain: datetime | None
    needed: dict[str | None, str] = field(default_factory=dict)
    """What undos cannot do without, and why."""
    seen: defaultdict[Pool, _Seen] = field(default_factory=lambda: defaultdict(_Seen))


def policy_of(settings: Settings) -> Policy:
    """As the settings say."""
    return Policy(
        settings.backup_keep, settings.backup_keep_manual, settings.backup_undo_days, settings.backup_trash_days
    )


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
    ways_back = [_decide_undo(one, look) for one in _newest_first(undos)]
    return [_if_needed(_decide(one, look), look) for one in _newest_first(backups)] + ways_back


def narrowed(decisions: list[Decision], made_by: str) -> list[Decision]:
    """The same for somebody who may only delete what they made themselves: everything else stays."""
    return [
        one
        if one.keep or _is_made_by(made_by, one.manifest)
        else Decision(one.manifest, keep=True, reason=f"{one.reason}, but not made by {made_by}")
        for one in decisions
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
    found, seen = [], Counter[Pool]()
    certain = _certain(backups, now)
    for one in sorted(trash, key=lambda one: one.deleted_at, reverse=True):
        if made_by and not _is_made_by(made_by, one.manifest):
            continue
        pool = pool_of(one.manifest) if one.manifest else None
        seen.update([pool] if pool else [])
        if _is_over(one, policy, now, certain):
            found.append(
                Due(one, f"in the trash since {one.deleted_at:%Y-%m-%d}, where it is kept for {policy.trash_days} days")
            )
        elif pool and is_token(pool.maker) and seen[pool] > policy.keep_manual:
            found.append(Due(one, f"in the trash, older there than the {policy.keep_manual} last {pool.words}"))
    return found


def doubtful(backups: list[Manifest], trash: list[Trashed], policy: Policy, now: datetime) -> list[Trashed]:
    """What this machine's clock alone would empty the trash of."""
    certain = _certain(backups, now)
    by_the_clock = (one for one in trash if now >= one.goes_at(policy.trash_days))
    return [one for one in by_the_clock if not _is_over(one, policy, now, certain)]


def _is_over(one: Trashed, policy: Policy, now: datetime, certain: datetime | None) -> bool:
    goes_at = one.goes_at(policy.trash_days)
    return now >= goes_at and (policy.trash_days == 0 or (certain is not None and certain >= goes_at))


def replacements(decisions: list[Decision]) -> list[Manifest]:
    """The newest backup of each pool that loses one: of good ones if it has any."""
    losing = {pool_of(one.manifest) for one in decisions if not one.keep and one.manifest.kind != "undo"}
    newest: dict[Pool, Manifest] = {}
    for kinds in (("backup", "adopted"), ("part",), ("partial",)):
        for one in decisions:
            pool = pool_of(one.manifest)
            if one.counts and one.manifest.kind in kinds and pool in losing:
                newest.setdefault(pool, one.manifest)
    return [*newest.values()]


def _newest_first(manifests: Iterable[Manifest]) -> list[Manifest]:
    return sorted(manifests, key=lambda manifest: (manifest.created_at, manifest.name), reverse=True)


def _certain(backups: list[Manifest], now: datetime) -> datetime | None:
    """A moment that has surely come: some source was backed up twice at or after it.

    One backup may have been made, and this be asked, by a clock that runs ahead.
    """
    made: defaultdict[Scope, list[datetime]] = defaultdict(list)
    for one in backups:
        if one.kind != "adopted" and not one.is_ahead(now):
            made[one.scope].append(one.created_at)
    return max((sorted(moments)[-2] for moments in made.values() if len(moments) > 1), default=None)


def _set_apart(manifest: Manifest, now: datetime) -> Decision | None:
    """What is kept whatever else there is, and counts for nothing."""
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
