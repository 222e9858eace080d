"""What leaves home once it lies elsewhere, and what leaves there: pure."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from worker.backups.retention.decision import Decision
from worker.backups.retention.guarantees import doubt, suspects
from worker.backups.retention.policy import Policy, policy_of
from worker.backups.retention.pools import lane_of
from worker.config.settings import Settings
from worker.repository.contents import Catalogue
from worker.repository.copies.places import is_copied, is_same
from worker.repository.copies.standing import Reading
from worker.repository.manifest import Manifest


def policy_elsewhere(settings: Settings) -> Policy:
    """As the settings say of each other storage."""
    everything = policy_of(settings.model_copy(update={"backup_local_keep": None}))
    return replace(everything, keep=settings.backup_copies_keep or settings.backup_keep)


def once_copied(decisions: list[Decision], elsewhere: Iterable[Reading]) -> list[Decision]:
    """The decisions for home: a good backup that is given up stays until each other storage holds it, as far as is known now."""
    for reading in elsewhere:
        decisions = [_until_it_lies_in(reading, decision) for decision in decisions]
    return decisions


def _until_it_lies_in(reading: Reading, decision: Decision) -> Decision:
    backup = decision.manifest
    if decision.keep or not is_copied(backup):
        return decision
    if reading.contents is None or reading.error is not None:
        return Decision(backup, keep=True, reason=f"nobody can tell whether it lies in {reading.where}")
    if any(is_same(backup, copy) for copy in reading.contents.listed):
        return decision
    return Decision(backup, keep=True, reason=f"it does not lie in {reading.where} yet")


def as_at_home(copies: list[Manifest], home: list[Manifest]) -> list[Manifest]:
    """The copies with what was noted at home of what is suspicious, and accepted."""
    known = {backup.name: backup.model_dump(include=DOUBTS) for backup in home}
    return [copy.model_copy(update=known[copy.name]) if copy.name in known else copy for copy in copies]


def while_home_doubts(decisions: list[Decision], home: list[Manifest], now: datetime) -> list[Decision]:
    """The decisions for another storage: of a source whose newest backup at home is suspicious nothing goes there either."""
    doubted = suspects(home, now)
    return [
        Decision(decision.manifest, keep=True, reason=doubt(newest))
        if not decision.keep
        and decision.manifest.kind != "undo"
        and (newest := doubted.get(lane_of(decision.manifest)))
        else decision
        for decision in decisions
    ]


DOUBTS = {"suspicious", "accepted_at", "accepted_by"}
"""Fields of a manifest."""


def unless_at_home(decisions: list[Decision], home: Catalogue) -> list[Decision]:
    """The decisions for another storage: what home has, in its trash too, stays there as well, and so does what an undo needs."""
    held = (
        {backup.name for backup in home.listed}
        | {trashed.name for trashed in home.trash}
        | {undo.restored for undo in home.undos}
    )
    return [
        Decision(decision.manifest, keep=True, reason="it lies at home as well, or is needed there")
        if not decision.keep and decision.manifest.name in held
        else decision
        for decision in decisions
    ]
