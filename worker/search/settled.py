"""One key that fits a glob, in all places: where it is, and what changed from each place to the next."""

from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import Any

from worker.formats.compare.values import same_expiry
from worker.formats.entries import Entry
from worker.formats.key_text import key_text
from worker.search import meaning
from worker.search.history import lost
from worker.search.meaning import Meaning
from worker.search.places import Place, by_server, form_of

_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Seen:
    """One key as it is in one place, without its value."""

    entry: Entry
    raw: tuple[str, bytes] | None
    """The form of its payload, and its digest."""
    meaning: Meaning


Versions = dict[int, Seen]
"""By the number of the place; the newest has the smallest."""


def seen(entry: Entry, rdb_version: int | None, versions: Versions) -> Seen:
    """An entry without its value. It is decoded only where none of the versions has the same bytes."""
    raw = None
    if entry.payload is not None:
        raw = form_of(rdb_version, entry.payload), blake2b(entry.payload, digest_size=_DIGEST_BYTES).digest()
    known = (version.meaning for version in versions.values() if raw is not None and version.raw == raw)
    return Seen(entry._replace(payload=None, value=None), raw, next(known, None) or meaning.of(entry, rdb_version))


def summary(db: int, key: bytes, versions: Versions, places: list[Place]) -> dict[str, Any]:
    """`{db, key, type, in, of, changes}`: the places that have it, the number that could, and where it changed.

    Each server has a history of its own; one that never had the key has none.
    """
    covering = [
        [number for number in group if number in versions or places[number].covers(db)] for group in by_server(places)
    ]
    servers = [group for group in covering if group is covering[0] or any(number in versions for number in group)]
    changes: dict[int, str] = {}
    for group in servers:
        for number, before in pairwise(group):
            changes[number] = _change(versions.get(number), versions.get(before), places[number].read_by)
        if group and group[-1] in versions:
            changes[group[-1]] = "first"
    return {
        "db": db,
        "key": key_text(key),
        "type": versions[min(versions)].entry.type,
        "in": [places[number].name for number in sorted(versions)],
        "of": sum(map(len, servers)),
        "changes": [
            {"where": places[number].name, "change": change}
            for number, change in sorted(changes.items())
            if change not in ("identical", "absent")
        ],
    }


def beside(newest: Seen | None, live: Seen | None, read_by: float, changes: list[dict[str, str]]) -> str:
    """What the live key is beside that of the newest backup, as in `history.CHANGES`; of one that is in neither, `expired`
    where the latest of its changes there says so.
    """
    change = _change(live, newest, read_by)
    return "expired" if change == "absent" and changes and changes[0]["change"] == "expired" else change


def _change(now: Seen | None, before: Seen | None, read_by: float) -> str:
    """As in `history.CHANGES`."""
    if now is None:
        return "absent" if before is None else lost(before.entry, read_by)
    if before is None:
        return "new"
    if not now.meaning.same(before.meaning):
        return "differs"
    return "identical" if same_expiry(now.entry, before.entry) else "expiry"
