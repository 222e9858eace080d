"""Only keys that are of some kinds beside the live ones."""

from collections.abc import Collection, Iterator

from worker.engines.live import DIFFERING, Live
from worker.formats.compare.values import Kind
from worker.formats.entries import Entry, EntryStream, Passing
from worker.restore.target.report import Report
from worker.server.endpoint import Endpoint
from worker.server.reading.keys import Keys


class OfKinds(Passing):
    """An EntryStream less the keys that are of another kind than these beside the live ones; those count as skipped."""

    def __init__(self, stream: EntryStream, kinds: Collection[Kind], endpoint: Endpoint, report: Report) -> None:
        super().__init__(stream)
        self._endpoint, self._report = endpoint, report
        # Expired keys pass: the writer counts them.
        self._kinds = {*kinds, "expired"}

    @property
    def libraries(self) -> list[bytes]:
        """None: only some keys are meant."""
        return []

    def batches(self) -> Iterator[list[Entry]]:
        """Yield the stream's batches, less what is not of these kinds."""
        with Keys(self._endpoint) as keys:
            for part in Live(keys).beside(self._stream):
                kept = [pair.backup for pair in part.pairs if pair.kind in self._kinds]
                passed_over = len(part.alike) + len(part.pairs) - len(kept)
                self._report.taken += passed_over
                self._report.skipped += passed_over
                differing = sum(pair.kind in DIFFERING - self._kinds for pair in part.pairs)
                self._report.differing = (self._report.differing or 0) + differing
                yield kept
