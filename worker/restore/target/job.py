"""A restore that is carried out: its plan, and what it writes with."""

from contextlib import closing
from dataclasses import dataclass, replace

from worker.formats.entries import EntryStream
from worker.progress import Progress
from worker.restore.selection.plan import Plan
from worker.restore.target.report import Report
from worker.restore.target.target import Target
from worker.server.fence import Fence


@dataclass(frozen=True)
class Job:
    """A plan that is carried out."""

    plan: Plan
    target: Target
    """The server at the plan's endpoint; its report counts what was written."""
    fence: Fence
    """All that is written there goes through it."""
    progress: Progress
    """It may raise to stop the run."""

    @property
    def report(self) -> Report:
        """What became of each key so far."""
        return self.target.report

    def begun(self) -> "Job":
        """The same, as of now by the target's clock. Raises the endpoint's errors."""
        return replace(self, plan=self.plan.as_of_now())

    def fitted(self, stream: EntryStream) -> EntryStream:
        """Keys of the backup as the target takes them. Raises the endpoint's errors."""
        return self.target.fitted(stream, self.plan.manifest.rdb_version)

    def write(self, stream: EntryStream) -> None:
        """Write key by key, and tell how many keys have an outcome. Raises what Target.restore raises, and `progress`."""
        total = self.plan.expected_keys if self.plan.request.kinds is None else None
        # Closed before its counts are told, should `progress` raise: what is on its way belongs to them.
        with closing(self.target.restore(stream, self.fence)) as written:
            for _ in written:
                self.progress("restoring", self.report.keys, total, "keys")
        self.progress("restoring", self.report.keys, total, "keys")
