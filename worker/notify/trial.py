"""Whether each channel works, found out by sending it something now."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from worker.config.settings import Settings
from worker.errors import BackupSystemError, UsageError
from worker.notify import deliver, sending
from worker.notify.channels import Channel, channels
from worker.notify.message import Message
from worker.notify.outbox import new
from worker.progress import Progress


def try_channels(settings: Settings, progress: Progress) -> dict[str, Any]:
    """Send each of them a message: its name (`channel`), `why` it was not taken, None where it was, and in how many `seconds`.

    Raises UsageError where there is none.
    """
    those, done = channels(settings), list[dict[str, Any]]()
    if not those:
        raise UsageError("Nobody is told of anything: set NOTIFY_URLS or NOTIFY_WEBHOOK_URL first.")
    with ThreadPoolExecutor(deliver.AT_ONCE) as pool:
        for outcome in pool.map(lambda channel: _tried(settings, channel), those):
            done.append(outcome)
            progress("trying", len(done), len(those), "channels")
    return {"channels": done, "links": settings.public_url is not None}


def check_heard(tried: dict[str, Any]) -> None:
    """Raise BackupSystemError where one of them did not take it."""
    for channel in tried["channels"]:
        if channel["why"]:
            raise BackupSystemError(f"The channel {channel['channel']} did not work: {channel['why']}")


def _tried(settings: Settings, channel: Channel) -> dict[str, Any]:
    began = time.monotonic()
    words = "This is a test: whoever reads it hears of what is wrong with the backups."
    message = Message(event="test", level="info", sentence=words, path="/system", at=datetime.now(UTC), key="test")
    with sending.line(settings, channel) as line:
        why = line.send(new(message))
    if why is None:
        deliver.forgive(settings, channel.name)
    return {"channel": channel.name, "why": why, "seconds": round(time.monotonic() - began, 3)}
