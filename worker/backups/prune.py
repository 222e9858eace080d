"""Delete what retention gives up, what has lain in the trash for its days, and what killed runs left behind."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import structlog

from worker.arguments.backups import PruneArguments
from worker.backups import retention, trash
from worker.backups.copies.retention import once_copied, policy_elsewhere, unless_at_home
from worker.broker import lock
from worker.config.settings import Settings
from worker.errors import ArtifactError, BackupSystemError, NotFoundError, StoppedError, StorageError
from worker.progress import Progress, Proof, undisputed
from worker.repository import behalf, catalogue
from worker.repository.check import check_stored
from worker.repository.copies import holdings, places
from worker.repository.manifest import MANIFEST_SUFFIX, Manifest
from worker.repository.notes import NOTES_SUFFIX
from worker.repository.trash import Trashed, is_token
from worker.repository.versions.locks import is_kept, lock_of
from worker.repository.versions.records import forget
from worker.storage import Storage, open_storage

log = structlog.get_logger()

MOST_KEPT = 200
"""That are named: each prune is remembered, and one follows every backup."""
How = Literal["deleted", "trashed", "emptied"]


def prune(settings: Settings, arguments: PruneArguments, progress: Progress) -> dict[str, Any]:
    """Keep the newest backups: what was (with `dry_run`: would be) deleted and kept, each with the reason, what was `trashed`,
    and what the trash was `emptied` of.

    To the trash goes what was pinned once, and what a token gives up that the settings would keep. Only files that a manifest stands for are deleted, and leftovers that carry a dead run's mark. What pushes a backup out
    is read back whole before that goes. Raises ArtifactError, then nothing was deleted; BusyError while another is at work,
    LostError where another may be, while this one stood still, StoppedError. What it says, and its `report`, tell what was
    deleted by then.
    """
    home = open_storage(settings.backup_storage)
    with _alone(settings, home, arguments) as prove:
        report = _prune(arguments, _at_home(settings, arguments, home), progress, prove)
    # Of a home that is not there nobody can tell what it has, nor what is pinned.
    spared = arguments.made_by or not home.exists()
    report["copies"] = [] if spared else _prune_copies(settings, arguments, home, progress)
    report["warnings"] += [copies["error"] for copies in report["copies"] if copies["error"]]
    return report


@contextmanager
def _alone(settings: Settings, storage: Storage, arguments: PruneArguments) -> Iterator[Proof]:
    """Nobody else deletes anything there meanwhile. BusyError."""
    if arguments.dry_run:
        yield undisputed
        return
    with lock.held(settings, f"storage {storage.place}") as lease:
        yield lease.prove


@dataclass(frozen=True)
class _Choice:
    """What is to become of each backup in one storage."""

    storage: Storage
    contents: catalogue.Catalogue
    decisions: list[retention.Decision]
    by_way: set[str]
    """The names of those that go by way of the trash."""
    policy: retention.Policy
    now: datetime


def _at_home(settings: Settings, arguments: PruneArguments, home: Storage) -> _Choice:
    contents, now = catalogue.read(home), datetime.now(UTC)
    decisions = _unlocked(home, _decided(settings, arguments, contents, now))
    by_way = _by_way_of_trash(settings, contents, decisions, now)
    return _Choice(home, contents, decisions, by_way, retention.policy_of(settings), now)


def _elsewhere(settings: Settings, there: Storage, home: catalogue.Catalogue) -> _Choice:
    contents, now, policy = catalogue.read(there), datetime.now(UTC), policy_elsewhere(settings)
    decisions = _unlocked(there, unless_at_home(retention.decide(contents.listed, contents.undos, policy, now), home))
    unpinned = contents.unpinned | home.unpinned if settings.backup_trash_days else set[str]()
    doomed = {decision.manifest.name for decision in decisions if not decision.keep}
    return _Choice(there, contents, decisions, {*(doomed & unpinned)}, policy, now)


def _prune_copies(
    settings: Settings, arguments: PruneArguments, home: Storage, progress: Progress
) -> list[dict[str, Any]]:
    """The other storages by their own number; one that is away or busy keeps nobody waiting, and says why."""
    reports = []
    for there in places.elsewhere(settings):
        try:
            places.require(there)
            with _alone(settings, there, arguments) as prove:
                known = catalogue.read(home)
                if not arguments.dry_run:
                    _carry_pins(known, there)
                choice = _elsewhere(settings, there, known)
                report, error = _prune(arguments, choice, progress, prove), None
        except StoppedError:
            raise
        except BackupSystemError as failure:
            report, error = failure.report or {}, f"The copies in {there} were not pruned. {failure}"
        reports.append(
            {"where": str(there), "error": error} | {name: report.get(name, empty) for name, empty in _TOLD.items()}
        )
    return reports


def _carry_pins(home: catalogue.Catalogue, there: Storage) -> None:
    """What is pinned at home, or was, is noted there as well: so it stays there on the day when home is lost."""
    copies = {copy.name: copy for copy in catalogue.read(there).listed}
    for backup in home.listed:
        copy = copies.get(backup.name)
        changed = copy is not None and copy.pinned != backup.pinned
        if changed and (backup.pinned or backup.name in home.unpinned):
            catalogue.note(there, backup.name, pinned=backup.pinned, pin_reason=backup.pin_reason)


_TOLD: dict[str, Any] = {"deleted": [], "trashed": [], "emptied": [], "kept_total": None, "freed_bytes": 0}
"""What is said of each other storage; here where nothing is known of it."""


def _prune(arguments: PruneArguments, choice: _Choice, progress: Progress, prove: Proof) -> dict[str, Any]:
    clock = time.monotonic()
    storage, contents, decisions, policy, now = (
        choice.storage,
        choice.contents,
        choice.decisions,
        choice.policy,
        choice.now,
    )
    emptied, locked = _openable(storage, retention.due(contents.listed, contents.trash, policy, now, arguments.made_by))
    doomed = _as_freed(storage, [*_doomed(decisions, choice.by_way), *map(_emptied, emptied)])
    pruning = _Pruning(contents, decisions, doomed, dry_run=arguments.dry_run)
    pruning.doubts = _not_emptied(retention.doubtful(contents.listed, contents.trash, policy, now)) + locked
    with nullcontext() if arguments.dry_run else pruning.accounted():
        if not arguments.dry_run:
            _read_back(storage, decisions, progress)
            pruning.carry_out(storage, progress, prove)
        prove()
        pruning.swept = [] if arguments.made_by else _sweep(storage, dry_run=arguments.dry_run)
        if not (arguments.made_by or arguments.dry_run):
            _let_go(storage, contents, policy, now)
    report = pruning.report
    if not arguments.dry_run:
        catalogue.settle(storage)
        names = {how: [entry["name"] for entry in report[how]] for how in ("trashed", "emptied")}
        seconds = round(time.monotonic() - clock, 3)
        log.info(
            "backup_pruned",
            where=str(storage),
            name=[entry["name"] for entry in report["deleted"]],
            keys=sum(entry.keys for entry in pruning.doomed if entry.how == "deleted"),
            bytes=report["freed_bytes"],
            seconds=seconds,
            swept=pruning.swept,
            **names,
        )
    return report


@dataclass(frozen=True)
class _Doomed:
    """One backup that is to go, and where to."""

    how: How
    name: str
    reason: str
    bytes: int
    keys: int


def _doomed(decisions: list[retention.Decision], by_way: set[str]) -> list[_Doomed]:
    return [
        _Doomed(
            "trashed" if decision.manifest.name in by_way else "deleted",
            decision.manifest.name,
            decision.reason,
            decision.manifest.bytes.stored,
            decision.manifest.keys or 0,
        )
        for decision in decisions
        if not decision.keep
    ]


def _emptied(due: retention.Due) -> _Doomed:
    return _Doomed("emptied", due.trashed.name, due.reason, due.trashed.bytes, 0)


def _unlocked(storage: Storage, decisions: list[retention.Decision]) -> list[retention.Decision]:
    """What the bucket has locked is kept: to delete it would only hide it."""

    def of(decision: retention.Decision) -> retention.Decision:
        lock = None if decision.keep else lock_of(storage, decision.manifest.name)
        return retention.Decision(decision.manifest, keep=True, reason=lock.words) if lock else decision

    return [of(decision) for decision in decisions]


def _openable(storage: Storage, dues: list[retention.Due]) -> tuple[list[retention.Due], list[str]]:
    """What can leave the trash, and in sentences what the bucket has locked."""
    locks = [(due, lock_of(storage, due.trashed.name)) for due in dues]
    locked = [f"{due.trashed.name} lies in the trash, and is {lock.words}." for due, lock in locks if lock]
    return [due for due, lock in locks if lock is None], locked


def _as_freed(storage: Storage, doomed: list[_Doomed]) -> list[_Doomed]:
    """The same, with no bytes where the bucket keeps the version."""
    return [
        replace(each, bytes=0) if each.how != "trashed" and is_kept(storage, each.name) else each for each in doomed
    ]


def _let_go(storage: Storage, contents: catalogue.Catalogue, policy: retention.Policy, now: datetime) -> None:
    """What somebody else has deleted is named until it would have gone by now: that may have been another machine's prune."""
    missed: dict[str, Manifest] = {}
    for backup in contents.lost:
        if backup.how == "deleted":
            with suppress(ArtifactError):
                missed[backup.name] = backup.record.described
    undos = [manifest for manifest in missed.values() if manifest.kind == "undo"]
    others = [manifest for manifest in missed.values() if manifest.kind != "undo"]
    for decision in retention.decide(contents.listed + others, contents.undos + undos, policy, now) if missed else ():
        if decision.manifest.name in missed and not decision.keep:
            forget(storage, decision.manifest.name)
            with suppress(StorageError):
                catalogue.let_go(storage, decision.manifest.name)
            log.info("backup_let_go", name=decision.manifest.name)


