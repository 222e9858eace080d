"""All that a restore has dealt with: what it wrote, and what was there before, walked side by side."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass

from worker.errors import ArtifactError
from worker.formats.compare.values import Sides, expired, judged
from worker.formats.entries import Entry, EntryStream
from worker.restore.selection.keyset import KeySet
from worker.restore.selection.plan import Plan
from worker.restore.target.commands import without_field_expiry
from worker.restore.target.loadable import Fit, fitted
from worker.restore.undo.kept import Kept, drained
from worker.restore.undo.spool import Aside

CHUNK_KEYS, CHUNK_BYTES = 500, 1 << 20


@dataclass(slots=True)
class Pair:
    """One key that a restore has dealt with. Its large values are let go as soon as they have been compared."""

    db: int
    key: bytes
    before: Entry | None
    wrote: Entry | None
    """None where it was deleted, or had expired."""
    aside: Aside | None = None
    """The payload of `before`, which has none then."""

    def whole_before(self) -> Entry | None:
        """What was there before, with its payload."""
        if self.before is None or self.aside is None:
            return self.before
        return self.before._replace(payload=self.aside.payload())


class Pairs:
    """All that a restore has dealt with: its stream, and what was kept of each key; walked once."""

    def __init__(self, plan: Plan, kept: Kept, fit: Fit | None) -> None:
        """`fit` is the target's, as which the restore wrote its keys; None where only their names are asked for."""
        self.plan, self.kept, self._kept, self._fit = plan, kept.stream, kept, fit
        stream = plan.stream(values=fit is not None)
        self.restored: EntryStream = fitted(stream, fit, plan.manifest.rdb_version) if fit else stream

    def each(self) -> Iterator[Pair]:
        """Yield every key that was written or deleted, those that the backup does not have at the end."""
        yield from filter(self._was_touched, self._named())
        if self.plan.request.deletes or not self._kept.has_more:
            yield from self._others()

    def check(self) -> None:
        """ArtifactError where the two do not belong together, because then every key would look like one that was created."""
        with KeySet() if self.plan.request.deletes else nullcontext() as named:
            for pair in self._named():
                if named is not None:
                    named.add(pair.db, [pair.key])
            for pair in self._others():
                if named is None or not named.missing(pair.db, [pair.key]):
                    raise ArtifactError(
                        "What was kept of the target does not fit the backup that was restored, so nothing was changed: "
                        "restore what was kept, by its name, instead."
                    )

    def _named(self) -> Iterator[Pair]:
        self._kept.begin()
        yield from filter(None, map(self._pair, drained(self.restored)))

    def _pair(self, entry: Entry) -> Pair | None:
        gone = expired(entry, self.plan.at)
        if gone and not self.plan.request.deletes:
            return None
        before, aside = self._kept.of(entry.db, entry.key) or (None, None)
        if self._fit and not self._fit.field_expiry:
            entry = without_field_expiry(entry, self.plan.at)
        return Pair(entry.db, entry.key, before, None if gone else entry, aside)

    def _others(self) -> Iterator[Pair]:
        for before, aside in self._kept.others():
            yield Pair(before.db, before.key, before, None, aside)

    def _was_touched(self, pair: Pair) -> bool:
        if self.plan.request.mode == "skip" and pair.before is not None:
            return False
        kinds = self.plan.request.kinds
        if kinds is None or pair.wrote is None:
            return True
        sides = Sides(self.restored.rdb_version, self.kept.rdb_version, self.plan.at)
        return judged(pair.wrote, pair.whole_before(), sides) in kinds


def chunks(pairs: Iterator[Pair]) -> Iterator[list[Pair]]:
    """Yield them in lists of one database and a bounded size, each as soon as it is full, because the next pair may be huge."""
    held: list[Pair] = []
    size = 0
    for pair in pairs:
        if held and pair.db != held[0].db:
            yield held
            held, size = [], 0
        held.append(pair)
        size += _size(pair)
        if len(held) >= CHUNK_KEYS or size >= CHUNK_BYTES:
            yield held
            held, size = [], 0
    if held:
        yield held


def _size(pair: Pair) -> int:
    size = pair.aside.size if pair.aside else 0
    return size + sum(len(entry.payload or b"") for entry in (pair.before, pair.wrote) if entry is not None)
