"""Where entries go instead: another target, other databases, other names, other expiry times."""

import time
from collections.abc import Iterator
from typing import Any

from worker.arguments.redirection import Redirection
from worker.formats import types
from worker.formats.entries import Entry, EntryStream, Passing
from worker.formats.rdb.codes import FIELDS_EXPIRE
from worker.formats.rdb.values import value_of
from worker.repository.manifest import Manifest


class Redirected(Passing):
    """An EntryStream whose keys go elsewhere. `now` and the times of entries are milliseconds since the epoch."""

    def __init__(self, stream: EntryStream, way: Redirection, manifest: Manifest, now: float | None = None) -> None:
        super().__init__(stream)
        self._way = way
        self._now = round(time.time() * 1000 if now is None else now)
        # Where the clock was set back since, the age would be negative.
        self._age = max(0, self._now - round(manifest.created_at.timestamp() * 1000))
        self._floor = way.floor_seconds * 1000
        self._prefix, self._strip = way.prefix.encode(), way.strip_prefix.encode()

    @property
    def libraries(self) -> list[bytes]:
        """As the stream says; none under another name, for functions have none of ours."""
        return [] if self._prefix or self._strip else self._stream.libraries

    def batches(self) -> Iterator[list[Entry]]:
        """Yield the stream's batches with what becomes of each entry."""
        for batch in self._stream.batches():
            if self._way.moved:
                yield [self._moved(entry) for entry in batch if entry.key.startswith(self._strip)]
            else:
                yield batch

    def _moved(self, entry: Entry) -> Entry:
        db = self._way.map_databases.get(entry.db, entry.db)
        key = self._prefix + entry.key[len(self._strip) :]
        moved = entry._replace(db=db, key=key, expires_at=self._moment(entry.expires_at))
        return self._with_fields(moved) if self._way.expiry != "keep" else moved

    def _moment(self, expires_at: int | None) -> int | None:
        if expires_at is None or self._way.expiry == "persist":
            return None
        if self._way.expiry == "shift":
            return expires_at + self._age
        return max(expires_at, self._now + self._floor) if self._floor else expires_at

    def _with_fields(self, entry: Entry) -> Entry:
        """The fields of a hash have times of their own: where any has, the hash goes on as a value."""
        value: Any = entry.value
        if entry.payload is not None and entry.payload[0] in FIELDS_EXPIRE and self.rdb_version is not None:
            value = value_of(entry, self.rdb_version)
        if (
            entry.type not in types.FIELDS_EXPIRE
            or not isinstance(value, list)
            or all(at is None for _, _, at in value)
        ):
            return entry
        return entry._replace(payload=None, value=[(field, text, self._moment(at)) for field, text, at in value])
