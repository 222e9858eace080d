"""Brings what waits to its channels, each by itself: one that does not answer keeps no other from hearing."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from worker.broker.lease import LEASE_SECONDS, Lease, renewed
from worker.config.settings import Settings
from worker.errors import BackupSystemError
from worker.notify import outbox, sending, standing
from worker.notify.channels import Channel, channels
from worker.notify.outbox import Waiting
from worker.notify.sending import Line
from worker.notify.standing import Standing

log = structlog.get_logger()

ROUND_SECONDS = 40
"""After that nothing new is begun: whatever else is to be done by this worker must not wait for long."""
AT_ONCE = 4
"""Channels that are sent to at a time; each takes 60 MB meanwhile."""
GIVEN_UP_AFTER = timedelta(days=7)
PASSED_OVER = 5
"""What has failed so often is tried behind the others: it may be what is wrong, and not the channel."""


@dataclass(frozen=True)
class _Round:
    settings: Settings
    lease: Lease
    until: float
    """On the monotonic clock."""

    def is_over(self) -> bool:
        return time.monotonic() > self.until


def deliver(settings: Settings) -> int:
    """Send what waits for channels that are not left alone just now: how many messages were taken. At once none, where
    somebody else is at it.

    A message that was sent by a process that was killed right then is sent again. Raises BrokerUnavailableError, and
    LostError where we stood still for too long.
    """
    lease = Lease(settings, "outbox", str(uuid.uuid4()), LEASE_SECONDS)
    if lease.take() is not None:
        return 0
    try:
        with renewed(lease.renew, lease.every_seconds):
            return _rounds(_Round(settings, lease, time.monotonic() + ROUND_SECONDS))
    finally:
        lease.give_back()


def _rounds(this: _Round) -> int:
    """Once more after each that brought something: who puts more there meanwhile has called us in vain."""
    taken = 0
    while some := _to_all(this):
        taken += some
    return taken


def _to_all(this: _Round) -> int:
    known, now = standing.standings(this.settings), datetime.now(UTC)
    due = list[tuple[Channel, Standing]]()
    for channel in channels(this.settings):
        state = known.get(channel.name, Standing())
        if (state.next_at is None or state.next_at <= now) and outbox.waiting(this.settings, channel):
            due.append((channel, state))
    if not due:
        return 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sum(pool.map(lambda each: _to_one(this, *each), due))


def _to_one(this: _Round, channel: Channel, state: Standing) -> int:
    """Until it has all, or has not taken one, or the time is over."""
    waiting = sorted(outbox.waiting(this.settings, channel), key=lambda each: each.tries >= PASSED_OVER)
    if this.is_over() or not waiting:
        return 0
    taken = 0
    with sending.line(this.settings, channel) as line:
        for each in waiting:
            if this.is_over():
                break
            state = _sent(this, channel, line, each, state)
            if state.why is not None:
                break
            taken += 1
    return taken


def _sent(this: _Round, channel: Channel, line: Line, each: Waiting, state: Standing) -> Standing:
    this.lease.check()
    why, now = line.send(each), datetime.now(UTC)
    if why is None:
        outbox.done(this.settings, channel, each)
        state = state.well(now)
        log.info("message_delivered", channel=channel.name, of=each.message.event, id=each.id)
    else:
        state = state.failed(now, why)
        log.warning("message_not_taken", channel=channel.name, of=each.message.event, why=why, again_at=state.next_at)
        if now - each.queued_at > GIVEN_UP_AFTER:
            outbox.give_up(this.settings, channel, each, "it was tried for a week")
        else:
            outbox.tried(this.settings, channel, each)
    standing.note(this.settings, channel.name, state)
    return state


def forgive(settings: Settings, name: str) -> None:
    """A channel that works is not left alone any longer; what waits for it comes with the next round."""
    with suppress(BackupSystemError):
        known = standing.standings(settings).get(name, Standing())
        standing.note(settings, name, known.well(datetime.now(UTC)))
