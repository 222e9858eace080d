"""A backup is brought back for trial: fetched, verified, restored into a server of ours, and compared with what it should be."""

import secrets
import socket
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from worker.arguments.backups import DrillArguments
from worker.arguments.moments import is_moment
from worker.arguments.restore import Mode, RestoreArguments
from worker.broker import lock
from worker.config.settings import Settings
from worker.errors import (
    ArtifactError,
    BackupSystemError,
    DrillError,
    IncompleteError,
    RefusedError,
    ScratchError,
    TargetError,
)
from worker.formats.encryption import keys_of
from worker.progress import Progress
from worker.repository.copies.found import Found
from worker.repository.drills.rehearsal import Rehearsal, Way
from worker.repository.scope import scope_of
from worker.restore.drill import account
from worker.restore.drill.choice import NoServer, choose
from worker.restore.drill.comparison import Comparison, compare
from worker.restore.drill.decoding import decode
from worker.restore.restore import carried_out, check_complete
from worker.restore.selection.held import held, known_as
from worker.restore.selection.plan import Plan, opened
from worker.server.endpoint import SCRATCH, Endpoint
from worker.server.fence import Fence, Ours
from worker.server.scratch import memory, programs
from worker.server.scratch.scratch import Scratch, Wanted, running

log = structlog.get_logger()
Data = dict[str, Any]

_NOWHERE = Endpoint("unix:///dev/null", SCRATCH)
"""Where a plan leads that is only read."""
_DAMAGED = "Its file is not what was written, or cannot be read to its end."
_GAVE_UP = "The scratch server gave up on the way."
_FULL = "there is too little memory on this machine for a server with all of it"


def drill(settings: Settings, arguments: DrillArguments, progress: Progress) -> Data:
    """Bring a backup back into a scratch server, and compare; where no server can be given it, decode it. What came of it is
    noted beside it, and given back: `check_good` says whether it is as it should be.

    Nothing of the source is touched. Raises NotFoundError, SealedError, RefusedError for what cannot be restored at all;
    ArtifactError and TargetError, which are noted; ScratchError, which is not; StorageError.
    """
    clock = time.monotonic()
    with held(settings, arguments.name, scope_of(settings), arguments.storage, progress) as backup:
        _refuse(settings, backup)
        with lock.held(settings, f"drills on {socket.gethostname()}"):
            attempt = _Attempt(settings, arguments, backup, progress)
            try:
                attempt.run()
            except (ArtifactError, TargetError) as error:
                attempt.differs = [_DAMAGED if isinstance(error, ArtifactError) else _GAVE_UP]
                attempt.note()
                raise
            warnings = attempt.note()
    seconds = round(time.monotonic() - clock, 3)
    outcome = attempt.outcome()
    log.info("backup_rehearsed", **{name: outcome[name] for name in _LOGGED}, seconds=seconds)
    return {**outcome, "warnings": [*attempt.warnings, *warnings], "seconds": seconds}


_LOGGED = ("name", "way", "server", "keys", "bytes", "rehearsed", "recovery_seconds")


def check_good(outcome: Data) -> None:
    """Raise DrillError where a drill ran to its end, and not all was as it should be."""
    if outcome["differs"]:
        example = next(iter(outcome["differing"]), None)
        named = (
            f" The first: '{example['key']}' of database {example['db']}, which {example['error']}." if example else ""
        )
        raise DrillError(
            f"{outcome['name']} did not come back as it should: {' '.join(outcome['differs'])}{named} Do not rely on it: make a "
            "new backup and rehearse that one. If it is the same there, please report it."
        )


def _refuse(settings: Settings, held: Found) -> None:
    """What no drill can be of."""
    manifest = held.manifest
    if manifest.kind == "undo":
        raise RefusedError(
            f"{manifest.name} is there to undo a restore, and is no backup of a server: nothing is to be rehearsed."
        )
    if manifest.encrypted:
        keys_of(settings).require(manifest.name)


