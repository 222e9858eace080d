"""What a restore would do to the live target, key by key, before anything is written."""

import time
from itertools import groupby
from operator import attrgetter
from typing import Any

import structlog

from worker import logs
from worker.arguments.restore import Request
from worker.config.settings import Settings
from worker.engines.live import Live, Part
from worker.errors import RefusedError, Risk, TargetError, TemporaryError
from worker.formats.compare.values import Sides
from worker.formats.entries import Entry
from worker.formats.types import name_of
from worker.progress import Progress
from worker.repository.sound import sound
from worker.restore.mirror import mirror
from worker.restore.preview.compatibility import Foreign
from worker.restore.preview.findings import Findings
from worker.restore.preview.fingerprint import Fingerprint
from worker.restore.selection.keyset import KeySet
from worker.restore.selection.plan import Plan, opened
from worker.restore.selection.surplus import Surplus
from worker.restore.target import headroom
from worker.restore.target.needs import Needs
from worker.restore.target.report import building
from worker.restore.target.target import Target
from worker.server.info import Facts
from worker.server.pipeline import ask_all
from worker.server.reading.keys import Keys
from worker.server.replies import raised
from worker.server.wire import Wire

log = structlog.get_logger()


def preview(settings: Settings, arguments: Request, progress: Progress) -> dict[str, Any]:
    """Compare the backup with the target, which is only read: counts, samples, forecast, and what speaks against it.

    Raises what a restore raises before it writes, but for a target's refusal, which is in the result as a sentence.
    """
    clock = time.monotonic()
    with opened(settings, arguments, arguments.endpoint(settings), progress) as plan:
        look = Look(settings, plan)
        look.compare(progress)
    seconds = round(time.monotonic() - clock, 3)
    name, mode = plan.name, arguments.mode
    log.info("restore_previewed", name=name, mode=mode, seconds=seconds, counts=dict(look.findings.counts))
    return {
        "run": logs.current_run(),
        "name": name,
        "mode": mode,
        "source": plan.manifest.source.address,
        "target": plan.endpoint.address,
        **look.findings.as_dict(),
        "seen": look.seen.as_dict(),
        "memory": look.memory(),
        "refusal": look.refusal,
        "risk": look.risk,
        "warnings": look.warnings(),
        "seconds": seconds,
    }


