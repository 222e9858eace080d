"""The keys behind the numbers of a preview, with their values: a page at a time, each by a look of its own at the target.

Nothing is kept from one page to the next but where it ended: the keys of the backup have an order, that of its stream, so a
page goes on there and ends as soon as it is full. What a mirror would delete has that of database and name.
"""

import time
from bisect import insort
from collections.abc import Iterator
from typing import Any

import structlog

from worker.arguments.restore import DifferencesArguments
from worker.config.settings import Settings
from worker.engines.live import Live, Part
from worker.errors import UsageError
from worker.formats.compare.values import Kind, Sides
from worker.formats.entries import Entry, EntryStream, Passing
from worker.formats.key_text import key_bytes, key_text
from worker.formats.types import name_of
from worker.progress import Progress
from worker.repository.sound import sound
from worker.restore.preview.samples import Sample, sample
from worker.restore.selection.filters import prefix_of
from worker.restore.selection.keyset import KeySet
from worker.restore.selection.plan import Plan, opened
from worker.restore.selection.surplus import Had, Surplus
from worker.restore.target.target import Target
from worker.search.page import Page
from worker.server.pipeline import ask_all
from worker.server.reading.keys import Keys
from worker.server.replies import raised
from worker.server.wire import Wire

log = structlog.get_logger()

MOST_ROWS = 50
"""Differences of one key that are shown."""
ROOM = 8_192
"""Characters of one key's values that are shown beyond what is always shown of each."""
_PAGE_BYTES = 1 << 20
WRITTEN: frozenset[Kind] = frozenset(("new", "differs", "expiry"))

Found = tuple[list[Sample], str | None]
"""The keys of a page, and where the next one begins; None where there is none."""


def differences(settings: Settings, arguments: DifferencesArguments, progress: Progress) -> dict[str, Any]:
    """One page: the keys, each `{kind, db, key, type, backup, live, rows, more}`, and `next`, the `after` of the page behind it.

    Raises what a preview raises, RefusedError for what a restore would refuse because of its databases, and UsageError.
    """
    clock = time.monotonic()
    if arguments.kind == "deleted" and not arguments.deletes:
        raise UsageError("Only a mirror deletes keys: a restore in another mode leaves them.")
    with opened(settings, arguments, arguments.endpoint(settings), progress) as plan:
        find = _deleted if arguments.kind == "deleted" else _of_backup
        keys, after = find(plan, arguments, progress)
    seconds = round(time.monotonic() - clock, 3)
    log.info("differences_shown", name=plan.name, keys=len(keys), seconds=seconds)
    facts = {"name": plan.name, "mode": arguments.mode, "target": plan.endpoint.address}
    return {**facts, "keys": keys, "next": after, "seconds": seconds}


class _Wanted:
    """Which keys belong to the number: by database, type and prefix."""

    def __init__(self, arguments: DifferencesArguments) -> None:
        self._db, self._type = arguments.of_database, arguments.of_type
        self._under = None if arguments.under is None else key_bytes(arguments.under)
        self._not_under = frozenset(map(key_bytes, arguments.not_under))
        self.by_type = self._type is not None

    def __call__(self, db: int, key: bytes, type_name: str) -> bool:
        """Whether that key does."""
        prefix = prefix_of(key)
        return (
            (self._db is None or db == self._db)
            and (self._type is None or type_name == self._type)
            and (self._under is None or prefix == self._under)
            and prefix not in self._not_under
        )


class _Numbered(Passing):
    """An EntryStream of the keys behind the first `after` that are wanted, until the page is full; it numbers them all."""

    def __init__(self, stream: EntryStream, after: int, wanted: _Wanted, page: "_Page", progress: Progress) -> None:
        super().__init__(stream)
        self._after, self._wanted, self._page, self._progress = after, wanted, page, progress

    def batches(self) -> Iterator[list[Entry]]:
        """Yield the stream's batches, narrowed."""
        number = 0
        for batch in self._stream.batches():
            first, number = number + 1, number + len(batch)
            kept = [] if number <= self._after else [*self._noted(batch, first)]
            self._progress("comparing", number, None, "keys")
            yield kept
            if self._page.is_full:
                self._page.ended_early = True
                return

    def _noted(self, batch: list[Entry], first: int) -> Iterator[Entry]:
        for number, entry in enumerate(batch, first):
            if number > self._after and self._wanted(entry.db, entry.key, entry.type):
                self._page.numbers[entry.db, entry.key] = number
                yield entry


