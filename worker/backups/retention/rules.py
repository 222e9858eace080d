"""What the rules keep besides the newest ones: those of periods, and those of a span."""

from collections import defaultdict
from datetime import datetime, timedelta

from worker.backups.retention.decision import Decision
from worker.backups.retention.periods import counted, joined, representing
from worker.backups.retention.policy import Policy
from worker.backups.retention.pools import SCHEDULE, Lane, lane_of, pool_of
from worker.repository.manifest import Manifest


class Rules:
    """They concern the schedule's backups, those of each source by themselves; what is partial, or suspicious, stands for no period."""

    def __init__(self, newest_first: list[Manifest], policy: Policy, now: datetime, surely: datetime | None) -> None:
        """`newest_first` counts, all of it; `surely` is a moment that has come, by which a span is measured."""
        self._policy, self._surely = policy, surely
        self._periods: dict[str, list[str]] = {}
        self._counted = counted(policy, "or")
        lanes: defaultdict[Lane, list[Manifest]] = defaultdict(list)
        for backup in newest_first if self._counted else ():
            if pool_of(backup).maker == SCHEDULE and backup.kind != "partial" and not backup.suspicious:
                lanes[lane_of(backup)].append(backup)
        for lane in lanes.values():
            self._periods |= representing(lane, policy, now)

    def besides(self, decision: Decision) -> Decision:
        """The decision, with what the rules say of its backup."""
        backup = decision.manifest
        if not (self._counted or self._policy.hours) or pool_of(backup).maker != SCHEDULE:
            return decision
        reasons = [decision.reason] * decision.keep
        if self._is_young(backup):
            reasons.append(f"younger than {self._policy.hours:g} hours")
        if periods := self._periods.get(backup.name):
            reasons.append(f"the newest of {joined(periods, 'and')}")
        if reasons:
            return Decision(backup, keep=True, reason=", ".join(reasons), counts=True)
        return Decision(backup, keep=False, reason=", ".join([decision.reason, *self._otherwise(backup)]))

    def _is_young(self, backup: Manifest) -> bool:
        """By the backups, and not by this machine's clock, which may have been set forward."""
        span = timedelta(hours=self._policy.hours)
        return bool(self._policy.hours) and (self._surely is None or self._surely - backup.created_at < span)

    def _otherwise(self, backup: Manifest) -> list[str]:
        """Why no rule keeps it."""
        reasons = [f"older than {self._policy.hours:g} hours"] if self._policy.hours else []
        if self._counted and backup.kind != "partial":
            reasons.append(f"not the newest of one of the last {self._counted}")
        return reasons
