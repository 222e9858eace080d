"""A moment that somebody means becomes a place in a stretch, or a sentence with the moments that there are instead."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from worker.config.settings import Settings
from worker.errors import ArtifactError, NotFoundError, UsageError
from worker.formats import rdb
from worker.formats.encryption import keys_of
from worker.repository.artifact import raw_chunks
from worker.repository.manifest import Manifest
from worker.segments.chain import Stretch, readable, stretches
from worker.segments.commands import commands_in
from worker.segments.cutting import boundary, commands_between, database_at
from worker.segments.frame import commands_of
from worker.segments.marks import milliseconds
from worker.segments.recording import Recording
from worker.storage import Storage, open_storage

NONE_AT_ALL = (
    "There is no replication stream of this source to go back in: set BACKUP_STREAM_SECONDS, so that it is visited. "
    "`python -m worker list` shows the backups that there are."
)

NO_BASE = (
    "There is a replication stream of this source, and no backup by replication in it yet: make one with "
    "`python -m worker backup`. Moments can be made from then on."
)


@dataclass(frozen=True)
class Wanted:
    """What somebody means: one of these."""

    at: datetime | None = None
    offset: int | None = None
    before: str | None = None
    """The last command of that name, such as FLUSHALL."""
    history: str = ""
    """How the replication id begins that the source had at the offset; empty for any."""


@dataclass(frozen=True)
class Found:
    """A place in a stretch."""

    stretch: Stretch
    base: Manifest
    offset: int
    ms: int
    """When the stream stood there, in milliseconds."""
    accuracy_ms: int


def find(settings: Settings, wanted: Wanted) -> Recording:
    """The moment. NotFoundError names the nearest ones where there is none such; UsageError for what nobody can mean."""
    there, faults = stretches(settings)
    based = [stretch for stretch in there if stretch.bases]
    chains = [piece for stretch in based for piece in readable(stretch, faults) if piece.bases]
    if not chains:
        raise NotFoundError(" ".join([NONE_AT_ALL if not there else NO_BASE, *faults]))
    if wanted == Wanted() and chains[-1].end != based[-1].end:
        raise ArtifactError(" ".join(["The last moment cannot be made: name one before it.", *faults]))
    try:
        place = _found(chains, wanted)
    except NotFoundError as error:
        raise NotFoundError(" ".join([str(error), *faults])) from None
    storage = open_storage(settings.backup_storage)
    return recording_of(settings, storage, place)


def recording_of(settings: Settings, storage: Storage, place: Found) -> Recording:
    """What that place is made of."""
    start, stretch = place.base.source.replication_offset or 0, place.stretch
    return Recording(
        base=place.base,
        storage=storage,
        database=_database(settings, storage, place, start),
        selects=_selects(stretch, place.offset),
        offset=place.offset,
        history=stretch.history_at(place.offset) or place.base.source.replication_id or "",
        at=datetime.fromtimestamp(place.ms / 1000, UTC),
        accuracy_seconds=place.accuracy_ms / 1000,
        commands=partial(commands_between, stretch, start, place.offset),
        expiry_error_seconds=_expiry_error(stretch, start, place.offset),
    )


def _expiry_error(stretch: Stretch, start: int, end: int) -> float:
    """Half of the longest time between two visits, as each expiry is reckoned from its middle; 0 where all are absolute."""
    spans = [
        frame.until - frame.since
        for part, frame, _ in stretch.frames
        if part.segment.relative and frame.end > start and frame.start < end
    ]
    return max(spans, default=0) / 2000


def _found(chains: list[Stretch], wanted: Wanted) -> Found:
    if wanted.at is not None:
        return _at(chains, milliseconds(wanted.at))
    if wanted.offset is not None:
        return _at_offset(chains, wanted.offset, wanted.history)
    if wanted.before is not None:
        return _before(chains, wanted.before)
    last = chains[-1]
    return _place(last, last.end, last.until, 0)


def _at(chains: list[Stretch], ms: int) -> Found:
    for stretch in reversed(chains):
        if stretch.since <= ms <= stretch.until:
            return _in_time(stretch, ms)
    raise NotFoundError(_no_moment(chains, ms))


def _in_time(stretch: Stretch, ms: int) -> Found:
    """The last place that was certainly reached by then."""
    seen, offset = stretch.points[bisect_right(stretch.points, (ms, float("inf"))) - 1]
    return _place(stretch, offset, seen, ms - seen)


def _at_offset(chains: list[Stretch], offset: int, history: str) -> Found:
    within = [(stretch, _history(stretch, offset)) for stretch in chains if stretch.first <= offset <= stretch.end]
    fitting = [(stretch, of) for stretch, of in within if of.startswith(history)]
    if len({of for _, of in fitting}) > 1:
        moments = " and ".join(f"@offset:{offset}:{of[:8]}" for _, of in fitting)
        raise UsageError(
            f"The source has been at offset {offset:,} more than once, for it lost its history in between: say which is meant, of "
            f"{moments}, or name the time."
        )
    if fitting:
        last, _ = fitting[-1]
        return _by_offset(last, boundary(last, offset))
    ranges = ", ".join(f"{chain.first:,} to {chain.end:,}" for chain in chains)
    raise NotFoundError(f"There is no moment at offset {offset:,}: those that there are go from {ranges}.")


def _history(stretch: Stretch, offset: int) -> str:
    """The replication id that the source had there; of a backup at the very start of a stretch its own."""
    return stretch.history_at(offset) or stretch.bases[0].source.replication_id or ""


def _by_offset(stretch: Stretch, offset: int) -> Found:
    for _, frame, _ in stretch.frames:
        if frame.start <= offset < frame.end:
            return _place(stretch, offset, frame.since, frame.until - frame.since if offset > frame.start else 0)
    return _place(stretch, offset, stretch.until, 0)


def _before(chains: list[Stretch], word: str) -> Found:
    name = word.upper()
    if not name.isascii() or not name.replace("-", "").isalnum():
        raise UsageError(f"{word[:40]!r} is no command: name one such as FLUSHALL, or a run.")
    for stretch in reversed(chains):
        if (offset := _last_of(stretch, name)) is not None:
            return _by_offset(stretch, offset)
    raise NotFoundError(f"No {name} was seen {_reach(chains)}")


def _last_of(stretch: Stretch, name: str) -> int | None:
    """The offset before the last command of that name, and before the transaction that it is in."""
    for part, frame, place in reversed(stretch.frames):
        if not frame.commands.get(name) or frame.end <= stretch.first:
            continue
        with part.opened() as file:
            commands = commands_in(frame, commands_of(file, frame, place))
        befores = [command.before for command in commands if command.word == name.encode()]
        if befores and befores[-1] >= stretch.first:
            return befores[-1]
    return None


def _place(stretch: Stretch, offset: int, ms: int, accuracy_ms: int) -> Found:
    """With the newest backup that lies before it: then the fewest commands have to be played."""
    base = next(base for base in reversed(stretch.bases) if (base.source.replication_offset or 0) <= offset)
    return Found(stretch, base, offset, ms, accuracy_ms)


def _database(settings: Settings, storage: Storage, place: Found, offset: int) -> int:
    """What is selected behind the base: as the stream says it, else as the base does."""
    if place.offset == offset or (known := database_at(place.stretch, offset)) is None:
        return _of_base(settings, storage, place.base)
    return known


def _selects(stretch: Stretch, offset: int) -> bool:
    if offset == stretch.end and stretch.frames:
        return stretch.frames[-1][1].db_after is not None
    return database_at(stretch, offset) is not None


def _of_base(settings: Settings, storage: Storage, base: Manifest) -> int:
    """A snapshot says which database its stream has selected; of one that says nothing the stream begins with SELECT."""
    with storage.fetch(base.name) as file:
        reader = rdb.Reader(raw_chunks(file, base, keys_of(settings)), values=False)
        for _ in reader.batches():
            break
        said = reader.facts.get("repl-stream-db", "0")
    return int(said) if said.isdigit() else 0


def _no_moment(chains: list[Stretch], ms: int) -> str:
    before = [chain.until for chain in chains if chain.until < ms]
    after = [chain for chain in chains if chain.since > ms]
    nearest = []
    if before:
        nearest.append(f"the last before it is {_said(max(before))}")
    if after:
        nearest.append(f"the first behind it is {_said(min(chain.since for chain in after))}")
    why = f", for {after[0].gap}" if before and after and after[0].gap else ""
    return f"There is no moment {_said(ms)} to go back to{why}: {' and '.join(nearest)}."


def _reach(chains: list[Stretch]) -> str:
    ranges = " and ".join(f"from {_said(chain.since)} to {_said(chain.until)}" for chain in chains)
    return f"{ranges}, which is what there is of the stream."


def _said(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}.{ms % 1000:03} UTC"
