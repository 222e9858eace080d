"""The way back from a restore, key by key: what it wrote, what was there before, and what is there now.

A key that is as the restore wrote it becomes what it was. One that is as it was already needs nothing. Anything else was
changed by others since, and is theirs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from worker.formats.compare.values import Sides, expired, judged, same_expiry
from worker.formats.entries import EntriesAlone, Entry
from worker.formats.key_text import key_text
from worker.formats.rdb.values import value_of
from worker.restore.selection.keyset import KeySet
from worker.restore.selection.surplus import Surplus
from worker.restore.target.job import Job
from worker.restore.target.target import FIRST_VERSION_WITH_ABSTTL
from worker.restore.undo.merge import Pair, Pairs, chunks
from worker.server.info import Facts
from worker.server.reading.keys import Keys
from worker.server.wire import Wire

SHOWN = 20
"""How many of the keys that others have changed are named."""

LONGEST_SHOWN = 200

Fate = Literal["as before", "undone", "theirs"]


@dataclass
class Outcome:
    """What an undo did besides putting back, in numbers of keys; `changed` are the first of those left alone."""

    deleted: int = 0
    left_alone: int = 0
    missing: int = 0
    """So many of those left alone are not there any more."""
    as_before: int = 0
    undeleted: int = 0
    """Keys whose deletion was on its way when it was cut off."""
    changed: list[dict[str, Any]] = field(default_factory=list)

    def leave(self, db: int, key: bytes) -> None:
        """Count a key that others have changed."""
        self.left_alone += 1
        if len(self.changed) < SHOWN:
            self.changed.append({"db": db, "key": key_text(key)[:LONGEST_SHOWN]})


class WayBack(EntriesAlone):
    """The keys that are to be put back, as an EntryStream; those that the restore created are deleted as it goes.

    Each is compared with the live key right before that. `known` is filled with them for `settle_others`.
    """

    def __init__(self, job: Job, pairs: Pairs, known: KeySet, *, force: bool) -> None:
        self.outcome = Outcome()
        self.libraries: list[bytes] = []
        self._job, self._pairs, self._known, self._force = job, pairs, known, force
        self._plan, self._facts = job.plan, job.target.facts

    @property
    def rdb_version(self) -> int | None:
        """The version of the payloads; None for a target too old for payloads with an expiry, which gets values."""
        return self._pairs.kept.rdb_version if takes_payloads(self._facts) else None

    def batches(self) -> Iterator[list[Entry]]:
        """Yield what is to be put back, chunk by chunk."""
        with Keys(self._plan.endpoint) as keys:
            for chunk in chunks(self._pairs.each()):
                if self._plan.request.deletes:
                    self._known.add(chunk[0].db, [pair.key for pair in chunk])
                yield self._put_back(chunk, keys)
                self.tell()

    def tell(self) -> None:
        """Report how many keys have been settled."""
        outcome, report = self.outcome, self._job.report
        settled = report.restored + report.failed + outcome.deleted + outcome.left_alone + outcome.as_before
        self._job.progress("undoing", settled, self._plan.expected_keys, "keys")

    def _put_back(self, chunk: list[Pair], keys: Keys) -> list[Entry]:
        """The entries to be written; what was created is deleted already."""
        undone = self._undone(chunk, keys)
        self._remove(chunk[0].db, [pair.key for pair in undone if pair.before is None])
        return [self._writable(before) for pair in undone if (before := pair.whole_before()) is not None]

    def _undone(self, chunk: list[Pair], keys: Keys) -> list[Pair]:
        """Pairs that become what they were; by then nothing that the restore wrote is held."""
        now, db = keys.now(), chunk[0].db
        undone = []
        for pair, live in zip(chunk, keys.read(db, [pair.key for pair in chunk]), strict=True):
            if pair.before is not None and expired(pair.before, now):
                pair.before = None
            if pair.wrote is not None and expired(pair.wrote, now):
                pair.wrote = None
            fate = self._fate(pair, live, Sides(None, keys.rdb_version, now))
            pair.wrote = None
            if fate == "as before":
                self.outcome.as_before += 1
            elif fate == "theirs":
                self.outcome.leave(db, pair.key)
                self.outcome.missing += live is None
            else:
                undone.append(pair)
        return undone

    def _fate(self, pair: Pair, live: Entry | None, sides: Sides) -> Fate:
        """What is as the restore wrote it is put back even where its value was the same: to the last byte, and with the
        times of a stream's consumers.
        """
        if _alike(pair, live):
            return "as before"
        if _same(pair.wrote, live, replace(sides, backup=self._pairs.restored.rdb_version)):
            return "undone"
        pair.wrote = None
        if _same(pair.whole_before(), live, replace(sides, backup=self._pairs.kept.rdb_version)):
            return "as before"
        return "undone" if self._force else "theirs"

    def _writable(self, entry: Entry) -> Entry:
        if takes_payloads(self._facts):
            return entry
        return entry._replace(payload=None, value=value_of(entry, self._pairs.kept.rdb_version or 0))

    def _remove(self, db: int, keys: list[bytes]) -> None:
        if not keys:
            return
        # A connection for this moment: a server may close one that is silent for long.
        with self._job.fence.wire(db) as wire:
            self.outcome.undeleted = len(keys)
            self.outcome.deleted += wire.ask(self._facts.delete, *keys)
            self.outcome.undeleted = 0

    def settle_others(self) -> None:
        """After a mirror, keys that were neither in the backup nor there before: others have made them since.

        Only once all is written: what is being built until then has a name of its own. Raises the endpoint's errors.
        """
        if not self._plan.request.deletes:
            return
        surplus = Surplus(self._plan, self._known)
        with self._plan.endpoint.translated("looking for keys"), Wire(self._plan.endpoint) as scanned:
            for db, names in surplus.batches(scanned, sorted(self._facts.keys)):
                if self._force:
                    self._remove(db, names)
                else:
                    for key in names:
                        self.outcome.leave(db, key)


def takes_payloads(facts: Facts) -> bool:
    """Whether RESTORE has ABSTTL there."""
    return facts.redis_version >= FIRST_VERSION_WITH_ABSTTL


def _alike(pair: Pair, live: Entry | None) -> bool:
    before = pair.before
    if before is None or live is None:
        return before is live
    same = pair.aside.equals(live.payload or b"") if pair.aside else before.payload == live.payload
    return same and same_expiry(before, live)


def _same(entry: Entry | None, live: Entry | None, sides: Sides) -> bool:
    if entry is None or live is None:
        return entry is live
    return judged(entry, live, sides) == "identical"
