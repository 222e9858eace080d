"""The way back from a restore, key by key: what it wrote, what was there before, and what is there now.

A key that is as the restore wrote it becomes what it was. One that is as it was already needs nothing. Anything else was
changed by others since, and is theirs.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from worker.compare import Sides, expired, judged, same_expiry
from worker.entries import Entry, EntryStream
from worker.errors import ArtifactError
from worker.facts import Facts
from worker.formats.values import decode
from worker.keyset import KeySet
from worker.present import Plan
from worker.request import stream_of
from worker.selection import key_text
from worker.sources.keys import Keys
from worker.surplus import Surplus
from worker.target import FIRST_VERSION_WITH_ABSTTL
from worker.wire import Wire

CHUNK_KEYS, CHUNK_BYTES = 500, 1 << 20
SHOWN = 20
"""Keys that are named of those that others have changed."""

LONGEST_SHOWN = 200

Fate = Literal["as before", "undone", "theirs"]


class Pair(NamedTuple):
    """One key that a restore has dealt with."""

    db: int
    key: bytes
    before: Entry | None
    wrote: Entry | None
    """None where it was deleted, or had expired."""


class Pairs:
    """All that a restore has dealt with: its stream and what was kept, in the same order, walked side by side; once."""

    def __init__(self, plan: Plan, kept: EntryStream, *, values: bool) -> None:
        self.plan, self.kept = plan, kept
        self.restored = stream_of(plan.file, plan.backup, plan.request, plan.at, values=values)
        self._entries = (entry for batch in kept.batches() for entry in batch)
        self._next: Entry | None = None

    def each(self) -> Iterator[Pair]:
        """Yield every key that was written or deleted, those that the backup does not have at the end."""
        yield from filter(self._was_touched, self._named())
        yield from self._others()

    def check(self) -> None:
        """ArtifactError where the two do not belong together: then every key would seem to be one that was created."""
        with KeySet() if self.plan.everything else nullcontext() as named:
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
        self._next = next(self._entries, None)
        for batch in self.restored.batches():
            for entry in batch:
                gone = expired(entry, self.plan.at)
                if self.plan.everything or not gone:
                    yield Pair(entry.db, entry.key, self._before(entry), None if gone else entry)

    def _before(self, entry: Entry) -> Entry | None:
        found = self._next
        if found is None or found.key != entry.key or found.db != entry.db:
            return None
        self._next = next(self._entries, None)
        return found

    def _others(self) -> Iterator[Pair]:
        while (before := self._next) is not None:
            yield Pair(before.db, before.key, before, None)
            self._next = next(self._entries, None)

    def _was_touched(self, pair: Pair) -> bool:
        if self.plan.request.mode == "skip" and pair.before is not None:
            return False
        kinds = self.plan.request.kinds
        if kinds is None or pair.wrote is None:
            return True
        sides = Sides(self.restored.rdb_version, self.kept.rdb_version, self.plan.at)
        return judged(pair.wrote, pair.before, sides) in kinds


@dataclass
class Outcome:
    """What an undo did besides putting back, in numbers of keys; `changed` are the first of those left alone."""

    deleted: int = 0
    left_alone: int = 0
    as_before: int = 0
    changed: list[dict[str, Any]] = field(default_factory=list)

    def leave(self, db: int, key: bytes) -> None:
        """Count a key that others have changed."""
        self.left_alone += 1
        if len(self.changed) < SHOWN:
            self.changed.append({"db": db, "key": key_text(key)[:LONGEST_SHOWN]})


class WayBack:
    """The keys that are to be put back, as an EntryStream; those that the restore created are deleted as it goes.

    Each is looked at right before that. `known` is filled with them for `settle_others`. `tell` hears after every chunk how many keys have been dealt with.
    """

    def __init__(self, pairs: Pairs, facts: Facts, known: KeySet, *, force: bool, tell: Callable[[int], None]) -> None:
        self.outcome = Outcome()
        self.libraries: list[bytes] = []
        self._pairs, self._facts, self._known, self._force, self._tell = pairs, facts, known, force, tell
        self._plan, self._target = pairs.plan, pairs.plan.endpoint

    @property
    def rdb_version(self) -> int | None:
        """Of the payloads; None for a target that is too old to take them with their expiry, and gets values."""
        return self._pairs.kept.rdb_version if takes_payloads(self._facts) else None

    def batches(self) -> Iterator[list[Entry]]:
        """Yield what is to be put back, chunk by chunk."""
        done = 0
        with Keys(self._target) as keys:
            for chunk in _chunks(self._pairs.each()):
                if self._plan.everything:
                    self._known.add(chunk[0].db, [pair.key for pair in chunk])
                yield self._put_back(chunk, keys)
                done += len(chunk)
                self._tell(done)

    def _put_back(self, chunk: list[Pair], keys: Keys) -> list[Entry]:
        """The entries to be written; what was created is deleted already."""
        now, db = keys.now(), chunk[0].db
        wanted: list[Entry] = []
        doomed: list[bytes] = []
        for pair, live in zip(chunk, keys.read(db, [pair.key for pair in chunk]), strict=True):
            before = None if pair.before is None or expired(pair.before, now) else pair.before
            wrote = None if pair.wrote is None or expired(pair.wrote, now) else pair.wrote
            fate = self._fate(before, wrote, live, Sides(None, keys.rdb_version, now))
            if fate == "as before":
                self.outcome.as_before += 1
            elif fate == "theirs":
                self.outcome.leave(db, pair.key)
            elif before is None:
                doomed.append(pair.key)
            else:
                wanted.append(self._writable(before))
        self._remove(db, doomed)
        return wanted

    def _fate(self, before: Entry | None, wrote: Entry | None, live: Entry | None, sides: Sides) -> Fate:
        """What is as the restore wrote it is put back even where its value was the same: to the last byte, and with the
        times of a stream's consumers.
        """
        if _alike(before, live):
            return "as before"
        if _same(wrote, live, replace(sides, backup=self._pairs.restored.rdb_version)):
            return "undone"
        if _same(before, live, replace(sides, backup=self._pairs.kept.rdb_version)):
            return "as before"
        return "undone" if self._force else "theirs"

    def _writable(self, entry: Entry) -> Entry:
        if takes_payloads(self._facts):
            return entry
        return entry._replace(payload=None, value=decode(entry.payload or b"", self._pairs.kept.rdb_version or 0))

    def _remove(self, db: int, keys: list[bytes]) -> None:
        if not keys:
            return
        # Connected for the moment: a server may hang up on who says nothing for long.
        with Wire(self._target, db) as wire:
            self.outcome.deleted += wire.ask(self._facts.delete, *keys)

    def settle_others(self) -> None:
        """After a mirror, keys that were neither in the backup nor there before: others have made them since.

        Only once all is written: what is being built until then has a name of its own. Raises the endpoint's errors.
        """
        if not self._plan.everything:
            return
        surplus = Surplus(self._plan.request, self._plan.backup, self._known)
        with self._target.translated("looking for keys"), Wire(self._target) as scanned:
            for db, names in surplus.batches(scanned, sorted(self._facts.keys)):
                if self._force:
                    self._remove(db, names)
                else:
                    for key in names:
                        self.outcome.leave(db, key)


def takes_payloads(facts: Facts) -> bool:
    """Whether RESTORE knows ABSTTL there."""
    return facts.redis_version >= FIRST_VERSION_WITH_ABSTTL


def _alike(one: Entry | None, live: Entry | None) -> bool:
    if one is None or live is None:
        return one is live
    return one.payload == live.payload and same_expiry(one, live)


def _same(one: Entry | None, live: Entry | None, sides: Sides) -> bool:
    if one is None or live is None:
        return one is live
    return judged(one, live, sides) == "identical"


def _chunks(pairs: Iterator[Pair]) -> Iterator[list[Pair]]:
    """Yield them in lists of one database and a bounded size."""
    held: list[Pair] = []
    size = 0
    for pair in pairs:
        if held and (pair.db != held[0].db or len(held) >= CHUNK_KEYS or size >= CHUNK_BYTES):
            yield held
            held, size = [], 0
        held.append(pair)
        size += sum(len(entry.payload or b"") for entry in (pair.before, pair.wrote) if entry is not None)
    if held:
        yield held
