"""Values that only some servers can load: those of modules, and those kept as another server's own bytes."""

from collections import Counter

from worker.connection import Endpoint
from worker.entries import Entry, Opaque
from worker.errors import FormatError
from worker.formats.strings import read_length
from worker.wire import Wire

_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_TYPES = (6, 7)
_FOOTER_BYTES = 10
# Which module has a type, where it is not called like its type.
_MODULE_OF = {
    "ReJSON-RL": "ReJSON",
    "MBbloom--": "bf",
    "MBbloomCF": "bf",
    "CMSk-TYPE": "bf",
    "TopK-TYPE": "bf",
    "TDIS-TYPE": "bf",
    "TSDB-TYPE": "timeseries",
    "graphdata": "graph",
}


class Foreign:
    """Counts what not every server can load, as it goes by."""

    def __init__(self) -> None:
        self._by_type: Counter[str] = Counter()
        self.by_version: Counter[int] = Counter()
        """Keys whose value is a whole DUMP payload, by its RDB version."""

    def see(self, entry: Entry) -> None:
        """Take note of a key that would be written."""
        dump = entry.value.dump if isinstance(entry.value, Opaque) else None
        if dump is not None:
            self.by_version[int.from_bytes(dump[-_FOOTER_BYTES : 2 - _FOOTER_BYTES], "little")] += 1
        if entry.type == "module" and (name := type_name(entry.payload or dump or b"")) is not None:
            self._by_type[name] += 1

    def missing(self, endpoint: Endpoint) -> list[str]:
        """A sentence for each module that the target lacks; where it does not tell its modules, for each that is needed.

        Raises the endpoint's errors.
        """
        if not self._by_type:
            return []
        with endpoint.translated("asking for its modules"), Wire(endpoint) as wire:
            listed = wire.try_(b"MODULE", b"LIST")
        loaded = None if isinstance(listed, Exception) else {bytes(one[1]).decode().lower() for one in listed}
        return [
            sentence
            for name, number in sorted(self._by_type.items())
            if (sentence := _sentence(name, number, loaded)) is not None
        ]


def _sentence(name: str, number: int, loaded: set[str] | None) -> str | None:
    module = _MODULE_OF.get(name, name)
    keys = f"{number:,} keys hold values of the module type {name!r}"
    if loaded is None:
        return f"{keys}, and the target does not tell which modules it has: make sure that {module!r} is among them."
    if module.lower() in loaded:
        return None
    return f"{keys}, and the target has no module {module!r}: load it there first, or those keys will fail."


def type_name(payload: bytes) -> str | None:
    """The name of a module's type (module.c, moduleTypeNameByID): nine characters of six bits each."""
    if payload[:1] not in {bytes([code]) for code in _TYPES}:
        return None
    try:
        identity, _ = read_length(payload, 1)
    except (FormatError, IndexError):
        return None
    return "".join(_CHARACTERS[identity >> shift & 63] for shift in range(58, 9, -6))