def _not_emptied(doubtful: list[Trashed]) -> list[str]:
    if not doubtful:
        return []
    lie = "1 backup lies" if len(doubtful) == 1 else f"{len(doubtful):,} backups lie"
    return [
        f"{lie} in the trash whose days are over by the clock of this machine alone, which may be wrong: a prune deletes them "
        "once a source was backed up twice after that, `python -m worker delete --now NAME` at once."
    ]


class _Pruning:
    """What is to go, and what has gone by now."""

    def __init__(
        self,
        contents: catalogue.Catalogue,
        decisions: list[retention.Decision],
        doomed: list[_Doomed],
        *,
        dry_run: bool,
    ) -> None:
        self.decisions, self.doomed, self.swept, self.doubts = decisions, doomed, list[str](), list[str]()
        self._contents, self._dry_run = contents, dry_run
        self._gone = doomed if dry_run else []

    def carry_out(self, storage: Storage, progress: Progress, prove: Proof) -> None:
        """Delete or trash all that is to go, one after the other; it can be stopped before each."""
        for number, doomed in enumerate(self.doomed):
            progress("deleting", number, len(self.doomed), "backups")
            prove()
            _do_away(storage, doomed)
            self._gone.append(doomed)

    @contextmanager
    def accounted(self) -> Iterator[None]:
        """An error within the block says what was deleted by then."""
        try:
            yield
        except BackupSystemError as error:
            full = type(error)(f"{error} {self._until_then}", risk=error.risk)
            full.report = self.report | {"cut_short": True}
            raise full from None
        except BaseException as error:
            error.add_note(self._until_then)
            raise

    @property
    def _until_then(self) -> str:
        deleted, left = len(self._gone), len(self.doomed) - len(self._gone)
        done = "deleted or moved to the trash" if any(doomed.how == "trashed" for doomed in self.doomed) else "deleted"
        return f"Until then {deleted:,} of {deleted + left:,} backups were {done}{'; prune again for the others' * (left > 0)}."

    @property
    def report(self) -> dict[str, Any]:
        """So far."""
        kept, undos = (
            [doomed for doomed in self.decisions if doomed.keep and (doomed.manifest.kind == "undo") == is_undo]
            for is_undo in (False, True)
        )
        return {
            "dry_run": self._dry_run,
            "cut_short": False,
            **{how: [_deleted_row(doomed) for doomed in self._gone if doomed.how == how] for how in get_args(How)},
            "kept": [_kept_row(doomed) for doomed in kept[:MOST_KEPT]],
            "kept_total": len(kept),
            "undos_kept": [_kept_row(doomed) for doomed in undos[:MOST_KEPT]],
            "undos_kept_total": len(undos),
            "swept": self.swept,
            "freed_bytes": sum(doomed.bytes for doomed in self._gone if doomed.how != "trashed"),
            "problems": catalogue.in_brief(self._contents.problems),
            "warnings": [*catalogue.in_brief(self._contents.warnings), *self.doubts],
        }


