"""Values that only some servers can load: of modules, in another server's own encoding, and of newer types."""

from collections import Counter
from typing import Any

from worker.errors import FormatError
from worker.formats.entries import Entry, Opaque, Stream
from worker.formats.rdb.codes import TYPE_OF
from worker.formats.rdb.payload import version_of
from worker.formats.rdb.vectors import NAME as VECTOR_SET
from worker.formats.rdb.vectors import name_at
from worker.restore.target.commands import expires_by_field
from worker.restore.target.report import KEYS_NAMED, losing, shown
from worker.restore.target.target import Target
from worker.server.endpoint import Endpoint
from worker.server.wire import Wire

FIRST_VERSION_WITH_STREAMS = (5, 0)
# The modules that are not called like their types.
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
    """Counts what a server may not load, as it goes by; `version` is its redis_version, `fields` whether those expire there."""

    def __init__(self, version: tuple[int, ...], *, fields: bool) -> None:
        self._version, self._fields = version, fields
        self._streams = 0
        self._lost = 0
        self._lost_keys: list[dict[str, Any]] = []
        # By the RDB version of whole DUMP payloads, and by the name of a module's type.
        self._counts: Counter[tuple[int | None, str | None]] = Counter()

    def see(self, entry: Entry) -> None:
        """Take note of a key that would be written."""
        if entry.value is not None:
            self._see_value(entry)
        dump = entry.value.dump if isinstance(entry.value, Opaque) else None
        version = None if dump is None else version_of(dump)
        name = _type_name(entry, entry.payload or dump or b"")
        if version is not None or name is not None:
            self._counts[version, name] += 1

    def _see_value(self, entry: Entry) -> None:
        self._streams += isinstance(entry.value, Stream) and self._version < FIRST_VERSION_WITH_STREAMS
        if not self._fields and expires_by_field(entry):
            self._lost += 1
            if len(self._lost_keys) < KEYS_NAMED:
                self._lost_keys.append({"db": entry.db, "key": shown(entry.key)})

    def judged(self, target: Target, endpoint: Endpoint) -> tuple[int, list[str]]:
        """How many keys will fail for certain, and a sentence for each reason and for each module that may be missing.

        Raises the endpoint's errors.
        """
        versions, names = self._summed(0), self._summed(1)
        too_new = {version for version in versions if not target.loads(version)}
        loaded = _modules(endpoint) if names else None
        missing = {name for name in names if loaded is not None and _module_of(name).lower() not in loaded}
        sentences = [_of_version(version, versions[version]) for version in sorted(too_new)]
        sentences += [_of_module(name, names[name], loaded) for name in sorted(names if loaded is None else missing)]
        if self._streams:
            streams = "1 key is a stream" if self._streams == 1 else f"{self._streams:,} keys are streams"
            sentences.append(f"{streams}, and the target is too old for those: {_will_fail(self._streams)}.")
        if self._lost:
            sentences.append(f"If restored, {losing(self._lost, self._lost_keys)}.")
        failing = (number for (version, name), number in self._counts.items() if version in too_new or name in missing)
        return self._streams + sum(failing), sentences

    def _summed(self, place: int) -> Counter[Any]:
        """The numbers by version or name, as `place` says."""
        numbers: Counter[Any] = Counter()
        for group, number in self._counts.items():
            if group[place] is not None:
                numbers[group[place]] += number
        return numbers


def _modules(endpoint: Endpoint) -> set[str] | None:
    """The names of the target's modules in lower case; None where it does not tell."""
    with endpoint.translated("asking for its modules"), Wire(endpoint) as wire:
        listed = wire.try_(b"MODULE", b"LIST")
    return None if isinstance(listed, Exception) else {bytes(module[1]).decode().lower() for module in listed}


def _module_of(name: str) -> str:
    return _MODULE_OF.get(name, name)


def _of_version(version: int, number: int) -> str:
    keys = "1 key holds" if number == 1 else f"{number:,} keys hold"
    return (
        f"{keys} bytes that only {'its' if number == 1 else 'their'} own server can read, of RDB version {version}, and the "
        f"target does not load that version: {_will_fail(number)}."
    )


def _of_module(name: str, number: int, loaded: set[str] | None) -> str:
    if name == VECTOR_SET:
        keys = "1 key is a vector set" if number == 1 else f"{number:,} keys are vector sets"
        return (
            f"{keys}, which Redis 8 and newer has built in: the target does not tell whether it has."
            if loaded is None
            else f"{keys}, which Redis 8 and newer has built in, and the target has not: {_will_fail(number)}."
        )
    values = "1 key holds a value" if number == 1 else f"{number:,} keys hold values"
    keys, module = f"{values} of the module type {name!r}", _module_of(name)
    if loaded is None:
        return f"{keys}, and the target does not tell which modules it has: make sure that {module!r} is among them."
    return f"{keys}, and the target has no module {module!r}: load it there first, or {_will_fail(number)}."


def _will_fail(number: int) -> str:
    return "that key will fail" if number == 1 else "those keys will fail"


def _type_name(entry: Entry, payload: bytes) -> str | None:
    """The name of a type that not every server has; None for a type that all have."""
    return VECTOR_SET if entry.type == VECTOR_SET else type_name(payload) if entry.type == "module" else None


def type_name(payload: bytes) -> str | None:
    """The name of a module's type; None where the payload is of none."""
    if not payload or TYPE_OF.get(payload[0]) != "module":
        return None
    try:
        return name_at(payload, 1)
    except (FormatError, IndexError):
        return None
