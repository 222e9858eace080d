"""The channels that the settings name, and what each is told of."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from worker.config.notify_urls import Level, scheme_of
from worker.config.settings import Settings
from worker.notify.message import Message

WEBHOOK = "webhook"
_HEARD = {
    "info": ("good", "info", "warning", "bad"),
    "warning": ("good", "warning", "bad"),
    "bad": ("good", "bad"),
}
"""Whoever was told that something is bad is also told when it is good again."""


@dataclass(frozen=True)
class Channel:
    """One way to reach somebody."""

    name: str
    """Fit to be shown: its place in NOTIFY_URLS and its scheme, such as `2-slack`, or WEBHOOK."""
    address: str = field(repr=False)
    """A secret."""
    level: Level = "info"

    def hears(self, message: Message) -> bool:
        """Whether it is told of that."""
        return message.level in _HEARD[self.level]


def channels(settings: Settings) -> list[Channel]:
    """All of them, in the order of the settings."""
    return [*_of_apprise(settings), *_webhook(settings)]


def _of_apprise(settings: Settings) -> Iterator[Channel]:
    addresses, levels = settings.notify_urls, settings.notify_level
    each = levels if len(levels) > 1 else levels * len(addresses)
    for number, (address, level) in enumerate(zip(addresses, each, strict=True), 1):
        yield Channel(f"{number}-{scheme_of(address)}", address, level)


def _webhook(settings: Settings) -> Iterator[Channel]:
    if settings.notify_webhook_url is not None:
        yield Channel(WEBHOOK, settings.notify_webhook_url)
