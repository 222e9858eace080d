"""Delete what retention gives up, what has lain in the trash for its days, and what killed runs left behind."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import structlog

from worker.arguments.backups import PruneArguments
from worker.backups.copies.retention import DOUBTS
from worker.backups.pruning import choice as choices
from worker.backups.pruning.account import Pruning, as_freed, doomed, emptied
from worker.backups.pruning.choice import Choice
from worker.backups.pruning.leftovers import let_go, sweep
from worker.backups.pruning.stream import delete_segments
from worker.backups.retention.decision import Decision, replacements
from worker.backups.retention.emptying import doubtful, due
from worker.backups.suspicion.notice import announce
from worker.broker import lock
from worker.broker.choices import following
from worker.config.settings import Settings
from worker.errors import BackupSystemError, StoppedError
from worker.progress import Progress, Proof, undisputed
from worker.repository import catalogue
from worker.repository.check import check_stored
from worker.repository.copies import places
from worker.segments.playing.made import shelf_of
from worker.storage import Storage, open_storage, require

log = structlog.get_logger()


def prune(settings: Settings, arguments: PruneArguments, progress: Progress) -> dict[str, Any]:
    """Keep the newest backups: what was (with `dry_run`: would be) deleted and kept, each with the reason, what was `trashed`,
    and what the trash was `emptied` of.

    To the trash goes what was pinned once, and what a token gives up that the settings would keep. Only files that a
    manifest stands for are deleted, and leftovers that carry a dead run's mark. What pushes a backup out is read back whole
    before that goes. Raises ArtifactError, then nothing was deleted; BusyError while another is at work, LostError where
    another may be, while this one stood still, StoppedError, RefusedError where nobody knows how many are to be kept. What it says, and its `report`, tell what was deleted by then.
    """
    if not arguments.dry_run:
        following.require(settings)
    home = open_storage(settings.backup_storage)
    with _alone(settings, home, arguments) as prove:
        choice = choices.at_home(settings, arguments, home)
        if not arguments.dry_run:
            _announce(home, choice)
        report = _prune(arguments, choice, progress, prove)
    # Of a home that is not there nobody can tell what it has, nor what is pinned.
    spared = arguments.made_by or not home.exists()
    report["copies"] = [] if spared else _prune_copies(settings, arguments, home, progress)
    report["warnings"] += [copies["error"] for copies in report["copies"] if copies["error"]]
    if not arguments.dry_run:
        # Moments that were made and are not read any more: of those nothing is said, for they can be made again.
        shelf_of(settings).sweep()
    return report


@contextmanager
def _alone(settings: Settings, storage: Storage, arguments: PruneArguments) -> Iterator[Proof]:
    """Nobody else deletes anything there meanwhile. BusyError."""
    if arguments.dry_run:
        yield undisputed
        return
    with lock.held(settings, f"storage {storage.place}") as lease:
        yield lease.prove


def _prune_copies(
    settings: Settings, arguments: PruneArguments, home: Storage, progress: Progress
) -> list[dict[str, Any]]:
    """The other storages by their own number; one that is away or busy keeps nobody waiting, and says why."""
    reports = []
    for there in places.elsewhere(settings):
        try:
            require(there)
            with _alone(settings, there, arguments) as prove:
                known = catalogue.read(home)
                if not arguments.dry_run:
                    _carry_notes(known, there)
                choice = choices.elsewhere(settings, there, known)
                report, error = _prune(arguments, choice, progress, prove), None
        except StoppedError:
            raise
        except BackupSystemError as failure:
            report, error = failure.report or {}, f"The copies in {there} were not pruned. {failure}"
        reports.append(
            {"where": str(there), "error": error} | {name: report.get(name, empty) for name, empty in _TOLD.items()}
        )
    return reports


def _announce(home: Storage, choice: Choice) -> None:
    """What is suspicious and not noted: whoever made it was killed before that."""
    noted = {backup.name for backup in catalogue.read(home).listed if backup.suspicious}
    for backup in choice.contents.listed:
        if backup.suspicious and backup.name not in noted:
            announce(home, backup, backup.suspicious)


def _carry_notes(home: catalogue.Catalogue, there: Storage) -> None:
    """What is pinned at home, or was, is noted there as well: so it stays there on the day when home is lost. What is suspicious, too."""
    copies = {copy.name: copy for copy in catalogue.read(there).listed}
    for backup in home.listed:
        copy = copies.get(backup.name)
        changed = copy is not None and copy.pinned != backup.pinned
        if changed and (backup.pinned or backup.name in home.unpinned):
            catalogue.note(there, backup.name, pinned=backup.pinned, pin_reason=backup.pin_reason)
        if copy is not None and (copy.suspicious, copy.accepted_at) != (backup.suspicious, backup.accepted_at):
            catalogue.note(there, backup.name, **backup.model_dump(include=DOUBTS))


_TOLD: dict[str, Any] = {
    "deleted": [],
    "trashed": [],
    "emptied": [],
    "segments": [],
    "kept_total": None,
    "freed_bytes": 0,
}
"""What is said of each other storage; here where nothing is known of it."""


def _prune(arguments: PruneArguments, choice: Choice, progress: Progress, prove: Proof) -> dict[str, Any]:
    clock = time.monotonic()
    storage, pruning = choice.storage, _planned(arguments, choice)
    with nullcontext() if arguments.dry_run else pruning.accounted():
        if not arguments.dry_run:
            _read_back(storage, choice.decisions, progress)
            pruning.carry_out(storage, progress, prove)
            if not arguments.made_by:
                delete_segments(storage, choice.stream, prove)
        prove()
        pruning.swept = [] if arguments.made_by else sweep(storage, dry_run=arguments.dry_run)
        if not (arguments.made_by or arguments.dry_run):
            let_go(storage, choice.contents, choice.policy, choice.now)
    report = pruning.report
    report["segments"] = [] if arguments.made_by else [segment.name for segment in choice.stream.doomed]
    if not arguments.dry_run:
        catalogue.settle(storage)
        names = {how: [entry["name"] for entry in report[how]] for how in ("trashed", "emptied")}
        seconds = round(time.monotonic() - clock, 3)
        log.info(
            "backup_pruned",
            where=str(storage),
            name=[entry["name"] for entry in report["deleted"]],
            keys=pruning.keys,
            bytes=report["freed_bytes"],
            seconds=seconds,
            swept=pruning.swept,
            **names,
        )
    return report


def _planned(arguments: PruneArguments, choice: Choice) -> Pruning:
    """What is to go, out of the storage and out of its trash, and what stays there against the clock."""
    contents, policy, now = choice.contents, choice.policy, choice.now
    dues = due(contents.listed, contents.trash, policy, now, arguments.made_by)
    free, locked = choices.openable(choice.storage, dues)
    going = as_freed(choice.storage, [*doomed(choice.decisions, choice.by_way), *map(emptied, free)])
    pruning = Pruning(contents, choice.decisions, going, dry_run=arguments.dry_run)
    pruning.doubts = choices.not_emptied(doubtful(contents.listed, contents.trash, policy, now)) + locked
    pruning.doubts += choices.held(contents.listed, now)
    return pruning


def _read_back(storage: Storage, decisions: list[Decision], progress: Progress) -> None:
    """Nothing is deleted before its replacement is verified: the newest that pushes it out must still be what was written.

    An undo has none: what it kept was to be kept for some days.
    """
    for newest in replacements(decisions):
        with storage.fetch(newest.name, progress, anew=True) as file:
            check_stored(file, newest, progress)
