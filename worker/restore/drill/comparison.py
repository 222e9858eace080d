"""A server beside the backup that it was given: every key is there, of its type and expiry; values are those of the backup."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Any, Literal

from redis.exceptions import ResponseError

from worker.engines.live import Live
from worker.formats.compare.values import Sides, expired, parts
from worker.formats.entries import Entry, EntryStream, Passing
from worker.formats.tally import Tally
from worker.formats.types import FIELDS_EXPIRE, name_of
from worker.progress import Progress
from worker.repository.sound import Damage, sound
from worker.restore.selection.plan import Plan
from worker.restore.target.report import FAILURES_SHOWN, shown
from worker.restore.target.target import Target
from worker.server.info import info, keyspace
from worker.server.pipeline import GoneError, ask_all
from worker.server.reading.expiry import Window, expiry, expiry_commands
from worker.server.reading.keys import Keys
from worker.server.replies import raised
from worker.server.wire import Wire

SAMPLE_KEYS = 1000
"""Of so many keys the values are compared, where not all are."""
CLOSE_MS = 10
"""Before Redis 7.0 a server tells an expiry to within a few milliseconds only."""

What = Literal["missing", "type", "expiry", "value"]
_WORDS: dict[What, tuple[str, str]] = {
    "missing": ("1 key is missing.", "{:,} keys are missing."),
    "type": ("1 key is of another type.", "{:,} keys are of another type."),
    "expiry": ("1 key expires at another time.", "{:,} keys expire at another time."),
    "value": ("1 key has another value.", "{:,} keys have another value."),
}


@dataclass
class Comparison:
    """What a comparison saw."""

    keys: int = 0
    """That were as they should be."""
    expired: int = 0
    """Whose time was over."""
    sampled: int = 0
    """Of which the values were compared."""
    functions: int = 0
    counts: Counter[What] = field(default_factory=Counter)
    examples: list[dict[str, Any]] = field(default_factory=list)
    """The first keys that were not, as a restore's report names them."""
    others: list[str] = field(default_factory=list)
    """What else was not, in sentences."""
    damage: Damage = field(default_factory=Damage)
    """Values of an adopted file that no server is given."""

    def differ(self, entry: Entry, what: What) -> None:
        """Count a key that is not as it should be."""
        self.counts[what] += 1
        if len(self.examples) < FAILURES_SHOWN:
            words = _WORDS[what][0].removeprefix("1 key ").rstrip(".")
            self.examples.append({"db": entry.db, "key": shown(entry.key), "type": entry.type, "error": words})

    @property
    def differs(self) -> list[str]:
        """What was not as it should be, in sentences that name no key."""
        counted = [words[number != 1].format(number) for what, words in _WORDS.items() if (number := self.counts[what])]
        return [*counted, *self.others]


def compare(plan: Plan, seed: int, progress: Progress, *, full: bool) -> Comparison:
    """Pass over the backup once, each key beside the server's; raises the endpoint's errors, ArtifactError.

    Values are compared of all keys, or of a sample that is drawn with `seed`.
    """
    seen, tally = Comparison(), Tally()
    total = plan.manifest.keys or 0
    share = 1.0 if full or total <= SAMPLE_KEYS else SAMPLE_KEYS / total
    with Keys(plan.endpoint, fields=True) as keys, _Glance(plan, keys, seen) as glance:
        stream = sound(plan.stream(), plan.manifest, seen.damage.add)
        fitted = Target(plan.endpoint, "overwrite").fitted(stream, plan.manifest.rdb_version)
        drawn = _Drawn(fitted, glance, tally, random.Random(seed), share)  # noqa: S311 - a sample is no secret
        for part in Live(keys).beside(drawn):
            seen.keys += len(part.alike)
            for pair in part.pairs:
                _judge(seen, pair.backup, pair.kind, pair.sides)
            seen.sampled += len(part.alike) + len(part.pairs)
            progress("comparing", tally.keys, total or None, "keys")
        glance.look_beyond(tally)
    _compare_with_manifest(seen, tally, plan)
    seen.functions = _compare_functions(seen, fitted.libraries, plan)
    return seen


def _judge(seen: Comparison, entry: Entry, kind: str, sides: Sides) -> None:
    if kind == "identical":
        seen.keys += 1
    elif kind == "expired" or (kind == "new" and _is_over(entry, sides)):
        seen.expired += 1
    elif kind == "expiry":
        seen.differ(entry, "expiry")
    else:
        seen.differ(entry, "missing" if kind == "new" else "value")


def _is_over(entry: Entry, sides: Sides) -> bool:
    """Whether there is nothing left of it: a hash goes with the last of its fields."""
    if expired(entry, sides.now):
        return True
    return entry.type in FIELDS_EXPIRE and not parts(entry, sides.backup, sides.now)


