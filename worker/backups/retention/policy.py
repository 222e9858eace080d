"""How many backups are kept: what the settings say, and what somebody asks for in their place."""

from dataclasses import dataclass, replace

from worker.arguments.backups import Keeping
from worker.config.settings import Settings


@dataclass(frozen=True)
class Policy:
    """How many of the schedule's backups are kept, how many of those made by hand or by one token, undos and trash how long.

    The rules behind these are of the schedule's backups of each source, and add to `keep`; with 0 there is no such rule.
    """

    keep: int
    keep_manual: int
    undo_days: int
    trash_days: int = 7
    """How long what was deleted can be put back."""
    hourly: int = 0
    """Of how many of the last hours that have a backup the newest is kept, and so on."""
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    hours: float = 0
    """Everything younger than that is kept."""
    bytes: int = 0
    """A ceiling for each source: what only the rules keep goes until the rest is no larger, the oldest first."""
    tz: str = "UTC"
    """Where the days begin."""


def policy_of(settings: Settings) -> Policy:
    """As the settings say of home. Where BACKUP_LOCAL_KEEP is set, the rules keep what they keep in the other storages."""
    everything = Policy(
        settings.backup_keep,
        settings.backup_keep_manual,
        settings.backup_undo_days,
        settings.backup_trash_days,
        settings.backup_keep_hourly,
        settings.backup_keep_daily,
        settings.backup_keep_weekly,
        settings.backup_keep_monthly,
        settings.backup_keep_yearly,
        settings.backup_keep_hours,
        settings.backup_keep_bytes,
        settings.tz,
    )
    if (local := settings.backup_local_keep) is None:
        return everything
    fewer = replace(
        everything, keep=min(everything.keep, local), keep_manual=min(everything.keep_manual, local), hours=0
    )
    return replace(fewer, hourly=0, daily=0, weekly=0, monthly=0, yearly=0)


def changed(policy: Policy, asked: Keeping) -> Policy:
    """The same with what somebody asks for in its place."""
    numbers = asked.model_dump(include={*Keeping.model_fields}, exclude_none=True)
    return replace(policy, **{field_of(name): number for name, number in numbers.items()})


def field_of(argument: str) -> str:
    """What a policy calls that argument: `daily` for `keep_daily`."""
    return argument if argument in ("keep", "keep_manual") else argument.removeprefix("keep_")
