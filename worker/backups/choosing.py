"""Change what is chosen of the schedule: not behind anybody's back, and what a prune would delete by it is said before."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from worker.alerts import events
from worker.arguments.schedule import ScheduleArguments
from worker.backups.copies.retention import policy_elsewhere
from worker.backups.retention.foreseen import fewer, given_up
from worker.backups.retention.policy import policy_of
from worker.broker import audit
from worker.broker.choices import following, store
from worker.broker.choices.store import CHANGED
from worker.config.schedule.chosen import Choice, Chosen
from worker.config.schedule.plan import NAMES, Plan, Value, name_of, written
from worker.config.settings import Settings, laid_over
from worker.config.validation import first_fault
from worker.errors import RefusedError, UsageError
from worker.repository import catalogue
from worker.repository.trash import is_token
from worker.storage import open_storage
from worker.words import counted, listed

SHOWN = 3
"""Names of backups in a sentence."""


class GivesUpError(RefusedError):
    """The next prune would delete more by it than was agreed to; `names` are those of the backups."""

    def __init__(self, message: str, names: list[str]) -> None:
        super().__init__(message)
        self.names = names


@dataclass(frozen=True)
class Changed:
    """What came of a change, or would."""

    revision: int
    changes: dict[str, tuple[Value, Value]]
    """By short name what counted before, and what counts now."""
    gives_up: list[str]
    """The names of the backups that the next prune deletes by it."""


def change(said: Settings, asked: ScheduleArguments, who: str) -> Changed:
    """Choose these values; `said` are the settings as the environment has them.

    UsageError for a value that cannot be, or one that the environment says; RefusedError where somebody else has changed them since,
    and for a token that would keep less; GivesUpError, StorageError, BrokerUnavailableError.
    """
    chosen = following.refresh(said).chosen
    if asked.revision != chosen.revision:
        raise RefusedError(CHANGED)
    proposed = _proposed(said, chosen, asked, who)
    before, after = laid_over(said, chosen), laid_over(said, proposed)
    changes = _changes(before, after)
    _check(before, after, who)
    names = _given_up(before, after)
    if len(names) > asked.gives_up and not asked.dry_run:
        raise GivesUpError(_agree(names), names)
    if asked.dry_run or proposed.choices == chosen.choices:
        return Changed(chosen.revision, changes, names)
    store.write(said, chosen, proposed)
    following.go_by(said, following.read(proposed))
    _tell(said, changes, who)
    return Changed(proposed.revision, changes, names)


def _proposed(said: Settings, chosen: Chosen, asked: ScheduleArguments, who: str) -> Chosen:
    """What the environment says cannot be chosen; what was chosen of that before is kept for a day without it."""
    values, now = asked.values, datetime.now(UTC)
    before = laid_over(said, chosen)
    for field in values.keys() & said.model_fields_set:
        if values[field] != written(before, field):
            raise UsageError(f"{field.upper()} is set in the environment, which wins: change it there.")
    dormant = {field: choice for field, choice in chosen.choices.items() if field in said.model_fields_set}
    free = {field: _canonical(field, value) for field, value in values.items() if field not in said.model_fields_set}
    choices = {field: _choice(chosen.choices, field, value, who, now) for field, value in free.items()}
    return Chosen(revision=chosen.revision + 1, choices=dormant | choices)


def _canonical(field: str, value: Value) -> Value:
    """As it is written: 4:30 is 04:30."""
    try:
        return written(Plan.model_validate({field: value}), field)
    except ValidationError as error:
        raise UsageError(f"{name_of(field)}: {first_fault(error).what}.") from None


def _choice(before: Mapping[str, Choice], field: str, value: Value, who: str, now: datetime) -> Choice:
    """Whoever leaves it as it was has not chosen it."""
    known = before.get(field)
    return known if known is not None and known.value == value else Choice(value=value, by=who, at=now)


def _changes(before: Settings, after: Settings) -> dict[str, tuple[Value, Value]]:
    pairs = {name: (written(before, field), written(after, field)) for name, field in NAMES.items()}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _check(before: Settings, after: Settings, who: str) -> None:
    elsewhere = after.backup_copies_keep
    if elsewhere is not None and elsewhere < after.backup_keep != before.backup_keep:
        raise UsageError(
            f"keep: must be at most BACKUP_COPIES_KEEP, {elsewhere:,}: what is kept at home would be copied, and given up there."
        )
    if is_token(who) and (less := fewer(before, after)):
        raise RefusedError(
            f"A token may not have less kept ({listed(less)}): the admin may, on the Schedule page or in a shell."
        )


def _given_up(before: Settings, after: Settings) -> list[str]:
    """Nobody has to wait for the storage who changes only times."""
    if policy_of(before) == policy_of(after) and policy_elsewhere(before) == policy_elsewhere(after):
        return []
    return given_up(before, after, catalogue.read(open_storage(before.backup_storage)), datetime.now(UTC))


def _agree(names: list[str]) -> str:
    shown = listed(names) if len(names) <= SHOWN else f"{', '.join(names[:SHOWN])} and {len(names) - SHOWN:,} more"
    return f"The next prune would delete {counted(len(names), 'backup')} by it that are kept now: {shown}. Agree to that, or keep more."


def _tell(said: Settings, changes: dict[str, tuple[Value, Value]], who: str) -> None:
    audit.record(
        said, who, "schedule changed", "ok", **{name: f"{old} to {new}" for name, (old, new) in changes.items()}
    )
    if changes:
        events.schedule_changed(said, {NAMES[name].upper(): pair for name, pair in changes.items()}, who)
