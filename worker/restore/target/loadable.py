"""What a target takes of a backup of another make or version: payloads where it can load them, else the values in them."""

from collections.abc import Iterator
from dataclasses import dataclass

from worker.errors import FormatError
from worker.formats.entries import Entry, EntryStream, Opaque, Passing, VectorSet
from worker.formats.rdb.codes import loaded_since
from worker.formats.rdb.payload import FOOTER_BYTES, seal, version_of
from worker.formats.rdb.values import decode
from worker.formats.rdb.vectors import write_vector_set


@dataclass(frozen=True)
class Fit:
    """What a server takes."""

    version: int | None
    """The RDB version that payloads are sealed with; None where it takes none."""
    field_expiry: bool
    """Whether the fields of a hash expire there."""

    def loads(self, payload: bytes) -> bool:
        """Whether a payload of this type can be sealed with that version."""
        return self.version is not None and loaded_since(payload[0]) <= self.version


class Fitted(Passing):
    """An EntryStream whose payloads the target loads; what it does not load comes as a value, which commands build."""

    def __init__(self, stream: EntryStream, fit: Fit) -> None:
        super().__init__(stream)
        self._fit = fit

    @property
    def rdb_version(self) -> int | None:
        """What payloads are to be sealed with: the target's."""
        return None if self._stream.rdb_version is None else self._fit.version

    def batches(self) -> Iterator[list[Entry]]:
        """Yield the stream's batches."""
        loads = [self._fit.loads(bytes([code])) for code in range(256)]
        for batch in self._stream.batches():
            version = self._stream.rdb_version
            yield [
                entry
                if (payload := entry.payload) is not None and loads[payload[0]]
                else self._value(entry, version or 0)
                for entry in batch
            ]

    def _value(self, entry: Entry, version: int) -> Entry:
        """Where nobody can decode it, the payload stays as it is, and the target decides."""
        if isinstance(entry.value, Opaque):
            return entry._replace(value=self._resealed(entry.value.dump))
        if isinstance(entry.value, VectorSet):
            return entry._replace(value=self._with_graph(entry.value))
        if entry.payload is None:
            return entry
        try:
            return entry._replace(payload=None, value=decode(entry.payload, version))
        except FormatError:
            return entry._replace(payload=None, value=Opaque(seal(entry.payload, version)))

    def _resealed(self, dump: bytes) -> Opaque:
        """A payload that a document holds, of any version."""
        payload, version = dump[:-FOOTER_BYTES], self._fit.version
        if payload and version is not None and version_of(dump) != version and self._fit.loads(payload):
            return Opaque(seal(payload, version))
        return Opaque(dump)

    def _with_graph(self, value: VectorSet) -> VectorSet | Opaque:
        """As a payload, which is loaded exactly. No command can make a set whose vectors were reduced."""
        payload, version = write_vector_set(value), self._fit.version
        if payload is not None and version is not None and self._fit.loads(payload):
            return Opaque(seal(payload, version))
        return value


def fitted(stream: EntryStream, fit: Fit, rdb_version: int | None) -> EntryStream:
    """The stream as that target takes it; `rdb_version` is the stream's own."""
    return stream if fit.version == rdb_version is not None else Fitted(stream, fit)
