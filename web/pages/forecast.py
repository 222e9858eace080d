"""What the next prune would do, or one by other numbers: `what if`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import request

from web.pages import forms
from worker.arguments.backups import Keeping
from worker.backups.retention.decision import Decision
from worker.backups.retention.foreseen import foreseen
from worker.backups.retention.periods import counted
from worker.backups.retention.policy import Policy, changed, field_of, policy_of
from worker.config.settings import WebSettings
from worker.errors import UsageError
from worker.repository.manifest import Manifest

NUMBERS = {
    "keep": "Newest of the schedule's",
    "keep_manual": "Newest made by hand, and of each token",
    "keep_hourly": "Hours",
    "keep_daily": "Days",
    "keep_weekly": "Weeks",
    "keep_monthly": "Months",
    "keep_yearly": "Years",
    "keep_hours": "All younger than, in hours",
    "keep_bytes": "Ceiling for each source, in bytes",
}
"""The fields of the form, and what they are called."""


@dataclass(frozen=True)
class Forecast:
    """By which policy, and what becomes of each backup."""

    policy: Policy
    decisions: list[Decision]
    asked: dict[str, Any]
    """The numbers in place of those of the settings, by name; none where nobody asks what if."""
    refused: str | None
    """Why these cannot be, in a sentence."""

    @property
    def fields(self) -> list[tuple[str, str, Any]]:
        """Of the form: name, what it is called, the number as it is now."""
        return [(name, words, _number(self.policy, name)) for name, words in NUMBERS.items()]

    @property
    def options(self) -> str:
        """The same for a shell."""
        return " ".join(f"--{name.replace('_', '-')} {number:g}" for name, number in self.asked.items())

    @property
    def settings(self) -> str:
        """The same as settings."""
        return " ".join(f"BACKUP_{name.upper()}={number:.15g}" for name, number in self.asked.items())

    @property
    def rules(self) -> str:
        """Periods that are kept, in words; empty where there are none."""
        return counted(self.policy, "and")


def _number(policy: Policy, name: str) -> int | float:
    number: int | float = getattr(policy, field_of(name))
    return number


def forecast(settings: WebSettings, listed: list[Manifest], undos: list[Manifest], now: datetime) -> Forecast:
    """By the settings, and by what the address asks for in their place."""
    asked, refused = Keeping(), None
    try:
        asked = forms.arguments(Keeping, request.args)
    except UsageError as error:
        refused = str(error)
    usual = policy_of(settings)
    policy = changed(usual, asked)
    decisions = foreseen(settings, policy, listed, undos, now)
    numbers = asked.model_dump(exclude_none=True)
    others = {name: number for name, number in numbers.items() if number != _number(usual, name)}
    return Forecast(policy, decisions, others, refused)