class Look:
    """One look at a plan's target; `since` is when the first look began that this is compared with."""

    def __init__(self, settings: Settings, plan: Plan, since: int | None = None) -> None:
        self._plan, self._request, self._endpoint = plan, plan.request, plan.endpoint
        self._target = Target(plan.endpoint, plan.request.mode)
        self._absent: list[int] = []
        self._piecemeal: str | None = None
        self.risk: Risk | None = None
        """What a restore in spite of the refusal would risk; None where there can be none."""
        self.refusal = self._refusal(settings)
        self._facts: Facts = self._target.facts
        self.findings = Findings(plan.request, Needs(self._target.footprint, self._facts.keys))
        self._whole = Needs(self._target.footprint, {})
        """The memory that the target needs where it loads the backup as one file."""
        self._expiring = plan.request.expiry == "keep"
        self._since = since
        self.seen = Fingerprint(0)
        self.ended = 0
        """By the target's clock, in milliseconds since the epoch."""
        self._built = 0
        """Keys that would be built from their values."""
        self._foreseen: list[str] = []

    def _refusal(self, settings: Settings) -> str | None:
        """What a restore would refuse at once, as a sentence."""
        try:
            demand = self._plan.demand
            self._absent = self._target.absent(demand.databases)
            self._target.check(demand)
            if self._request.deletes:
                self._piecemeal = mirror.choose(settings, self._plan, force=False)
        except (RefusedError, TargetError) as error:
            if isinstance(error, TemporaryError):
                raise
            self.risk = error.risk
            return str(error)
        return None

    def compare(self, progress: Progress) -> None:
        """Pass over the backup, each key beside the live one; for a mirror then over what it would delete."""
        try:
            with Keys(self._endpoint, fields=True) as keys, KeySet() as kept:
                self.seen = Fingerprint(self._since or keys.now())
                foreign = Foreign(self._facts.redis_version, fields=keys.able.fields)
                self._compare(keys, kept, foreign, progress)
                if self._request.deletes:
                    self._find_deleted(keys, kept, progress)
                self.ended = keys.now()
            self._judge(foreign)
        except TargetError as error:
            # A target that refuses the restore may refuse to be read as well, as a node of a cluster does.
            if self.refusal is None or isinstance(error, TemporaryError):
                raise

    def _compare(self, keys: Keys, kept: KeySet, foreign: Foreign, progress: Progress) -> None:
        plan = self._plan.as_of(keys.now())
        vouched = sound(plan.stream(), plan.manifest, self.findings.add_damaged)
        stream = self._target.fitted(vouched, plan.manifest.rdb_version)
        done, expected = 0, plan.expected_keys
        for part in Live(keys, self._absent).beside(stream):
            self._see(part, foreign)
            if self._request.deletes:
                self._see_kept(part, kept, stream.rdb_version)
            done += len(part.alike) + len(part.pairs)
            progress("comparing", done, expected, "keys")

    def _see(self, part: Part, foreign: Foreign) -> None:
        """Take in some keys of the backup beside the live ones."""
        self.findings.add_alike(part.alike)
        for pair in part.pairs:
            self.findings.add(pair)
            self.seen.add(pair, expiring=self._expiring)
            if self.findings.writes(pair.kind):
                foreign.see(pair.backup)
                self._built += self._plan.manifest.rdb_version is not None and pair.backup.payload is None

    def _see_kept(self, part: Part, kept: KeySet, rdb_version: int | None) -> None:
        """The same for a mirror, which deletes all others."""
        present = part.alike + [pair.backup for pair in part.pairs if pair.kind != "expired"]
        for db, entries in groupby(present, attrgetter("db")):
            kept.add(db, [entry.key for entry in entries])
        if self._as_file:
            for entry in present:
                self._whole.add(entry, rdb_version)

    def _judge(self, foreign: Foreign) -> None:
        """What is known only at the end: which keys would fail, and whether there is room for the others."""
        self.findings.failing, self._foreseen = foreign.judged(self._target, self._endpoint)
        if self.refusal is None:
            # Where that is unsure a restore writes some keys for a test, which a preview must not.
            certain = self._as_file or headroom.verdict(*self._room) == "full"
            self.refusal = headroom.refusal(*self._room) if certain else None
            self.risk = headroom.risk(self._facts) if self.refusal else None

    @property
    def _room(self) -> tuple[Facts, Needs, int | None]:
        """What the target has, what it needs, and what is in use by then where that is not what is now."""
        return (
            (self._facts, self._whole, self._facts.bare_memory)
            if self._as_file
            else (self._facts, self.findings.needs, None)
        )

    @property
    def _as_file(self) -> bool:
        """Whether the target would load the backup as one file, in the place of all that it holds."""
        return self._request.deletes and self._piecemeal is None

    def _find_deleted(self, keys: Keys, kept: KeySet, progress: Progress) -> None:
        """The live keys that the backup does not have, as far as the request reaches."""
        surplus = Surplus(self._plan, kept)
        with self._endpoint.translated("looking for other keys"), Wire(self._endpoint) as wire:
            for db, names in surplus.batches(wire, self._facts.keys):
                self._add_deleted(keys, wire, db, names)
                progress("looking for others", self.findings.counts["deleted"], None, "keys")

    def _add_deleted(self, keys: Keys, wire: Wire, db: int, names: list[bytes]) -> None:
        answers = ask_all(wire, [(what, name) for name in names for what in (b"TYPE", b"PTTL")])
        for name, kind, left in zip(names, answers[::2], answers[1::2], strict=True):
            # Gone since it was named, or expired.
            if (type_name := name_of(raised(kind))) is None:
                continue
            deleted = Entry(db, name, None, type_name)
            if raised(left) < 0:
                self.seen.add_deleted(deleted)
            if self.findings.add_deleted(deleted):
                for live in keys.read(db, [name]):
                    if live is not None:
                        self.findings.samples.add("deleted", None, live, Sides(None, keys.rdb_version, keys.now()))

    def memory(self) -> dict[str, Any]:
        """What the target has, and will need."""
        _, needs, _ = self._room
        return {
            "needed_bytes": needs.least,
            "most_bytes": needs.most,
            "used_bytes": self._facts.used_memory,
            "max_bytes": self._facts.max_memory,
            "eviction": self._facts.eviction,
        }

    def warnings(self) -> list[str]:
        """Warnings that do not forbid the restore."""
        manifest = self._plan.manifest
        warnings = [*self._plan.warnings, *self._foreseen]
        if self.findings.damage.number:
            warnings.append(f"The target would not be given all of it: {self.findings.damage.words}.")
        if self._built:
            warnings.append(f"If restored, {building(self._built, manifest.rdb_version or 0)}.")
        if self._piecemeal:
            warnings.append(f"It would go key by key, which is not all or nothing: {self._piecemeal}.")
        if not self.findings.counts.total():
            warnings.append("No key of the backup fits." if manifest.keys else "The backup holds no key.")
        if missing := self.findings.samples.named.missing:
            warnings.append(missing)
        doubt = headroom.doubt(*self._room)
        return [*warnings, doubt] if doubt and self.refusal is None else warnings
