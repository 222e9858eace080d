"""The keys that fit a glob, a page at a time: damaged and missing ones first, each with all places that have it."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from worker.arguments.questions import SearchArguments
from worker.errors import BackupSystemError, SourceError
from worker.formats.compare.values import Kind
from worker.formats.entries import Entry
from worker.formats.key_text import LONGEST_KEY, key_bytes, key_text
from worker.progress import Progress
from worker.restore.selection.keyset import KeySet
from worker.search import history, settled
from worker.search.alive import Alive
from worker.search.page import Page
from worker.search.page import Place as Order
from worker.search.places import Fits, Place, Stored, by_server
from worker.search.settled import Versions, seen
from worker.search.standing import Standing
from worker.server import globs

PAGE_BYTES = 1 << 20
"""The size of a page, roughly: a result is kept in the broker."""
_PLACE_BYTES = 100
"""The bytes that one place of a key takes there, roughly."""

Data = dict[str, Any]
Tell = Callable[[Place], Progress]
Item = TypeVar("Item")


class _UnreadError(Exception):
    """A place that cannot be read, and why."""

    def __init__(self, place: Place, error: BackupSystemError) -> None:
        super().__init__(str(error))
        self.place, self.error = place, error


def fitting(places: list[Place], arguments: SearchArguments, problems: list[str], tell: Tell) -> Data:
    """One page of the keys that fit, each with all places that have it. Unreadable places are left out and become problems.

    Each artifact is read once, the newest one twice. Memory does not grow with the number of keys.
    """
    while True:
        try:
            with Standing(ranked=any(isinstance(place, Alive) for place in places)) as standing, KeySet() as unnamed:
                return _Sweep(places, arguments, tell, standing, unnamed).result(problems)
        except _UnreadError as unread:
            # Its keys so far may have pushed others off the page, so all begins anew without it.
            problems.append(history.problem(unread.place, unread.error))
            places = [place for place in places if place is not unread.place]


class _Sweep:
    """One pass over all places, newest first."""

    def __init__(
        self, places: list[Place], arguments: SearchArguments, tell: Tell, standing: Standing, unnamed: KeySet
    ) -> None:
        self._places, self._tell, self._standing, self._unnamed = places, tell, standing, unnamed
        self._match, self._databases = arguments.match or "", arguments.databases
        self._page: Page[Versions] = Page(arguments.limit, PAGE_BYTES, _order(arguments.after))
        self._live = next((place for place in places if isinstance(place, Alive)), None)
        self._beside = {} if self._live is None else _newest(places, self._live)

    def result(self, problems: list[str]) -> Data:
        if self._live is not None:
            self._compare(self._live)
        for number, place in enumerate(self._places):
            self._pass_over(number, place)
        if self._live is not None:
            self._settle(self._live)
        total, absent = self._standing.total()
        exact = not problems
        if too_long := self._unnamed.distinct():
            what = "key fits, and is" if too_long == 1 else "keys fit, and are"
            problems.append(f"{too_long:,} {what} too long to be named here.")
        orders = [order for order in self._page.places() if self._page.kept[order]]
        return {
            "match": self._match,
            "keys": [self._summary(order) for order in orders],
            "total": total,
            "exact": exact,
            "differing": self._standing.differing,
            "gone": self._standing.lost,
            "absent": None if self._live is None else absent,
            "more": self._page.more,
            "next": _cursor(self._page.places()[-1]) if self._page.more else None,
            "looked_through": [place.name for place in self._places],
        }

    def _compare(self, live: Alive) -> None:
        """Find what differs from the newest backup, or has gone since."""
        for stored in dict.fromkeys(self._beside.values()):
            for judged in _read(stored, self._judged(stored, live)):
                self._standing.compared(judged)

    def _judged(self, stored: Stored, live: Alive) -> Iterator[list[tuple[Kind, Entry]]]:
        databases = frozenset(db for db, backup in self._beside.items() if backup is stored)
        wanted = databases if self._databases is None else self._databases & databases
        with stored.read(self._tell(stored), globs.compiled(self._match.encode()).fullmatch) as stream:
            chosen = Fits(stream, self._match, wanted)
            yield from _read(live, live.beside(chosen, stored.databases()), SourceError)

    def _pass_over(self, number: int, place: Place) -> None:
        live, rdb_version = place is self._live, place.rdb_version
        rank = self._standing.live if live else self._standing.stored
        kept, fits = self._page.kept, self._page.fits
        for batch in _read(place, place.fitting(self._match, self._databases, self._tell(place))):
            for entry in batch:
                db, key = entry.db, entry.key
                if len(key) > LONGEST_KEY:
                    self._unnamed.add(db, [key])
                order = (rank(db, key), db, key)
                versions = kept.get(order)
                if versions is None:
                    if not fits(order) or len(key) > LONGEST_KEY:
                        continue
                    versions = {}
                    self._page.add(order, len(key) + _PLACE_BYTES * len(self._places), versions)
                if not live:
                    versions[number] = seen(entry, rdb_version, versions)

    def _settle(self, live: Alive) -> None:
        """Read the live keys of the page at once; what has gone by now counts as not there."""
        number = self._places.index(live)
        by_key = {(db, key): versions for (_, db, key), versions in self._page.kept.items()}
        for entry, rdb_version in _read(live, live.read(list(by_key))):
            versions = by_key[entry.db, entry.key]
            versions[number] = seen(entry, rdb_version, versions)

    def _summary(self, order: Order) -> Data:
        """One key in all places."""
        _, db, key = order
        versions, live = self._page.kept[order], self._live
        summary = settled.summary(db, key, versions, self._places)
        ours = {number: self._places[number].name for number in by_server(self._places)[0]}
        if live is None or versions.keys().isdisjoint(ours):
            return summary | {"live": None}
        beside = self._beside.get(db)
        newest = None if beside is None else versions.get(self._places.index(beside))
        changes = [change for change in summary["changes"] if change["where"] in ours.values()]
        now = versions.get(self._places.index(live))
        return summary | {"live": settled.beside(newest, now, live.read_by, changes)}


def _newest(places: list[Place], live: Alive) -> dict[int, Stored]:
    """For each database the newest backup that covers it, of the same server where there is one."""
    stored = sorted(
        (backup for backup in places if isinstance(backup, Stored)), key=lambda backup: backup.address != live.address
    )
    databases = {db for place in places for db in place.databases()}
    newest = {db: next((backup for backup in stored if backup.covers(db)), None) for db in databases}
    return {db: backup for db, backup in newest.items() if backup is not None}


def _read(place: Place, items: Iterator[Item], kind: type[BackupSystemError] = BackupSystemError) -> Iterator[Item]:
    """Yield the same items; an error of that kind is the place's."""
    try:
        yield from items
    except kind as error:
        raise _UnreadError(place, error) from None


def _order(cursor: str | None) -> Order | None:
    if cursor is None:
        return None
    rank, db, key = cursor.split(":", 2)
    return int(rank), int(db), key_bytes(key)


def _cursor(order: Order) -> str:
    rank, db, key = order
    return f"{rank}:{db}:{key_text(key)}"
