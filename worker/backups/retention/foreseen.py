"""What the next prune would do by some settings, as far as is known without asking other storages anew."""

from datetime import datetime

from worker.backups.copies.retention import once_copied, policy_elsewhere, unless_at_home
from worker.backups.retention.decide import decide
from worker.backups.retention.decision import Decision
from worker.backups.retention.policy import Policy, policy_of
from worker.backups.suspicion.judge import thresholds_of, watched
from worker.config.schedule.plan import NAMES
from worker.config.settings import Settings
from worker.repository import contents
from worker.repository.copies import holdings
from worker.repository.manifest import Manifest

NUMBERS = tuple(name for name in NAMES if name.startswith("keep"))
"""Of the settings, those by which something is kept."""


def foreseen(
    settings: Settings, policy: Policy, listed: list[Manifest], undos: list[Manifest], now: datetime
) -> list[Decision]:
    """What would become of each backup at home by that policy."""
    decisions = decide(watched(listed, thresholds_of(settings), now), undos, policy, now)
    return once_copied(decisions, holdings.remembered(settings)) if settings.backup_local_keep else decisions


def given_up(before: Settings, after: Settings, home: contents.Catalogue, now: datetime) -> list[str]:
    """The names of the backups, of copies too, that are kept by the settings of before, and would not be afterwards."""
    at_home = _kept(before, home, now) - _kept(after, home, now)
    elsewhere: set[str] = set()
    for reading in holdings.remembered(before):
        if reading.contents is not None:
            there = reading.contents
            elsewhere |= _kept_elsewhere(before, there, home, now) - _kept_elsewhere(after, there, home, now)
    return sorted(at_home | elsewhere)


def fewer(before: Settings, after: Settings) -> list[str]:
    """The short names of the numbers that keep less than they did."""
    return [name for name in NUMBERS if _reach(after, name) < _reach(before, name)]


def _reach(settings: Settings, name: str) -> float:
    number = float(getattr(settings, NAMES[name]))
    return number if number or name != "keep_bytes" else float("inf")


def _kept(settings: Settings, home: contents.Catalogue, now: datetime) -> set[str]:
    decisions = foreseen(settings, policy_of(settings), home.listed, home.undos, now)
    return {decision.manifest.name for decision in decisions if decision.keep}


def _kept_elsewhere(settings: Settings, there: contents.Catalogue, home: contents.Catalogue, now: datetime) -> set[str]:
    decisions = decide(there.listed, there.undos, policy_elsewhere(settings), now)
    return {decision.manifest.name for decision in unless_at_home(decisions, home) if decision.keep}
