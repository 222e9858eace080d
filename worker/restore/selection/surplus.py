"""What a mirror deletes: keys of the target that the backup does not have, as far as the request reaches."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter

from worker.formats.entries import Entry, EntryStream, Passing
from worker.formats.types import name_of
from worker.restore.selection.filters import rule
from worker.restore.selection.keyset import KeySet
from worker.restore.selection.plan import Plan
from worker.server.reading.scanning import scan_keys
from worker.server.replies import raised
from worker.server.wire import Wire, pack

BATCH_KEYS = 500


class Had(Passing):
    """An EntryStream that adds its keys to a set as they pass, but for those that have expired by `at`."""

    def __init__(self, stream: EntryStream, keys: KeySet, at: float) -> None:
        super().__init__(stream)
        self._keys, self._at = keys, at

    def batches(self) -> Iterator[list[Entry]]:
        """Yield the stream's batches."""
        for batch in self._stream.batches():
            for db, group in groupby(batch, attrgetter("db")):
                self._keys.add(
                    db, (entry.key for entry in group if entry.expires_at is None or entry.expires_at > self._at)
                )
            yield batch


class Surplus:
    """The keys of a target that a plan reaches and that are not in this set."""

    def __init__(self, plan: Plan, keys: KeySet) -> None:
        self._request, self._keys, self._within = plan.request, keys, rule(plan.request)
        self._prefix, self._strip = plan.request.prefix.encode(), plan.request.strip_prefix.encode()
        self._sources = _sources(plan)

    def batches(self, wire: Wire, databases: Iterable[int]) -> Iterator[tuple[int, list[bytes]]]:
        """Yield (db, keys) out of these databases of the target, in batches that are never empty. Raises redis errors."""
        for db in databases:
            if self._sources is None or db in self._sources:
                wire.ask(b"SELECT", b"%d" % db)
                for names in scan_keys(wire, BATCH_KEYS):
                    if names_there := self._of(wire, db, names):
                        yield db, names_there

    def _of(self, wire: Wire, db: int, names: list[bytes]) -> list[bytes]:
        missing = [name for name in self._keys.missing(db, names) if name.startswith(self._prefix)]
        if not self._request.narrowed:
            return missing
        came_from = db if self._sources is None else self._sources[db]
        types = self._types(wire, missing)
        return [
            name
            for name, kind in zip(missing, types, strict=True)
            if self._within(Entry(came_from, self._strip + name[len(self._prefix) :], None, kind))
        ]

    def _types(self, wire: Wire, names: list[bytes]) -> list[str]:
        """The type of each key, None where it has gone; asked only where the request names types."""
        if self._request.types is None:
            return [""] * len(names)
        wire.send(b"".join(pack(b"TYPE", name) for name in names))
        return [name_of(raised(reply)) or "" for reply in wire.replies(len(names))]


def _sources(plan: Plan) -> dict[int, int] | None:
    """The databases of the target that are in question, each with the one of the backup that goes there; None for all.

    A backup of some databases says nothing of the others, and neither does one whose databases were sent elsewhere.
    """
    request, manifest = plan.request, plan.manifest
    taken, wanted = manifest.source.databases, request.databases
    if wanted is None and taken is None and not request.map_databases:
        return None
    named = wanted if wanted is not None else taken if taken is not None else manifest.keys_by_db
    kept = [db for db in named if taken is None or db in taken]
    return {request.map_databases.get(db, db): db for db in kept}
