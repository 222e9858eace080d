"""What is in one storage, sorted out: the backups, and apart from them whatever counts for nothing."""

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from worker.errors import StorageError
from worker.repository.described import Described
from worker.repository.manifest import CLOCKS_APART, NAME, Manifest, Scope
from worker.repository.signing.trust import ANYBODY, Trust
from worker.repository.trash import Trashed
from worker.repository.versions.lost import Lost
from worker.storage import Begun, Storage, StoredFile

MOST_SENTENCES = 100
_BEGUN: dict[Begun, str] = {
    "writing": "yet: the run that makes it is just ending, or was killed, and then a prune deletes what it left.",
    "deleting": "any more: it is being deleted, or whoever did that was killed, and then a prune ends it.",
}
"""What is to be known of an artifact without a manifest that is in somebody's hands, or was."""


@dataclass(frozen=True)
class Damaged:
    """A backup whose manifest is not what was written: nobody can tell what it is, so nobody deletes it by a rule."""

    name: str
    problem: str


@dataclass(frozen=True)
class Catalogue:
    """What is in storage, newest first: the backups, and apart from them those of kind `undo`, those that lack keys (`partial`,
    `part`), whatever is dated in the future, and whatever lies in the trash.
    """

    backups: list[Manifest]
    faults: dict[str, str]
    """By its name, what is wrong with each of the rest, in a sentence."""
    undos: list[Manifest] = field(default_factory=list)
    partials: list[Manifest] = field(default_factory=list)
    ahead: list[Manifest] = field(default_factory=list)
    """Backups, partial ones too, that are dated in the future: they count for nothing."""
    damaged: list[Damaged] = field(default_factory=list)
    """Those among the faults whose manifest can be made anew."""
    warnings: list[str] = field(default_factory=list)
    """What is to be known of backups that are good, in sentences."""
    trash: list[Trashed] = field(default_factory=list)
    """What was deleted, and is not gone yet, damaged ones among it: the last deleted first."""
    listed: list[Manifest] = field(default_factory=list)
    """The backups, those that count for nothing among them."""
    unpinned: frozenset[str] = frozenset()
    """The names of those that were pinned once, and are not any more: what gives them up moves them to the trash."""
    lost: list[Lost] = field(default_factory=list)
    """Those among the faults that somebody else has deleted or written over, of which the bucket keeps the version."""
    alarms: list[str] = field(default_factory=list)
    """What somebody else has done who can write there, in sentences: forged, signed by a stranger, removed, put back."""
    amiss: dict[str, str] = field(default_factory=dict)
    """Of these, by its name, what is missing, or was put back, although all that lies there is good."""
    seen_at: datetime | None = None
    """When that was looked up, where it was not right now."""

    @property
    def problems(self) -> list[str]:
        """The sentences alone."""
        return [*self.amiss.values(), *self.faults.values()]


@dataclass(frozen=True)
class Sorted:
    """The same without the clock, so that it can be kept as long as the files are the same; newest first."""

    undos: list[Manifest]
    others: list[Manifest]
    whole: list[Manifest]
    """Those of the others that lack nothing."""
    lacking: list[Manifest]
    faults: dict[str, str]
    damaged: list[Damaged]
    warnings: list[str]
    trash: list[Trashed]
    unpinned: frozenset[str]
    lost: list[Lost]
    alarms: list[str]

    def at(self, now: datetime, amiss: dict[str, str]) -> Catalogue:
        """As it is at that moment, with what is `amiss` by what was signed."""
        limit = now + CLOCKS_APART
        others, whole, lacking = (_ahead(ones, limit) for ones in (self.others, self.whole, self.lacking))
        ahead = self.others[:others]
        early = (*ahead, *self.undos[: _ahead(self.undos, limit)])
        return Catalogue(
            self.whole[whole:],
            {**self.faults},
            [*self.undos],
            self.lacking[lacking:],
            ahead,
            [*self.damaged],
            self.warnings
            + [of_suspicious(backup) for backup in self.others if backup.suspicious]
            + [of_ahead(backup) for backup in early],
            [*self.trash],
            [*self.others],
            self.unpinned,
            [*self.lost],
            [*amiss.values(), *self.alarms],
            {**amiss},
        )