@dataclass
class _Attempt:
    """One drill, as far as it has come."""

    settings: Settings
    arguments: DrillArguments
    held: Found
    progress: Progress
    way: Way = "read"
    reason: str = ""
    """Why no server was given it, as a clause."""
    server: str | None = None
    recovery: float = 0
    """Seconds until all was there."""
    keys: int = 0
    seed: int = field(default_factory=lambda: secrets.randbelow(1 << 32))
    seen: Comparison = field(default_factory=Comparison)
    differs: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What leads to the same backup again, or to the same moment."""
        return known_as(self.arguments.name, self.held.manifest)

    @property
    def _place(self) -> str | None:
        """Where it is read; a moment is made anew, or found where it was."""
        return None if is_moment(self.arguments.name) else self.held.storage.place

    def run(self) -> None:
        """Do it. Raises what `drill` raises."""
        wanted = choose(self.held.manifest, programs.known(self.settings.drill_servers), memory.spare())
        if isinstance(wanted, Wanted):
            try:
                return self._rehearse(wanted)
            except BackupSystemError as error:
                if error.risk != "full":
                    raise
                wanted = NoServer(_FULL)
        return self._read(wanted)

    def _rehearse(self, wanted: Wanted) -> None:
        self.way = self.arguments.way or account.next_way(self.held)
        self.server = str(wanted.program)
        with running(wanted) as scratch:
            try:
                self._restore(scratch)
            except (TargetError, OSError):
                if scratch.answers():
                    raise
                raise ScratchError(
                    f"The scratch server ({wanted.program}) was killed, or answers no more, so {self.held.manifest.name} was "
                    "not rehearsed. That says nothing about the backup, and nothing is noted beside it. Is there too little "
                    "memory? Rehearse it again."
                ) from None

    def _restore(self, scratch: Scratch) -> None:
        mode: Mode = "mirror" if self.way == "mirror" else "overwrite"
        request = RestoreArguments(name=self.name, storage=self._place, mode=mode)
        clock, fence = time.monotonic(), Fence(scratch.endpoint, Ours())
        with opened(self.settings, request, scratch.endpoint, self.progress, anew=True) as plan:
            report = carried_out(_alone(self.settings), request, plan, fence, progress=self.progress, clock=clock)
            self.recovery = round(time.monotonic() - clock, 3)
            self.way = "mirror" if report["way"] == "replication" else "keys"
            self.warnings += plan.warnings
            self._check(report)
            self._compare(plan)

    def _check(self, report: Data) -> None:
        """Keys that could not be written are found missing by the comparison: here the restore's own words are kept."""
        try:
            check_complete(report)
        except IncompleteError as error:
            self.warnings.append(str(error))

    def _compare(self, plan: Plan) -> None:
        self.seen = compare(plan, self.seed, self.progress, full=self.arguments.full)
        self.keys, self.differs = self.seen.keys, self.seen.differs

    def _read(self, none: NoServer) -> None:
        self.way, self.server, self.reason = "read", None, none.why
        request = RestoreArguments(name=self.name, storage=self._place)
        clock = time.monotonic()
        with opened(self.settings, request, _NOWHERE, self.progress, anew=True) as plan:
            self.keys, self.differs = decode(plan, self.progress)
        self.recovery = round(time.monotonic() - clock, 3)

    def note(self) -> list[str]:
        """Put it on record; why that could not be, in sentences."""
        return account.note(self.settings, self.held, self._rehearsal())

    def _rehearsal(self) -> Rehearsal:
        sampled = self.seen.sampled
        return Rehearsal(
            at=datetime.now(UTC).replace(microsecond=0),
            way=self.way,
            reason=self.reason,
            server=self.server,
            storage=self.held.storage.place,
            seconds=self.recovery,
            keys=self.keys,
            bytes=self.held.manifest.bytes.raw,
            compared=self._compared,
            sampled=sampled,
            seed=self.seed if self._compared == "sample" else None,
            differs=self.differs,
        )

    @property
    def _compared(self) -> Any:
        if self.way == "read" or not self.keys:
            return "none"
        return "all" if self.seen.sampled >= self.seen.keys else "sample"

    def outcome(self) -> Data:
        """For the result."""
        noted = self._rehearsal()
        per_gb = noted.seconds_per_gb
        return {
            "name": self.name,
            "where": str(self.held.storage),
            "rehearsed": noted.is_good,
            "way": noted.way,
            "reason": noted.reason,
            "server": noted.server,
            "keys": noted.keys,
            "expired": self.seen.expired,
            "functions": self.seen.functions,
            "bytes": noted.bytes,
            "recovery_seconds": noted.seconds,
            "seconds_per_gb": None if per_gb is None else round(per_gb, 3),
            "compared": noted.compared,
            "sampled": noted.sampled,
            "seed": noted.seed,
            "differs": noted.differs,
            "differing": self.seen.examples,
        }


def _alone(settings: Settings) -> Settings:
    """What a restore is to know: nothing is kept to undo it, what is said of mirrors is said of real targets, and only a
    mirror is loaded as one file.
    """
    of_mirrors = {"mirror_bind": None, "mirror_port": 0, "mirror_from": ()}
    return settings.model_copy(
        update={"backup_undo_days": 0, "restore_whole_keys": 0, "redis_targets": {}, **of_mirrors}
    )
