"""What a preview saw, as sums that do not depend on the order of keys: a later look tells by them whether it sees the same.

Sums are kept by kind, for a restore writes some kinds only; and by how long a key of the backup has yet to live, in powers
of two, for what has expired by the later look is missing there and is no change.
"""

from collections import defaultdict
from hashlib import blake2b
from typing import Any

from worker.engines.live import Judged
from worker.formats.compare.values import KINDS, Kind, Sides, lasts_until, parts
from worker.formats.entries import Entry
from worker.formats.rdb.codes import VARYING
from worker.formats.types import FIELDS_EXPIRE

_DIGEST_BYTES = 8
_MOST = (1 << 8 * _DIGEST_BYTES) - 1


class Fingerprint:
    """Sums that grow while keys go by. `since` is when the first look began, by the target's clock, in milliseconds."""

    def __init__(self, since: int) -> None:
        self.since = since
        self._sums: defaultdict[tuple[Kind, int], int] = defaultdict(int)

    def add(self, pair: Judged, *, expiring: bool) -> None:
        """Take in a key of the backup with the live one; `expiring` says whether its own time is what it expires by.

        Identical keys need not be added: they are all others of the backup.
        """
        backup, live, kind, sides = pair
        if kind in ("expired", "identical"):
            return
        moment = lasts_until(backup) if expiring else None
        what, value = _name(backup), b""
        # `new` has no live key, and `expiry` has the backup's value. Live expiry times move all the time in a cache:
        # what counts is whether there is one.
        if kind in ("differs", "expiry") and live is not None:
            what += b"stays" if live.expires_at is None else b"expires"
        if kind == "differs" and live is not None:
            if live.payload and live.payload[0] not in VARYING:
                value = live.payload
            else:
                self._add_parts(moment, live, sides)
        self._add(kind, moment, what, value)

    def add_deleted(self, live: Entry) -> None:
        """Take in a live key that would be deleted, one that does not expire by itself."""
        self._add("deleted", None, _name(live))

    def _add_parts(self, moment: int | None, live: Entry, sides: Sides) -> None:
        name = _name(live)
        for part, content in parts(live, sides.live, sides.now).items():
            until = content[1] if live.type in FIELDS_EXPIRE and isinstance(content, tuple) else None
            soonest = min((end for end in (moment, until) if end is not None), default=None)
            self._add("differs", soonest, name + repr((part, content)).encode())

    def _add(self, kind: Kind, moment: int | None, what: bytes, value: bytes = b"") -> None:
        summed = blake2b(what, digest_size=_DIGEST_BYTES)
        # Hashed apart, because joining them would copy a value that may be huge.
        summed.update(value)
        digest = int.from_bytes(summed.digest(), "little")
        place = kind, 0 if moment is None else _span(moment - self.since)
        self._sums[place] = self._sums[place] + digest & _MOST

    def as_dict(self) -> dict[str, Any]:
        """For results, as JSON can carry it."""
        sums: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for (kind, span), value in sorted(self._sums.items()):
            sums[kind][str(span)] = f"{value:x}"
        return {"since": self.since, "sums": dict(sums)}


def others(before: dict[str, Any], now: dict[str, Any], until: int) -> set[Kind]:
    """The kinds whose keys or values have changed since; `until` is when the later look ended."""
    passed = _span(until - before["since"])
    earlier, later = (_lasting(seen["sums"], passed) for seen in (before, now))
    return {kind for kind in KINDS if earlier.get(kind) != later.get(kind)}


def _lasting(sums: dict[str, dict[str, str]], passed: int) -> dict[str, frozenset[tuple[str, str]]]:
    """The sums of keys that cannot have expired by then."""
    kept = {
        kind: frozenset((span, value) for span, value in spans.items() if span == "0" or int(span) > passed)
        for kind, spans in sums.items()
    }
    return {kind: spans for kind, spans in kept.items() if spans}


def _span(milliseconds: int) -> int:
    return max(1, milliseconds).bit_length()


def _name(entry: Entry) -> bytes:
    return b"%d:%d:%b" % (entry.db, len(entry.key), entry.key)