class _Drawn(Passing):
    """An EntryStream of a sample; at all others somebody takes a glance."""

    def __init__(self, stream: EntryStream, glance: "_Glance", tally: Tally, dice: random.Random, share: float) -> None:
        super().__init__(stream)
        self._glance, self._tally, self._dice, self._share = glance, tally, dice, share

    def batches(self) -> Iterator[list[Entry]]:
        """Yield the stream's batches, narrowed."""
        for batch in self._stream.batches():
            self._tally.add(batch)
            drawn = [self._dice.random() < self._share for _ in batch]
            self._glance.at(
                [entry for entry, is_drawn in zip(batch, drawn, strict=True) if not is_drawn], self.rdb_version
            )
            yield [entry for entry, is_drawn in zip(batch, drawn, strict=True) if is_drawn]


class _Glance:
    """A look at keys, on a connection of its own: whether each is there, its type, its expiry."""

    def __init__(self, plan: Plan, keys: Keys, seen: Comparison) -> None:
        self._plan, self._keys, self._seen, self._db = plan, keys, seen, 0
        self._now = 0

    def __enter__(self) -> "_Glance":
        self._now = self._keys.now()
        with self._plan.endpoint.translated("comparing keys"):
            self._wire = Wire(self._plan.endpoint)
        return self

    def __exit__(self, *_: object) -> None:
        self._wire.__exit__(None, None, None)

    def at(self, entries: list[Entry], rdb_version: int | None) -> None:
        """Look at these."""
        with self._plan.endpoint.translated("comparing keys"):
            for db, group in groupby(entries, attrgetter("db")):
                if db != self._db:
                    self._wire.ask(b"SELECT", b"%d" % db)
                    self._db = db
                self._at([*group], Sides(rdb_version, None, self._keys.now()))

    def _at(self, entries: list[Entry], sides: Sides) -> None:
        asked = [[(b"TYPE", entry.key), *expiry_commands(entry.key, self._keys.able)] for entry in entries]
        answers = ask_all(self._wire, [command for commands in asked for command in commands])
        width = len(asked[0])
        for place, entry in enumerate(entries):
            kind, *times = answers[place * width : (place + 1) * width]
            self._see(entry, name_of(raised(kind)), times, sides)

    def _see(self, entry: Entry, kind: str | None, times: list[Any], sides: Sides) -> None:
        seen = self._seen
        try:
            window = expiry(times) if kind is not None else None
        except GoneError:
            kind = None
        if kind is None:
            now = Sides(sides.backup, None, self._keys.now())
            _judge(seen, entry, "new", now)
        elif kind != entry.type:
            seen.differ(entry, "type")
        elif not _fits(entry.expires_at, window):
            seen.differ(entry, "expiry")
        else:
            seen.keys += 1

    def look_beyond(self, tally: Tally) -> None:
        """Whether there are keys that the backup does not have."""
        with self._plan.endpoint.translated("counting keys"):
            there = {db: counts["keys"] for db, counts in keyspace(info(self._wire)).items()}
        for db, number in sorted(there.items()):
            if (more := number - sum(tally.by_db.get(db, {}).values())) > 0:
                self._seen.others.append(f"Database {db} holds {more:,} more than the backup.")


def _fits(expires_at: int | None, window: Window | None) -> bool:
    if expires_at is None or window is None:
        return expires_at is None and window is None
    return window.earliest - CLOSE_MS <= expires_at <= window.latest + CLOSE_MS


def _compare_with_manifest(seen: Comparison, tally: Tally, plan: Plan) -> None:
    """By database and type: what was looked at is all of what the manifest says."""
    manifest = plan.manifest
    if manifest.kind != "adopted" and tally.by_db != manifest.keys_by_db:
        seen.others.append("The keys by database and type are not those of the manifest.")


def _compare_functions(seen: Comparison, libraries: list[bytes], plan: Plan) -> int:
    """How many libraries are there as they should be."""
    if not libraries:
        return 0
    with plan.endpoint.translated("asking for functions"), Wire(plan.endpoint) as wire:
        answer = wire.try_(b"FUNCTION", b"LIST", b"WITHCODE")
    there = (
        [] if isinstance(answer, ResponseError) else [dict(zip(each[::2], each[1::2], strict=True)) for each in answer]
    )
    codes = {library.get(b"library_code") for library in there}
    lacking = sum(library not in codes for library in libraries)
    if lacking:
        seen.others.append(
            "1 library of functions is missing, or not the same."
            if lacking == 1
            else f"{lacking:,} libraries of functions are missing, or not the same."
        )
    return len(libraries) - lacking
