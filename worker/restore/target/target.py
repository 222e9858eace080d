"""A Redis that a restore writes into: checked before the first key, counted to the last."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property

from redis.exceptions import ResponseError

from worker.arguments.restore import Mode
from worker.errors import BackupSystemError, LostError, RefusedError, StoppedError, TargetError
from worker.formats.entries import EntryStream
from worker.formats.rdb.payload import seal
from worker.restore.selection.plan import Demand
from worker.restore.target.aftermath import Watch
from worker.restore.target.footprint import Footprint
from worker.restore.target.headroom import Guard, footprint_at, settled
from worker.restore.target.loadable import Fit, fitted
from worker.restore.target.report import Report, first_of
from worker.restore.target.values import temporary_key
from worker.restore.target.writer import Writing
from worker.server import refusals, rights
from worker.server.endpoint import Endpoint
from worker.server.fence import Fence
from worker.server.info import Facts, read_facts
from worker.server.pipeline import abilities
from worker.server.replies import raised
from worker.server.throttle import Pace
from worker.server.wire import Wire

# No RDB type has this number, so a payload that begins with it is examined to its end and never written.
_NO_TYPE = b"\xfe"
_TOO_NEW = "version or checksum"
FIRST_VERSION_WITH_ABSTTL = (5, 0)
# Versions of Redis: a payload of Valkey's own version is sealed with an older one of these for a server that refuses it.
_VERSIONS = (14, 13, 12, 11, 10, 9, 8, 7, 6)

_AGAIN = " Run the same again to complete it."

# Where no broker remembered it, nobody knows.
_LEFT_ALONE = (
    " Its link to that is down: should a mirror have been killed there, `REPLICAOF NO ONE` makes it a primary again."
)


class Target:
    """A Redis that a restore writes into."""

    def __init__(self, endpoint: Endpoint, mode: Mode, *, force: bool | None = None) -> None:
        """With `force` it is filled until it evicts the first key; None where nobody can allow that."""
        self._endpoint, self._mode, self._force = endpoint, mode, force
        self.report = Report()
        self.tight = False
        """Whether its memory may be too little for what it is to be given, if it frees none meanwhile."""
        self._facts: Facts | None = None
        self._fits: dict[int | None, Fit] = {}

    def check(self, demand: Demand) -> None:
        """Whether the target would take it all, found out without writing anything.

        RefusedError says why not, and TargetError which rights are lacking.
        """
        facts = self._facts = settled(self._endpoint)
        if facts.cluster:
            raise RefusedError(
                "The target is a node of a cluster, which takes only the keys of its own slots, and restoring into all nodes "
                "at once is not built yet: restore into a server that holds all the keys itself. From there "
                "`redis-cli --cluster import` takes them into a cluster."
            )
        if facts.role != "master":
            left = "" if facts.primary_link_up else _LEFT_ALONE
            raise RefusedError(f"The target is a replica, which takes no writes: name its primary.{left}")
        with (
            self._endpoint.translated("a restore (it was asked whether it would take one)"),
            Wire(self._endpoint) as wire,
        ):
            for db in _absent(wire, demand.databases):
                raise RefusedError(
                    f"The target has no database {db}: raise `databases` in its configuration, or leave it out with --db."
                )
            wire.ask(b"SELECT", b"0")
            self._check_rights(wire, demand)
            self._check_writes(wire, demand.rdb_version)

    def _check_rights(self, wire: Wire, demand: Demand) -> None:
        loads = self._fit(wire, demand.rdb_version).version
        writing = rights.to_write(self._mode, demand.types, loads, demand.rdb_version)
        refusals.check(self._endpoint, demand.doing, [*writing, *demand.besides])

    def _check_writes(self, wire: Wire, rdb_version: int | None) -> None:
        """Whether writing is allowed and possible, asked in ways that write nothing.

        For payloads, RESTORE of one with an impossible type: the server checks everything else and turns it down. For
        values, SET of a key that would have to exist.
        """
        version = None if rdb_version is None else self._fit(wire, rdb_version).version
        answer = _trial(wire, version) if version else wire.try_(b"SET", temporary_key(), b"", b"XX")
        words = str(answer)
        if words.startswith("OOM"):
            facts = self.facts
            if self._mode == "mirror":
                # A full target may be full of what will be replaced; whether there is room is asked later.
                return
            raise RefusedError(
                f"The target has too little memory: maxmemory is {facts.max_memory:,} bytes, {facts.used_memory:,} are in "
                "use, and it takes no writes. Raise maxmemory, or delete something."
            )
        if "Bad data format" not in words:
            raised(answer)

    @property
    def facts(self) -> Facts:
        """Its facts when it was checked."""
        if self._facts is None:
            self._facts = read_facts(self._endpoint)
        return self._facts

    @cached_property
    def footprint(self) -> Footprint:
        """What keys cost there."""
        return footprint_at(self._endpoint, self.facts)

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

    def fitted(self, stream: EntryStream, rdb_version: int | None) -> EntryStream:
        """A stream whose payloads are of that version, as it takes them. Raises the endpoint's errors."""
        return fitted(stream, self.fit(rdb_version), rdb_version)

    def _fit(self, wire: Wire, rdb_version: int | None) -> Fit:
        older = [version for version in _VERSIONS if rdb_version is None or version < rdb_version]
        versions = older if rdb_version is None else [rdb_version, *older]
        if self.facts.redis_version < FIRST_VERSION_WITH_ABSTTL:
            versions = []
        loaded = next((version for version in versions if _TOO_NEW not in str(_trial(wire, version))), None)
        fit = self._fits[rdb_version] = Fit(loaded, abilities(wire, fields=True).fields)
        return fit

    def loads(self, rdb_version: int) -> bool:
        """Whether it takes payloads of that version; also true where that cannot be asked."""
        with self._endpoint.translated("trying a RESTORE"), Wire(self._endpoint) as wire:
            return _TOO_NEW not in str(_trial(wire, rdb_version))

    def restore(self, stream: EntryStream, fence: Fence) -> Generator[int]:
        """Write every entry; yields the number of keys taken, batch by batch. `report` counts what the target has confirmed.

        Raises TargetError or ArtifactError when target or artifact give up on the way, and LostError when somebody else may
        be at work there.
        """
        facts = self.facts
        with self._endpoint.translated("taking the backup"), fence.wire() as wire:
            writing = Writing(wire, self._mode, self.report, facts.redis_version, Pace(self._endpoint))
            if facts.evicts or self.tight:
                writing.guard = Guard(wire, self._endpoint.address, self.footprint, facts.evicted, self._force)
            yield from writing.run(stream)
        self._check_counts()

    def _check_counts(self) -> None:
        """TargetError where keys are without an outcome: nobody could say then what was restored."""
        if (missing := self.report.taken - self.report.keys) != 0:
            raise TargetError(
                f"The counts do not add up: of {self.report.taken:,} keys that were taken from the backup {abs(missing):,} "
                f"have {'no outcome' if missing > 0 else 'two outcomes'}. That is a fault of this program: please report it."
            )

    @contextmanager
    def accounted(self, databases: list[int], counts: Callable[[], str] | None = None) -> Iterator[None]:
        """What befalls the target while it is written, in these databases, is counted in the report; and whatever ends that
        early tells how far it had come, in the words of `counts`.
        """
        watch = Watch(self._endpoint, databases)
        undoing = counts is not None
        counts = counts or (lambda: self.report.written)
        try:
            yield
        except BackupSystemError as error:
            self.report.cut_short = True
            if not isinstance(error, LostError):
                # A target that does not answer must not be waited for twice.
                with suppress(BackupSystemError):
                    self.report.account(watch.look(self.report.restored, hasty=True))
            raise self._cut(error, counts(), undoing=undoing) from None
        except KeyboardInterrupt:
            # After a hard stop there is no time to wait for the target.
            self.report.cut_short = True
            raise self._cut(StoppedError("Stopped."), counts(), undoing=undoing) from None
        except BaseException as error:
            error.add_note(f"Until then: {counts()}.")
            raise
        self.report.account(watch.look(self.report.restored))

    def _cut(self, error: BackupSystemError, counts: str, *, undoing: bool) -> BackupSystemError:
        """The same error, with what was done by then."""
        on = self._how_to_go_on(error, undoing=undoing)
        moved = "" if isinstance(error, LostError | StoppedError) else self._endpoint.moved()
        full = type(error)(f"{error} Until then: {counts}.{self.report.there}{moved}{on}", risk=error.risk)
        full.report = self.report.as_dict()
        return full

    def _how_to_go_on(self, error: BackupSystemError, *, undoing: bool) -> str:
        """What to do after that, as a sentence behind another one. A value that ended the target would end it once more."""
        report = self.report
        if not isinstance(error, TargetError | StoppedError):
            return ""
        answers = report.keys_after is not None and report.wiped is None
        if undoing or answers or not report.unconfirmed or isinstance(error, StoppedError):
            return _AGAIN
        return (
            " The target's log says why. Where it was stopped or cut off, see that it runs, and run the same again to complete "
            "it. Where it has ended itself (a crash report stands there then), the same would end it again: one of the keys "
            f"that were on their way did that, {first_of(report.unconfirmed, report.unconfirmed_keys)}. Leave it out with "
            "--exclude; or export the backup as json, adopt that, and restore it, which builds all values anew."
        )

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


def _absent(wire: Wire, databases: list[int]) -> list[int]:
    return [db for db in databases if isinstance(wire.try_(b"SELECT", b"%d" % db), ResponseError)]


def _trial(wire: Wire, rdb_version: int) -> object:
    """The target's answer to a payload that it examines and does not write."""
    return wire.try_(b"RESTORE", temporary_key(), b"0", seal(_NO_TYPE, rdb_version))
