"""Whether a target has the memory for a restore, found out before anything is written.

Three looks, each only where the one before leaves a doubt: what the source used for the same data, what each key costs
as if none were there, and what each costs beside the live one. At a target that would throw its own keys out, some keys
of the backup are tried there at last.
"""

from dataclasses import dataclass
from typing import BinaryIO

from worker.arguments.restore import Request
from worker.config.settings import Settings
from worker.errors import RefusedError
from worker.progress import Progress
from worker.repository.manifest import Manifest
from worker.restore import sampling
from worker.restore.preview.preview import Look
from worker.restore.selection.request import stream_of
from worker.restore.target import headroom
from worker.restore.target.headroom import verdict
from worker.restore.target.loadable import fitted
from worker.restore.target.needs import Needs
from worker.restore.target.target import Target
from worker.server.fence import Fence
from worker.server.pipeline import milliseconds
from worker.server.wire import Wire

TIMES = 2
"""So much of what the source used may another server need for the same data, at the most."""


@dataclass(frozen=True)
class Room:
    """The question for one restore. `whole`: the target loads the backup as one file, in the place of all that it holds."""

    settings: Settings
    request: Request
    manifest: Manifest
    file: BinaryIO
    target: Target
    fence: Fence

    def check(self, progress: Progress, *, whole: bool) -> None:
        """RefusedError where it would not fit, or might not and the target would throw keys out. With a doubt only, a
        warning. Raises what a preview raises.
        """
        facts = self.target.facts
        used = facts.bare_memory if whole else None
        if self._surely(used):
            return
        needs = self._walk(progress)
        self.target.tight = verdict(facts, needs, used) != "fits"
        if self.target.tight and not whole:
            needs = self._beside(needs, progress)
            if facts.evicts and verdict(facts, needs) == "unsure":
                needs = needs.refined(sampling.measured(self.fence, facts, needs))
        if words := headroom.refusal(facts, needs, used):
            raise RefusedError(words, risk=headroom.risk(facts))
        if words := headroom.doubt(facts, needs, used):
            self.target.report.warn(words)

    def _beside(self, alone: Needs, progress: Progress) -> Needs:
        """What the keys cost beside what is there; `alone` is what they do where nothing is."""
        if self.request.kinds is None and not any(self.target.facts.keys.values()):
            return alone
        look = Look(self.settings, self.request, self.manifest, self.file)
        look.compare(progress)
        return look.findings.needs

    def _surely(self, used: int | None) -> bool:
        """Whether there is so much room that nobody need reckon."""
        facts, memory = self.target.facts, self.manifest.memory
        if not facts.max_memory:
            return True
        if memory is None or self.request.moved:
            return False
        in_use = facts.counted_memory + facts.growing_memory if used is None else used
        return in_use + TIMES * memory <= facts.max_memory

    def _walk(self, progress: Progress) -> Needs:
        """What the keys of the backup cost, as if none of them were there."""
        target, manifest = self.target, self.manifest
        with self.fence.endpoint.translated("asking for the time"), Wire(self.fence.endpoint) as wire:
            now = milliseconds(wire.try_(b"TIME"))
        version = manifest.rdb_version
        stream = fitted(stream_of(self.file, manifest, self.request, now), target.fit(version), version)
        needs = Needs(target.footprint, {} if self.request.deletes else target.facts.keys)
        done, expected = 0, self.request.expected_keys(manifest)
        for batch in stream.batches():
            for entry in batch:
                if entry.expires_at is None or entry.expires_at > now:
                    needs.add(entry, stream.rdb_version)
            done += len(batch)
            progress("reckoning", done, expected, "keys")
        return needs
