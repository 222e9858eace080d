"""A backup's entries beside the live keys of the same names: read from the target, and judged."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from worker.formats.compare.values import Kind, Sides, expired, judged
from worker.formats.entries import Entry, EntryStream
from worker.server.reading.dumps import BATCH_BYTES
from worker.server.reading.keys import Keys

_MOST_UNASKED = 1000
DIFFERING: frozenset[Kind] = frozenset(("differs", "expiry"))
"""Kinds of keys that are live, and not what the backup holds."""


class Judged(NamedTuple):
    """One key of the backup, and the live key of that name."""

    backup: Entry
    live: Entry | None
    """None where there is none, and where it was not asked for because the backup's key has expired."""
    kind: Kind
    sides: Sides


@dataclass(frozen=True, slots=True)
class Part:
    """Some entries of a backup beside what is alive of them; both lists are in the backup's order."""

    alike: list[Entry]
    """Identical to the byte. Nearly all keys are, so one comparison finds them and no Judged is made for each."""
    pairs: list[Judged]
    """The others, among which some may be of the kind `identical` as well."""


class Live:
    """A server's present state, asked for entry by entry. `absent` are databases that it does not have.

    `clock` tells what has expired, in milliseconds since the epoch: the server's own, where none is given.
    """

    def __init__(self, keys: Keys, absent: Collection[int] = (), clock: Callable[[], float] | None = None) -> None:
        self._keys, self._absent, self._now = keys, absent, clock or keys.now
        self._asked: list[Entry] = []
        # Entries that need not be asked for: of an absent database, or expired.
        self._unasked: list[Entry] = []

    def beside(self, stream: EntryStream) -> Iterator[Part]:
        """Yield a stream's entries with what is alive of them, a part at a time; to be read to the end."""
        for alive in self._keys.read_ahead(self._questions(stream)):
            entries, self._asked = self._asked[: len(alive)], self._asked[len(alive) :]
            unasked, self._unasked = self._unasked, []
            sides = Sides(stream.rdb_version, self._keys.rdb_version, self._now())
            pairs = [_pair(entry, None, sides) for entry in unasked]
            if entries == alive:
                yield Part(entries, pairs)
                continue
            both = list(zip(entries, alive, strict=True))
            pairs += [_pair(entry, live, sides) for entry, live in both if entry != live]
            yield Part([entry for entry, live in both if entry == live], pairs)

    def _questions(self, stream: EntryStream) -> Iterator[tuple[int, list[bytes]]]:
        """What `read_ahead` takes. A part without keys hands on what need not be asked for, and what is large, at once."""
        for batch in stream.batches():
            now = self._now()
            for db, group in groupby(batch, attrgetter("db")):
                for some in self._keys.cut(self._to_ask(db, list(group), now)):
                    self._asked += some
                    yield db, [entry.key for entry in some]
            if len(self._unasked) > _MOST_UNASKED or _size(batch) > BATCH_BYTES:
                yield 0, []
        yield 0, []

    def _to_ask(self, db: int, entries: list[Entry], now: float) -> list[Entry]:
        if db in self._absent:
            self._unasked += entries
            return []
        # Spelt out because it runs for every key: a payload expires with its key, so `expired` need not be called for it.
        lasting = [
            entry
            for entry in entries
            if (entry.payload is not None and ((at := entry.expires_at) is None or at > now)) or not expired(entry, now)
        ]
        if len(lasting) < len(entries):
            self._unasked += [entry for entry in entries if expired(entry, now)]
        return lasting


def _size(batch: list[Entry]) -> int:
    """The bytes of its payloads; a decoded value counts as BATCH_BYTES, because it may be of any size."""
    return sum([BATCH_BYTES if (payload := entry.payload) is None else len(payload) for entry in batch])


def _pair(entry: Entry, live: Entry | None, sides: Sides) -> Judged:
    return Judged(entry, live, judged(entry, live, sides), sides)
