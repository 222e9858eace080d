"""Some of the keys that a preview found, side by side: those that were asked for by name, and a few of each kind."""

from collections import defaultdict
from typing import Any

from worker.arguments.restore import Request
from worker.formats.compare.rows import ROWS, rows
from worker.formats.compare.values import KINDS, Kind, Sides
from worker.formats.entries import Entry, Opaque, Stream, Value, VectorSet
from worker.formats.key_text import key_text
from worker.formats.types import HOLDS, Holds
from worker.restore.selection.named import Named

SAMPLES = 5
"""Keys of each kind that are shown."""
NAMED = 20
"""Keys that were asked for by name and are shown, whatever their kind."""

Sample = dict[str, Any]


class Samples:
    """Takes all keys, and keeps what is shown."""

    def __init__(self, request: Request) -> None:
        self._by_kind: defaultdict[Kind, list[Sample]] = defaultdict(list)
        self._named: list[Sample] | None = None if request.keys is None else []
        self.named = Named(request)

    def add(self, kind: Kind, backup: Entry | None, live: Entry | None, sides: Sides) -> None:
        """Add a key; `sides` are what both values are read with."""
        if self.room(kind):
            same = kind in ("identical", "expired")
            self._by_kind[kind].append(sample(backup, live, None if same else sides))
        if self._named is not None and backup is not None:
            self.named.see(backup)
            if len(self._named) < NAMED:
                self._named.append({"kind": kind, **sample(backup, live, sides)})

    def add_alike(self, entries: list[Entry]) -> None:
        """Keys that are identical to the byte on both sides."""
        identical = self._by_kind["identical"]
        identical += [sample(entry, entry, None) for entry in entries[: SAMPLES - len(identical)]]
        if self._named is not None:
            for entry in entries:
                self.named.see(entry)
            alike = [
                {"kind": "identical", **sample(entry, entry, None)} for entry in entries[: NAMED - len(self._named)]
            ]
            self._named += alike

    def room(self, kind: Kind) -> bool:
        """Whether one more key of that kind would be shown."""
        return len(self._by_kind[kind]) < SAMPLES

    def as_dict(self) -> dict[str, Any]:
        """`named` (None where no key was), and `samples` by kind."""
        return {"named": self._named, "samples": {kind: self._by_kind[kind] for kind in KINDS if self._by_kind[kind]}}


def sample(backup: Entry | None, live: Entry | None, sides: Sides | None, most: int = ROWS, room: int = 0) -> Sample:
    """A key that is on one side at least, with what differs where `sides` are given; `most` and `room` as in `rows`."""
    shown, more = ([], 0) if sides is None else rows(backup, live, sides, most, room)
    named = [
        {"db": entry.db, "key": key_text(entry.key), "type": entry.type}
        for entry in (backup, live)
        if entry is not None
    ]
    return {**named[0], "backup": _side(backup), "live": _side(live), "rows": shown, "more": more}


def _side(entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    return {"type": entry.type, "expires_at": entry.expires_at, "bytes": size_of(entry)}


def size_of(entry: Entry) -> int:
    """The size of its value: as a server serializes it, or of what is in it."""
    return len(entry.payload) if entry.payload is not None else _content(entry.value, HOLDS.get(entry.type))


def _content(value: Value | None, holds: Holds | None) -> int:
    if value is None:
        return 0
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, Opaque):
        return len(value.dump)
    if isinstance(value, Stream):
        return sum(len(field) + len(text) for _, fields in value.entries for field, text in fields)
    if isinstance(value, VectorSet):
        return sum(len(element.name) + len(element.vector) + len(element.attributes) for element in value.elements)
    members: list[Any] = value
    if holds == "scores":
        return sum(len(member) + 8 for member, _ in members)
    if holds == "fields":
        return sum(len(field) + len(text) for field, text, _ in members)
    return sum(map(len, members))