class _Page:
    """The keys with the smallest numbers, of those kinds. What is on its way to the target has a number, and nothing else."""

    def __init__(self, limit: int, kinds: frozenset[Kind]) -> None:
        self.numbers: dict[tuple[int, bytes], int] = {}
        self.ended_early = False
        self._limit, self._kinds = limit, kinds
        self._order: list[int] = []
        self._keys: dict[int, Sample] = {}
        self._has_more = False

    @property
    def is_full(self) -> bool:
        """Whether it has as many keys as it may have."""
        return len(self._order) >= self._limit

    def see(self, part: Part) -> None:
        """Take what belongs on it."""
        for entry in part.alike:
            self._add(entry, entry, "identical", None)
        for pair in part.pairs:
            self._add(pair.backup, pair.live, pair.kind, pair.sides)

    def _add(self, backup: Entry, live: Entry | None, kind: Kind, sides: Sides | None) -> None:
        number = self.numbers.pop((backup.db, backup.key))
        if kind not in self._kinds:
            return
        if self.is_full and number > self._order[-1]:
            self._has_more = True
            return
        shown = None if kind in ("identical", "expired") else sides
        insort(self._order, number)
        self._keys[number] = {"kind": kind, **sample(backup, live, shown, MOST_ROWS, ROOM)}
        while len(self._order) > self._limit:
            del self._keys[self._order.pop()]
            self._has_more = True

    def found(self) -> Found:
        """Its keys in order."""
        more = self._order and (self._has_more or self.ended_early)
        return [self._keys[number] for number in self._order], str(self._order[-1]) if more else None


def _of_backup(plan: Plan, arguments: DifferencesArguments, progress: Progress) -> Found:
    if arguments.after is not None and not arguments.after.isdecimal():
        raise UsageError(
            "That is where a page of keys ended that a mirror would delete: these begin anew, without `after`."
        )
    page = _Page(arguments.limit, WRITTEN if arguments.kind is None else frozenset((arguments.kind,)))
    target = Target(plan.endpoint, arguments.mode)
    absent = target.absent(plan.databases)
    with Keys(plan.endpoint, fields=True) as keys:
        vouched = sound(plan.as_of(keys.now()).stream(), plan.manifest, lambda *_: None)
        fitted = target.fitted(vouched, plan.manifest.rdb_version)
        stream = _Numbered(fitted, int(arguments.after or 0), _Wanted(arguments), page, progress)
        for part in Live(keys, absent).beside(stream):
            page.see(part)
    return page.found()


def _deleted(plan: Plan, arguments: DifferencesArguments, progress: Progress) -> Found:
    """Live keys that the backup does not have, by database and name; all names are looked at for each page."""
    target, wanted = Target(plan.endpoint, arguments.mode), _Wanted(arguments)
    page: Page[str] = Page(arguments.limit, _PAGE_BYTES, _order(arguments.after))
    with KeySet() as kept, Keys(plan.endpoint, fields=True) as keys:
        for _ in Had(plan.stream(values=False), kept, keys.now()).batches():
            progress("reading", 0, None, "keys")
        with plan.endpoint.translated("looking for other keys"), Wire(plan.endpoint) as wire:
            for db, names in Surplus(plan, kept).batches(wire, target.facts.keys):
                some = [name for name in names if page.fits((0, db, name))]
                types = ask_all(wire, [(b"TYPE", name) for name in some]) if wanted.by_type else [b""] * len(some)
                for name, kind in zip(some, types, strict=True):
                    type_name = name_of(raised(kind)) if wanted.by_type else ""
                    if type_name is not None and wanted(db, name, type_name) and page.fits((0, db, name)):
                        page.add((0, db, name), len(name), type_name)
        shown = [{"kind": "deleted", **one} for _, db, name in page.places() for one in _live(keys, db, name)]
    last = page.places()[-1] if page.more else None
    return shown, None if last is None else f"{last[1]}:{key_text(last[2])}"


def _live(keys: Keys, db: int, name: bytes) -> list[Sample]:
    """The live key; nothing where it has gone since."""
    now = keys.now()
    entries = [entry for entry in keys.read(db, [name]) if entry is not None]
    return [sample(None, entry, Sides(None, keys.rdb_version, now), MOST_ROWS, ROOM) for entry in entries]


def _order(after: str | None) -> tuple[int, int, bytes] | None:
    if after is None:
        return None
    db, _, key = after.partition(":")
    return 0, int(db), key_bytes(key)