def _decided(
    settings: Settings, arguments: PruneArguments, contents: catalogue.Catalogue, now: datetime
) -> list[retention.Decision]:
    usual = retention.policy_of(settings)
    policy = replace(usual, keep=arguments.keep or usual.keep, keep_manual=arguments.keep_manual or usual.keep_manual)
    decisions = retention.decide(contents.listed, contents.undos, policy, now)
    if settings.backup_local_keep and not all(decision.keep for decision in decisions):
        decisions = once_copied(decisions, holdings.look(settings))
    return retention.narrowed(decisions, arguments.made_by) if arguments.made_by else decisions


def _by_way_of_trash(
    settings: Settings, contents: catalogue.Catalogue, decisions: list[retention.Decision], now: datetime
) -> set[str]:
    """What is given up and not deleted at once: what was unpinned, and what a token gives up that the settings would keep.

    Whoever stole a token could otherwise unpin all that is kept for years, or ask to keep a single one, and wait.
    """
    if not settings.backup_trash_days:
        return set()
    doomed = {decision.manifest.name for decision in decisions if not decision.keep}
    unpinned = doomed & contents.unpinned
    if not is_token(behalf.asker()):
        return unpinned
    as_set = retention.decide(contents.listed, contents.undos, retention.policy_of(settings), now)
    return unpinned | doomed & {decision.manifest.name for decision in as_set if decision.keep}