class Sorting:
    """What was found of each backup so far; one may be found anew."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.trust: Trust = ANYBODY
        """Whose backups are relied on."""
        self._manifests: dict[str, Manifest] = {}
        self._warnings: dict[str, str] = {}
        self._faults: dict[str, str] = {}
        self._damaged: dict[str, Damaged] = {}
        self._trash: dict[str, Trashed] = {}
        self._unpinned: dict[str, bool] = {}
        self._lost: dict[str, Lost] = {}
        self._alarms: dict[str, str] = {}
        self.passing: set[str] = set()
        """Artifacts without a manifest that somebody has in hand, or had: what is so of them changes with no file that is seen."""

    def put_lost(self, missed: Lost) -> None:
        """A backup that is not there as it was written, whatever now lies there."""
        self._drop(missed.name)
        self._faults[missed.name] = missed.words(self._storage)
        self._lost[missed.name] = missed

    def _drop(self, name: str) -> None:
        known = (self._manifests, self._warnings, self._faults, self._damaged, self._trash, self._unpinned)
        for kind in (*known, self._lost, self._alarms):
            kind.pop(name, None)
        self.passing.discard(name)

    def put(self, name: str, said: Described | None, artifact: StoredFile | None) -> None:
        """What the manifest of that name says, if there is one; and the artifact, if there is one."""
        self._drop(name)
        if said is None:
            if artifact is not None and NAME.fullmatch(name):
                begun = begun_with(self._storage, name)
                self._faults[name] = bare(self._storage, name, begun)
                if begun:
                    self.passing.add(name)
            return
        alarm = said.fault if said.is_forged else self.trust.objection(said.manifest) if said.manifest else None
        wrong = alarm or fault(name, said, artifact)
        if alarm:
            self._alarms[name] = alarm
        if said.deleted_at is not None:
            whole = None if wrong else said.manifest
            size = artifact.size if artifact else 0
            self._trash[name] = Trashed(name, said.deleted_at, said.deleted_by, size, whole)
        elif wrong is not None:
            self._faults[name] = wrong
            if said.is_damaged:
                self._damaged[name] = Damaged(name, wrong)
        elif said.manifest is not None:
            self._manifests[name] = said.manifest
            if said.is_unpinned:
                self._unpinned[name] = True
            if said.warning:
                self._warnings[name] = said.warning

    def sorted(self) -> Sorted:
        """All of it."""
        by_age = sorted(self._manifests.values(), key=age_of, reverse=True)
        others = [manifest for manifest in by_age if manifest.kind != "undo"]
        lacking = [manifest for manifest in others if manifest.lacks_keys]
        return Sorted(
            undos=[manifest for manifest in by_age if manifest.kind == "undo"],
            others=others,
            whole=[manifest for manifest in others if not manifest.lacks_keys] if lacking else others,
            lacking=lacking,
            faults=dict(sorted(self._faults.items())),
            damaged=[self._damaged[name] for name in sorted(self._damaged)],
            warnings=[self._warnings[name] for name in sorted(self._warnings)],
            trash=sorted(self._trash.values(), key=lambda manifest: (manifest.deleted_at, manifest.name), reverse=True),
            unpinned=frozenset(self._unpinned),
            lost=[self._lost[name] for name in sorted(self._lost)],
            alarms=[self._alarms[name] for name in sorted(self._alarms)],
        )


def fault(name: str, said: Described, artifact: StoredFile | None) -> str | None:
    """Why it is no whole backup; None where it is."""
    if said.manifest is None:
        return said.fault
    if artifact is None:
        return f"The artifact {name} is missing, only its manifest is there."
    stored = said.manifest.bytes.stored
    if artifact.size != stored:
        return f"The artifact {name} has {artifact.size:,} bytes and not {stored:,}: it is not whole."
    return None


def begun_with(storage: Storage, name: str) -> Begun | None:
    """What somebody has begun with an artifact without a manifest, as far as the storage says."""
    with suppress(StorageError):
        return storage.begun(name)
    return None


def bare(storage: Storage, name: str, begun: Begun | None) -> str:
    """What is wrong with an artifact without a manifest."""
    if begun is not None:
        return f"{name} has no manifest {_BEGUN[begun]}"
    return f"{name} has no manifest, so it is no backup: take it in with `python -m worker adopt {storage}/{name}`."


def in_brief(sentences: list[str]) -> list[str]:
    """The first of them, and how many more there are: what is kept of a run has an end."""
    more = len(sentences) - MOST_SENTENCES
    return (
        sentences if more <= 0 else [*sentences[:MOST_SENTENCES], f"{more:,} more: `python -m worker list` names them."]
    )


def of_suspicious(backup: Manifest) -> str:
    """What is to be known of it, and done."""
    return (
        f"{backup.name} is suspicious. {' '.join(backup.suspicious)} Look at {backup.source.address or 'its source'}; if that is "
        f"as it should be, say so: `python -m worker accept {backup.name}`."
    )


def of_ahead(backup: Manifest) -> str:
    """What is to be known of a backup that is dated in the future."""
    return (
        f"{backup.name} is dated in the future: the clock of this machine was set back, or that backup was made with a wrong "
        "clock. Until then it counts for nothing, and is not pruned."
    )


def own(backups: list[Manifest], scope: Scope) -> Iterator[Manifest]:
    """Those that were made of just that server and its databases, in their order."""
    return (backup for backup in backups if is_own(backup, scope))


def is_own(backup: Manifest, scope: Scope) -> bool:
    """Whether it was made of just that server and its databases; an adopted one is of somebody else."""
    return backup.kind == "backup" and backup.source.address == scope.address and backup.scope == scope


def newest(backups: list[Manifest], scope: Scope) -> Manifest | None:
    """The newest backup of that scope; where there is none, of the same databases of another server, then any."""

    def rank(backup: Manifest) -> tuple[bool, bool, bool, datetime, str]:
        same_databases, same_server = backup.scope.databases == scope.databases, backup.scope.address == scope.address
        return backup.kind == "backup", same_databases, same_server, backup.created_at, backup.name

    return max(backups, key=rank, default=None)


def age_of(manifest: Manifest) -> tuple[datetime, str]:
    """What the order goes by."""
    return manifest.created_at, manifest.name


def _ahead(by_age: list[Manifest], limit: datetime) -> int:
    """How many of them, newest first, are dated after `limit`."""
    return bisect_left(by_age, True, key=lambda backup: backup.created_at <= limit)
