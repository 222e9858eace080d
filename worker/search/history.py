"""The versions of one key in the order of time, and what changed from each to the next."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from worker.errors import BackupSystemError, StoppedError
from worker.formats.compare import values
from worker.formats.entries import Entry
from worker.search.indexing import index
from worker.search.places import Place, Version

CHANGES = ("first", "new", "identical", "expiry", "differs", "gone", "expired", "absent")
"""Compared with the place before: nothing to compare with; not there before; the same; the same but for its expiry; of another
value; no longer there; no longer there, because its time was over; not there either.
"""

_NO_CLOCK = float("-inf")
"""By this clock nothing has expired: values are compared as they were kept."""

Row = dict[str, Any]


class Held(NamedTuple):
    """A version with its value."""

    version: Version
    entry: Entry


def rows(db: int, looked: Iterable[tuple[Place, Version | None]], problems: list[str]) -> Iterator[Row]:
    """Yield what each place has of the key, newest first: `{where, at, of, type, bytes, expires_at, change}`.

    Values are read only where digests differ, and two at a time are held. What cannot be read becomes a problem.
    """
    later: tuple[Place, Held | None] | None = None
    for place, version in looked:
        try:
            state = None if version is None else held(version, later[1] if later else None)
        except BackupSystemError as error:
            problems.append(problem(place, error))
            continue
        if state is None and not place.covers(db):
            continue
        if later is not None:
            yield row(*later) | {"change": _change(state, *later)}
        later = place, state
    if later is not None:
        yield row(*later) | {"change": "first" if later[1] else "absent"}


def held(version: Version, other: Held | None = None) -> Held | None:
    """The version with its value, which is read unless the other one has the same; None where it is another key's."""
    if other is not None and other.version.same_bytes(version):
        return Held(version, other.entry._replace(expires_at=version.expires_at))
    entry = version.read()
    return None if entry is None else Held(version, entry)


def _change(before: Held | None, place: Place, now: Held | None) -> str:
    if now is None:
        return "absent" if before is None else lost(before.entry, place.read_by)
    if before is None:
        return "new"
    return values.judged(now.entry, before.entry, sides(now.version, before.version))


def lost(entry: Entry, read_by: float) -> str:
    """How a key went that was missing when the next place was read, at `read_by`, in milliseconds since the epoch."""
    return "expired" if entry.expires_at is not None and entry.expires_at <= read_by else "gone"


def problem(place: Place, error: BackupSystemError) -> str:
    """What is wrong with a place, with its name. Raises StoppedError again: of a run that is to end no place is at fault."""
    if isinstance(error, StoppedError):
        raise error
    return str(error) if error.of == place.name else f"{place.name}: {error}"


def sides(version: Version, other: Version | None) -> values.Sides:
    """The RDB versions by which two versions of a key are compared."""
    return values.Sides(version.rdb_version, None if other is None else other.rdb_version, _NO_CLOCK)


def row(place: Place, state: Held | None) -> Row:
    """What one place has of the key; its size is in bytes, as it is stored."""
    facts = {"where": place.name, "at": place.at.isoformat(), "of": place.address}
    if state is None:
        return facts | {"type": None, "bytes": None, "expires_at": None}
    entry = state.entry
    return facts | {"type": entry.type, "bytes": len(index.content(entry)), "expires_at": entry.expires_at}
