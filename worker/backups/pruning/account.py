"""What is to go is done away with, one after the other, and whatever ends that, it is told what has gone by then."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import structlog

from worker.backups import trash
from worker.backups.retention.decision import Decision
from worker.backups.retention.emptying import Due
from worker.errors import BackupSystemError, NotFoundError
from worker.progress import Progress, Proof
from worker.repository import catalogue
from worker.repository.versions.locks import is_kept
from worker.storage import Storage

log = structlog.get_logger()

MOST_KEPT = 200
"""That are named: each prune is remembered, and one follows every backup."""
How = Literal["deleted", "trashed", "emptied"]


@dataclass(frozen=True)
class Doomed:
    """One backup that is to go, where to, and why."""

    how: How
    name: str
    reason: str
    bytes: int
    """That are freed by it."""
    keys: int


def doomed(decisions: list[Decision], by_way: set[str]) -> list[Doomed]:
    """Of these decisions those that are against a backup; `by_way` are the names of those for the trash."""
    return [
        Doomed(
            "trashed" if decision.manifest.name in by_way else "deleted",
            decision.manifest.name,
            decision.reason,
            decision.manifest.bytes.stored,
            decision.manifest.keys or 0,
        )
        for decision in decisions
        if not decision.keep
    ]


def emptied(due: Due) -> Doomed:
    """What leaves the trash."""
    return Doomed("emptied", due.trashed.name, due.reason, due.trashed.bytes, 0)


def as_freed(storage: Storage, doomed: list[Doomed]) -> list[Doomed]:
    """The same, with no bytes where the bucket keeps the version."""
    return [
        replace(each, bytes=0) if each.how != "trashed" and is_kept(storage, each.name) else each for each in doomed
    ]


class Pruning:
    """What is to go, and what has gone by now."""

    def __init__(
        self,
        contents: catalogue.Catalogue,
        decisions: list[Decision],
        doomed: list[Doomed],
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
    def keys(self) -> int:
        """Of what is to be deleted at once."""
        return sum(doomed.keys for doomed in self.doomed if doomed.how == "deleted")

    @property
    def report(self) -> dict[str, Any]:
        """So far."""
        kept, undos = (
            [decision for decision in self.decisions if decision.keep and (decision.manifest.kind == "undo") == is_undo]
            for is_undo in (False, True)
        )
        return {
            "dry_run": self._dry_run,
            "cut_short": False,
            **{how: [_deleted_row(doomed) for doomed in self._gone if doomed.how == how] for how in get_args(How)},
            "kept": [_kept_row(decision) for decision in kept[:MOST_KEPT]],
            "kept_total": len(kept),
            "undos_kept": [_kept_row(decision) for decision in undos[:MOST_KEPT]],
            "undos_kept_total": len(undos),
            "swept": self.swept,
            "freed_bytes": sum(doomed.bytes for doomed in self._gone if doomed.how != "trashed"),
            "problems": catalogue.in_brief(self._contents.problems),
            "warnings": [*catalogue.in_brief(self._contents.warnings), *self.doubts],
        }


def _do_away(storage: Storage, doomed: Doomed) -> None:
    try:
        if doomed.how == "trashed":
            trash.move(storage, doomed.name)
        else:
            catalogue.remove(storage, doomed.name)
    except NotFoundError:
        log.debug("backup_gone", name=doomed.name)  # another prune was here first


def _deleted_row(doomed: Doomed) -> dict[str, str]:
    return {"name": doomed.name, "reason": doomed.reason}


def _kept_row(decision: Decision) -> dict[str, str]:
    return {"name": decision.manifest.name, "reason": decision.reason}
