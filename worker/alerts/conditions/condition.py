"""One thing that is wrong, and all that is wrong at one moment."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from worker.alerts.facts import Facts

Level = Literal["warning", "bad"]
"""As messages have it."""


@dataclass(frozen=True)
class Condition:
    """One thing that is wrong now."""

    event: str
    """Its row."""
    level: Level
    headline: str
    sentence: str
    advice: str
    """What to do."""
    path: str
    """Of the page that says more."""
    over: str
    """What is so again when it is over, as the beginning of a sentence."""
    of: str = ""
    """Which backup, which storage, where there may be several."""
    after: timedelta = timedelta(0)
    """It must last so long before somebody is told."""

    @property
    def key(self) -> str:
        """What it is about: the same as long as it is the same thing."""
        return f"{self.event}:{self.of}" if self.of else self.event


Judge = Callable[[Facts], Iterable[Condition] | None]
"""The conditions of one row; None where the facts do not say."""


@dataclass(frozen=True)
class Judgement:
    """All that is wrong, and the rows of which nobody can tell."""

    conditions: dict[str, Condition]
    """By their keys."""
    unknown: frozenset[str]
