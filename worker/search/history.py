"""The versions of one key in the order of time, and what changed from each to the next."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from worker.errors import BackupSystemError
from worker.formats.compare import values
from worker.formats.entries import Entry
from worker.search import index
from worker.search.places import Place, Version

CHANGES = ("first", "new", "identical", "expiry", "differs", "gone", "expired", "absent")
"""Against the place before: nothing to compare with; not there before; the same; the same but for its expiry; of another
value; no longer there; no longer there, and its time was over; not there either.
"""

_NO_CLOCK = float("-inf")
"""By which nothing has expired: it is compared what was kept, not what would come back."""

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
            found = None if version is None else held(version, later[1] if later else None)
        except BackupSystemError as error:
            problems.append(problem(place, error))
            continue
        if found is None and not place.covers(db):
            continue
        if later is not None:
            yield row(*later) | {"change": _change(found, *later)}
        later = place, found
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
    """How a key went that is not there any more when the next place was read, in milliseconds since the epoch."""
    return "expired" if entry.expires_at is not None and entry.expires_at <= read_by else "gone"


def problem(place: Place, error: BackupSystemError) -> str:
    """What is wrong there, with the name of the place."""
    return str(error) if error.of == place.name else f"{place.name}: {error}"


def sides(one: Version, other: Version | None) -> values.Sides:
    """With what two versions are compared."""
    return values.Sides(one.rdb_version, None if other is None else other.rdb_version, _NO_CLOCK)


def row(place: Place, found: Held | None) -> Row:
    """What one place has of the key; its size is in bytes, as it is stored."""
    about = {"where": place.name, "at": place.at.isoformat(), "of": place.address}
    if found is None:
        return about | {"type": None, "bytes": None, "expires_at": None}
    entry = found.entry
    return about | {"type": entry.type, "bytes": len(index.content(entry)), "expires_at": entry.expires_at}
