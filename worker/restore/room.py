"""Whether a target has the memory for a restore, found out before anything is written.

Three looks, each only where the one before leaves a doubt: what the source used for the same data, what each key costs
as if none were there, and what each costs beside the live one. At a target that would throw its own keys out, some keys
of the backup are tried there at last.
"""

from dataclasses import dataclass

from worker.config.settings import Settings
from worker.errors import RefusedError
from worker.restore import sampling
from worker.restore.preview.preview import Look
from worker.restore.target import headroom
from worker.restore.target.headroom import verdict
from worker.restore.target.job import Job
from worker.restore.target.needs import Needs

TIMES = 2
"""Another server needs at the most so many times what the source used for the same data."""


@dataclass(frozen=True)
class Room:
    """The look at the target's room for one restore; with `force` there is none."""

    settings: Settings
    job: Job
    force: bool

    def check(self, *, whole: bool) -> None:
        """RefusedError where it would not fit, or might not and the target would throw keys out. With a doubt only, a
        warning. `whole`: the target loads the backup as one file, in the place of all that it holds. Raises what a preview
        raises.
        """
        if self.force:
            return
        facts = self.job.target.facts
        used = facts.bare_memory if whole else None
        if self._surely(used):
            return
        needs = self._walk()
        tight = self.job.target.tight = verdict(facts, needs, used) != "fits"
        if tight and not whole:
            needs = self._beside(needs)
            if facts.evicts and verdict(facts, needs) == "unsure":
                needs = needs.refined(sampling.measured(self.job.fence, facts, needs))
        if words := headroom.refusal(facts, needs, used):
            raise RefusedError(words, risk=headroom.risk(facts))
        if words := headroom.doubt(facts, needs, used):
            self.job.report.warn(words)

    def _beside(self, alone: Needs) -> Needs:
        """What the keys cost beside the live ones; `alone` is what they cost an empty target."""
        plan = self.job.plan
        if plan.request.kinds is None and not any(self.job.target.facts.keys.values()):
            return alone
        look = Look(self.settings, plan)
        look.compare(self.job.progress)
        return look.findings.needs

    def _surely(self, used: int | None) -> bool:
        """Whether there is so much room that nothing has to be reckoned."""
        facts, plan = self.job.target.facts, self.job.plan
        if not facts.max_memory:
            return True
        if plan.manifest.memory is None or plan.request.moved:
            return False
        in_use = facts.counted_memory + facts.growing_memory if used is None else used
        return in_use + TIMES * plan.manifest.memory <= facts.max_memory

    def _walk(self) -> Needs:
        """What the keys of the backup cost, as if none of them were there."""
        target, plan = self.job.target, self.job.plan.as_of_now()
        stream = self.job.fitted(plan.stream())
        needs = Needs(target.footprint, {} if plan.request.deletes else target.facts.keys)
        done, expected = 0, plan.expected_keys
        for batch in stream.batches():
            for entry in batch:
                if entry.expires_at is None or entry.expires_at > plan.at:
                    needs.add(entry, stream.rdb_version)
            done += len(batch)
            self.job.progress("reckoning", done, expected, "keys")
        return needs