def _deleted_row(doomed: _Doomed) -> dict[str, str]:
    return {"name": doomed.name, "reason": doomed.reason}


def _kept_row(decision: retention.Decision) -> dict[str, str]:
    return {"name": decision.manifest.name, "reason": decision.reason}


def _read_back(storage: Storage, decisions: list[retention.Decision], progress: Progress) -> None:
    """Nothing is deleted before its replacement is verified: the newest that pushes it out must still be what was written.

    An undo has none: what it kept was to be kept for some days.
    """
    for newest in retention.replacements(decisions):
        with storage.fetch(newest.name, progress, anew=True) as file:
            check_stored(file, newest, progress)


def _owned(storage: Storage) -> set[str]:
    """Files of backups with a manifest, damaged or not, which no sweep may take for leftovers."""
    names = [file.name for file in storage.files() if file.name.endswith(MANIFEST_SUFFIX)]
    backups = [name.removesuffix(MANIFEST_SUFFIX) for name in names]
    return {*names, *backups, *(name + NOTES_SUFFIX for name in backups)}


def _sweep(storage: Storage, *, dry_run: bool) -> list[str]:
    return storage.sweep(_owned(storage), dry_run=dry_run) + _sweep_orphans(storage, dry_run=dry_run)


def _sweep_orphans(storage: Storage, *, dry_run: bool) -> list[str]:
    orphans = catalogue.orphans(storage)
    for name in () if dry_run else orphans:
        with suppress(NotFoundError):  # another prune was here first
            storage.delete(name, [])
    return orphans


def _do_away(storage: Storage, doomed: _Doomed) -> None:
    try:
        if doomed.how == "trashed":
            trash.move(storage, doomed.name)
        else:
            catalogue.remove(storage, doomed.name)
    except NotFoundError:
        log.debug("backup_gone", name=doomed.name)  # another prune was here first
