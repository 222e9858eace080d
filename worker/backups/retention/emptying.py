"""What leaves the trash for good, and why."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from worker.backups.retention.clock import certain
from worker.backups.retention.decision import is_made_by
from worker.backups.retention.policy import Policy
from worker.backups.retention.pools import Pool, pool_of
from worker.repository.manifest import Manifest
from worker.repository.trash import Trashed, is_token


@dataclass(frozen=True)
class Due:
    """A backup that leaves the trash for good, and the reason in words."""

    trashed: Trashed
    reason: str


def due(
    backups: list[Manifest], trash: list[Trashed], policy: Policy, now: datetime, made_by: str | None = None
) -> list[Due]:
    """What has lain in the trash for its days, and of each token's own backups all but as many as are kept, the last deleted.

    Whoever makes backups and deletes them could fill the storage otherwise. With `made_by` only what that one made by hand.
    That days are over is believed once backups say so as well: a clock that is set forward empties no trash.
    """
    dues, seen = [], Counter[Pool]()
    surely = certain(backups, now) if trash else None
    for trashed in sorted(trash, key=lambda trashed: trashed.deleted_at, reverse=True):
        if made_by and not is_made_by(made_by, trashed.manifest):
            continue
        pool = pool_of(trashed.manifest) if trashed.manifest else None
        seen.update([pool] if pool else [])
        if _is_over(trashed, policy, now, surely):
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
    surely = certain(backups, now) if trash else None
    by_the_clock = (trashed for trashed in trash if now >= trashed.goes_at(policy.trash_days))
    return [trashed for trashed in by_the_clock if not _is_over(trashed, policy, now, surely)]


def _is_over(trashed: Trashed, policy: Policy, now: datetime, certain: datetime | None) -> bool:
    goes_at = trashed.goes_at(policy.trash_days)
    return now >= goes_at and (policy.trash_days == 0 or (certain is not None and certain >= goes_at))
