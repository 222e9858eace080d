"""What is open among the alerts, for each page's navigation and the page that shows them; without the broker, only why."""

import time
from dataclasses import dataclass

from worker.alerts import memory
from worker.alerts.memory import Memory
from worker.config.settings import Settings
from worker.errors import BrokerUnavailableError

AGAIN_SECONDS = 15
"""A broker that did not answer is not asked again by the next pages."""
_failed: dict[str, tuple[float, str]] = {}
"""By the broker's address: when it did not answer, and the sentence about that."""


@dataclass(frozen=True)
class Standing:
    """The alerts as somebody last saw them."""

    memory: Memory | None = None
    """None where nobody has looked yet, or the broker is away."""
    away: str | None = None
    """Why they cannot be read."""

    @property
    def count(self) -> int:
        """How many are open that nobody has silenced."""
        return len(self.memory.loud) if self.memory else 0

    @property
    def level(self) -> str:
        """Of the worst of these."""
        return self.memory.loud[0].level if self.count and self.memory else "good"


def standing(settings: Settings) -> Standing:
    """What is open."""
    at, words = _failed.get(settings.celery_broker_url, (-AGAIN_SECONDS, ""))
    if time.monotonic() - at < AGAIN_SECONDS and words:
        return Standing(away=words)
    try:
        known = memory.read(settings)
    except BrokerUnavailableError as error:
        missed(settings, str(error))
        return Standing(away=str(error))
    _failed.pop(settings.celery_broker_url, None)
    return Standing(known)


def missed(settings: Settings, words: str) -> None:
    """The broker did not answer somebody who asked for a page: nobody waits for it once more for that page's navigation."""
    _failed[settings.celery_broker_url] = time.monotonic(), words
