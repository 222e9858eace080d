"""What is to become of each backup in one storage: by retention, by what other storages hold, and by what a bucket has locked."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from worker.arguments.backups import PruneArguments
from worker.backups.copies.retention import (
    as_at_home,
    once_copied,
    policy_elsewhere,
    unless_at_home,
    while_home_doubts,
)
from worker.backups.pruning.stream import kept_in, with_bases
from worker.backups.retention.clock import newest_first
from worker.backups.retention.decide import decide
from worker.backups.retention.decision import Decision, narrowed
from worker.backups.retention.emptying import Due
from worker.backups.retention.guarantees import suspects
from worker.backups.retention.policy import Policy, changed, policy_of
from worker.backups.suspicion.judge import thresholds_of, watched
from worker.config.settings import Settings
from worker.repository import behalf, catalogue
from worker.repository.copies import holdings
from worker.repository.manifest import Manifest
from worker.repository.trash import Trashed, is_token
from worker.repository.versions.locks import lock_of
from worker.segments.keeping import Kept
from worker.storage import Storage


@dataclass(frozen=True)
class Choice:
    """What is to become of each backup in one storage."""

    storage: Storage
    contents: catalogue.Catalogue
    decisions: list[Decision]
    by_way: set[str]
    """The names of those that go by way of the trash."""
    policy: Policy
    now: datetime
    stream: Kept
    """What of the replication stream is kept there."""


def at_home(settings: Settings, arguments: PruneArguments, home: Storage) -> Choice:
    """Where backups are made. StorageError."""
    now = datetime.now(UTC)
    contents = watching(settings, catalogue.read(home), now)
    decided = _decided(settings, arguments, contents, now)
    stream = kept_in(settings, home, decided)
    decisions = _unlocked(home, with_bases(decided, stream))
    by_way = _by_way_of_trash(settings, contents, decisions, now)
    return Choice(home, contents, decisions, by_way, policy_of(settings), now, stream)


def elsewhere(settings: Settings, there: Storage, home: catalogue.Catalogue) -> Choice:
    """Where copies lie: what home has stays there, too, and all of a source that is suspicious there. StorageError."""
    contents, now, policy = catalogue.read(there), datetime.now(UTC), policy_elsewhere(settings)
    at_home = watching(settings, home, now).listed
    contents = watching(settings, replace(contents, listed=as_at_home(contents.listed, at_home)), now)
    decided = while_home_doubts(decide(contents.listed, contents.undos, policy, now), at_home, now)
    stream = kept_in(settings, there, decided)
    decisions = _unlocked(there, unless_at_home(with_bases(decided, stream), home))
    unpinned = contents.unpinned | home.unpinned if settings.backup_trash_days else set[str]()
    doomed = {decision.manifest.name for decision in decisions if not decision.keep}
    return Choice(there, contents, decisions, {*(doomed & unpinned)}, policy, now, stream)


def watching(settings: Settings, contents: catalogue.Catalogue, now: datetime) -> catalogue.Catalogue:
    """The same, with what is suspicious although nobody has noted it."""
    return replace(contents, listed=watched(contents.listed, thresholds_of(settings), now))


def _decided(
    settings: Settings, arguments: PruneArguments, contents: catalogue.Catalogue, now: datetime
) -> list[Decision]:
    usual = policy_of(settings)
    decisions = decide(contents.listed, contents.undos, changed(usual, arguments), now)
    if settings.backup_local_keep and not all(decision.keep for decision in decisions):
        decisions = once_copied(decisions, holdings.look(settings))
    return narrowed(decisions, arguments.made_by) if arguments.made_by else decisions


def _by_way_of_trash(
    settings: Settings, contents: catalogue.Catalogue, decisions: list[Decision], now: datetime
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
    as_set = decide(contents.listed, contents.undos, policy_of(settings), now)
    return unpinned | doomed & {decision.manifest.name for decision in as_set if decision.keep}


def _unlocked(storage: Storage, decisions: list[Decision]) -> list[Decision]:
    """What the bucket has locked is kept: to delete it would only hide it."""

    def of(decision: Decision) -> Decision:
        lock = None if decision.keep else lock_of(storage, decision.manifest.name)
        return Decision(decision.manifest, keep=True, reason=lock.words) if lock else decision

    return [of(decision) for decision in decisions]


def openable(storage: Storage, dues: list[Due]) -> tuple[list[Due], list[str]]:
    """What can leave the trash, and in sentences what the bucket has locked."""
    locks = [(due, lock_of(storage, due.trashed.name)) for due in dues]
    locked = [f"{due.trashed.name} lies in the trash, and is {lock.words}." for due, lock in locks if lock]
    return [due for due, lock in locks if lock is None], locked


def held(listed: list[Manifest], now: datetime) -> list[str]:
    """In sentences, of which sources nothing is deleted, and what to do."""
    return [
        f"Nothing of {newest.source.address or 'its source'} is deleted while its newest backup is suspicious, {newest.name}: "
        f"that ends with `python -m worker accept {newest.name}`, or when three more agree."
        for newest in suspects(newest_first(listed), now).values()
    ]


def not_emptied(doubtful: list[Trashed]) -> list[str]:
    """In a sentence, what stays in the trash because only one clock says otherwise."""
    if not doubtful:
        return []
    lie = "1 backup lies" if len(doubtful) == 1 else f"{len(doubtful):,} backups lie"
    return [
        f"{lie} in the trash whose days are over by the clock of this machine alone, which may be wrong: a prune deletes them "
        "once a source was backed up twice after that, `python -m worker delete --now NAME` at once."
    ]
