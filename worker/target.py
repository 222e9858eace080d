"""A Redis that a restore writes into: checked before the first key, counted to the last."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager

from redis.exceptions import ResponseError

from worker.connection import Endpoint
from worker.entries import EntryStream
from worker.errors import ArtifactError, BusyError, RefusedError, TargetError
from worker.facts import Facts, read_facts
from worker.fence import Fence
from worker.formats.sealing import seal
from worker.loadable import Fit
from worker.pace import Pace
from worker.report import Report
from worker.sources.asking import abilities
from worker.wire import Wire, raised
from worker.writing import Mode, Writing, temporary_key

# No RDB type has this number, so a payload that begins with it is examined to its end and never written.
_NO_TYPE = b"\xfe"
_TOO_NEW = "version or checksum"
FIRST_VERSION_WITH_ABSTTL = (5, 0)
# Of Redis: what a Valkey of its own version does not load of it, it takes sealed with an older one of these.
_VERSIONS = (14, 13, 12, 11, 10, 9, 8, 7, 6)

# Where no broker remembered it, nobody can tell.
_LEFT_ALONE = (
    " Its link to that is down: should a mirror have been killed there, `REPLICAOF NO ONE` makes it a primary again."
)


class Target:
    """A Redis that a restore writes into."""

    def __init__(self, endpoint: Endpoint, mode: Mode) -> None:
        self._endpoint, self._mode = endpoint, mode
        self.report = Report()
        self._facts: Facts | None = None
        self._fits: dict[int | None, Fit] = {}

    def check(self, rdb_version: int | None, databases: list[int], raw_bytes: int) -> None:
        """Whether the target would take it all, found out without writing anything. RefusedError says why not."""
        facts = self._facts = read_facts(self._endpoint)
        if facts.cluster:
            raise RefusedError("The target is a node of a cluster: name a server that holds all the keys itself.")
        if facts.role != "master":
            left = "" if facts.primary_link_up else _LEFT_ALONE
            raise RefusedError(f"The target is a replica, which takes no writes: name its primary.{left}")
        if facts.max_memory and raw_bytes > facts.max_memory:
            raise RefusedError(
                f"The target has too little memory: maxmemory is {facts.max_memory:,} bytes, and the backup alone needs "
                f"about {raw_bytes:,}. Raise maxmemory, or restore less of it."
            )
        with (
            self._endpoint.translated("a restore (it was asked whether it would take one)"),
            Wire(self._endpoint) as wire,
        ):
            for db in _absent(wire, databases):
                raise RefusedError(
                    f"The target has no database {db}: raise `databases` in its configuration, or leave it out with --db."
                )
            wire.ask(b"SELECT", b"0")
            self._check_writes(wire, rdb_version)

    def _check_writes(self, wire: Wire, rdb_version: int | None) -> None:
        """Whether writing is allowed and possible, asked in ways that write nothing.

        For payloads, RESTORE of one with an impossible type: the server checks everything else and turns it down. For
        values, SET of a key that would have to exist.
        """
        version = None if rdb_version is None else self._fit(wire, rdb_version).version
        answer = _trial(wire, version) if version else wire.try_(b"SET", temporary_key(), b"", b"XX")
        words = str(answer)
        if words.startswith("OOM"):
            facts = self._checked
            raise RefusedError(
                f"The target has too little memory: maxmemory is {facts.max_memory:,} bytes, {facts.used_memory:,} are in "
                "use, and it takes no writes. Raise maxmemory, or delete something."
            )
        if "Bad data format" not in words:
            raised(answer)

    def has_room(self, needed_bytes: int) -> bool:
        """Whether it can grow by that without reaching its limit; in a mirror what is replaced or deleted makes room."""
        facts = self._checked
        return not facts.max_memory or self._mode == "mirror" or facts.used_memory + needed_bytes <= facts.max_memory

    def check_room(self, needed_bytes: int) -> None:
        """RefusedError where it cannot grow by what the restore needs."""
        if not self.has_room(needed_bytes):
            facts = self._checked
            raise RefusedError(
                f"The target has too little memory: maxmemory is {facts.max_memory:,} bytes, {facts.used_memory:,} are in "
                f"use, and the restore needs about {needed_bytes:,} more. Raise maxmemory, restore less, or go on all the "
                f"same with --force (`force` in a call): it {when_full(facts)}."
            )

    @property
    def _checked(self) -> Facts:
        """What it said of itself when it was checked."""
        if self._facts is None:
            self._facts = read_facts(self._endpoint)
        return self._facts

    def absent(self, databases: list[int]) -> list[int]:
        """Those of these databases that the target does not have."""
        with self._endpoint.translated("choosing databases"), Wire(self._endpoint) as wire:
            return _absent(wire, databases)

    def fit(self, rdb_version: int | None) -> Fit:
        """What it takes of a backup whose payloads are of that version; None: of one that holds values."""
        if rdb_version not in self._fits:
            with self._endpoint.translated("asking what it loads"), Wire(self._endpoint) as wire:
                return self._fit(wire, rdb_version)
        return self._fits[rdb_version]

    def _fit(self, wire: Wire, rdb_version: int | None) -> Fit:
        older = [version for version in _VERSIONS if rdb_version is None or version < rdb_version]
        versions = older if rdb_version is None else [rdb_version, *older]
        if self._checked.redis_version < FIRST_VERSION_WITH_ABSTTL:
            versions = []
        loaded = next((version for version in versions if _TOO_NEW not in str(_trial(wire, version))), None)
        found = self._fits[rdb_version] = Fit(loaded, abilities(wire, fields=True).fields)
        return found

    def loads(self, rdb_version: int) -> bool:
        """Whether it takes payloads of that version; also true where it does not let itself be asked."""
        with self._endpoint.translated("trying a RESTORE"), Wire(self._endpoint) as wire:
            return _TOO_NEW not in str(_trial(wire, rdb_version))

    def restore(self, stream: EntryStream, fence: Fence) -> Generator[int]:
        """Write every entry; yields the number of keys done, batch by batch. `report` counts what the target has confirmed.

        Raises TargetError or ArtifactError, with the counts so far, when target or artifact give up on the way, and
        LostError when somebody else may be at work there.
        """
        try:
            with self._endpoint.translated("taking the backup"), fence.wire() as wire:
                pace = Pace(self._endpoint)
                yield from Writing(wire, self._mode, self.report, self._checked.redis_version, pace).run(stream)
            self._check_counts()
        except TargetError as error:
            raise type(error)(
                f"{error} Until then: {self.report.written}. Run the same again to complete it."
            ) from None
        except ArtifactError as error:
            raise type(error)(f"{error} Until then: {self.report.written}.") from None

    def _check_counts(self) -> None:
        """TargetError where keys are without an outcome: nobody could say then what was restored."""
        if (missing := self.report.taken - self.report.keys) != 0:
            raise TargetError(
                f"The counts do not add up: of {self.report.taken:,} keys that were taken from the backup {abs(missing):,} "
                f"have {'no outcome' if missing > 0 else 'two outcomes'}. That is a fault of this program: please report it."
            )

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Somebody else's being at work here by now is told with the counts so far."""
        try:
            yield
        except BusyError as error:
            raise type(error)(f"{error} Until then: {self.report.written}.") from None

    def restore_functions(self, libraries: list[bytes], fence: Fence) -> None:
        """Load function libraries: in mode `skip` those that exist stay as they are."""
        options = (b"REPLACE",) if self._mode != "skip" else ()
        if not libraries:
            return
        with self._endpoint.translated("loading functions"), fence.wire() as wire:
            for library in libraries:
                answer = wire.try_(b"FUNCTION", b"LOAD", *options, library)
                if not isinstance(answer, ResponseError):
                    self.report.functions += 1
                elif "unknown command" in str(answer).lower():
                    self.report.warnings.append("The target has no functions, so those of the backup are left out.")
                    return
                elif "already exists" not in str(answer):
                    self.report.warnings.append(f"A function library could not be loaded: {answer}.")

    def count_evicted(self) -> None:
        """Whether the target threw keys out meanwhile: RESTORE answers OK, and a key vanishes all the same."""
        evicted = read_facts(self._endpoint).evicted - self._checked.evicted
        if evicted > 0:
            self.report.evicted = evicted
            self.report.warn(
                f"The target evicted {evicted:,} keys for want of memory while this ran, of the backup or others: raise "
                "maxmemory, and run the restore again."
            )


def when_full(facts: Facts) -> str:
    """What a target does with a restore when its memory is full."""
    if facts.eviction == "noeviction":
        return "would stop when it is full"
    return f"would make it throw keys out ({facts.eviction})"


def _absent(wire: Wire, databases: list[int]) -> list[int]:
    return [db for db in databases if isinstance(wire.try_(b"SELECT", b"%d" % db), ResponseError)]


def _trial(wire: Wire, rdb_version: int) -> object:
    """What it answers to a payload that it examines and does not write."""
    return wire.try_(b"RESTORE", temporary_key(), b"0", seal(_NO_TYPE, rdb_version))
