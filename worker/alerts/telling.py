"""What is to be told goes out: at once, or when the quiet time is over. What waits lies in the memory of alerts."""

from datetime import datetime

import structlog

from worker.alerts import memory, quiet
from worker.alerts.memory import Change, Memory
from worker.config.settings import Settings
from worker.errors import BackupSystemError
from worker.notify import outbox
from worker.notify.message import Message

log = structlog.get_logger()

CLAIM_SECONDS = 60


def tell(settings: Settings, message: Message) -> None:
    """Have it told: what is to wait, or cannot be kept where it goes out from, is with what the next look sends. It never raises
    because the broker is away: then there is a line in the log.
    """
    is_due = not quiet.waits(message, settings.notify_quiet, settings.tz, message.at)
    if is_due and outbox.put(settings, message):
        return

    def wait(known: Memory | None) -> Change:
        before = known or Memory(since=message.at)
        return Change(before.model_copy(update={"waiting": [*before.waiting, message]}))

    try:
        memory.change(settings, wait)
    except BackupSystemError as error:
        log.warning("not_told", of=message.event, error=str(error))


def release(settings: Settings, waiting: list[Message], now: datetime) -> int:
    """Put those of the waiting ones into the outbox that need not wait any longer; how many that were. One that could not be
    kept there stays for the next look, and so does one that somebody else has in hand, for who is killed leaves it behind.
    Raises BrokerUnavailableError.
    """
    due = [message for message in waiting if not quiet.waits(message, settings.notify_quiet, settings.tz, now)]
    ours = [message for message in due if memory.claim(settings, message, CLAIM_SECONDS)]
    gone = [message for message in ours if outbox.put(settings, message)]
    if gone:

        def without(known: Memory | None) -> Change | None:
            left = [message for message in known.waiting if message not in gone] if known else []
            return Change(known.model_copy(update={"waiting": left})) if known else None

        memory.change(settings, without)
    return len(gone)
