"""What is to be said and has not reached everybody yet, kept in the broker: for each channel by itself, each until it is there.

A channel that does not answer keeps only what is for itself. What is taken out has been sent: whoever is killed between the
two leaves it there, and it is sent again.
"""

import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from worker.broker import bounded, connection
from worker.config.settings import Settings
from worker.errors import BackupSystemError, BrokerUnavailableError
from worker.notify.channels import Channel, channels
from worker.notify.message import Message

log = structlog.get_logger()

MOST_WAITING = 200
"""For one channel: of more the oldest go, counted as never delivered."""
KEPT = timedelta(days=30)
"""For a channel that no setting names any more."""
PATIENCE_SECONDS = 2

_OUTBOX, _LOST = connection.PREFIX + "outbox:", connection.PREFIX + "outbox-lost"

_wake: list[Callable[[], object]] = []


class Waiting(BaseModel):
    """A message that one channel does not have yet."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    """The same for every channel, and each time that it is sent."""
    message: Message
    queued_at: AwareDatetime
    tries: int = 0


def on_put(wake: Callable[[], object]) -> None:
    """Have that called whenever something waits that did not wait before: deliveries need not wait for their minute then."""
    _wake[:] = [wake]


def put(settings: Settings, message: Message) -> bool:
    """Keep it for every channel that is to hear of it, for all of them or for none. False where it could not be kept, and has to
    be put again; nothing is to be kept where none hears of it. It never raises because the broker is away: there is a line in
    the log then, as there is one of each message in any case.
    """
    log.info("message", of=message.event, how=message.level, key=message.key, sentence=message.sentence)
    hearing = [channel for channel in channels(settings) if channel.hears(message)]
    if not hearing:
        return True
    waiting = new(message)
    try:
        with connection.translated(), connection.client(settings, PATIENCE_SECONDS) as client:
            _keep(client, hearing, waiting)
    except BrokerUnavailableError as error:
        log.warning("message_not_kept", of=message.event, key=message.key, error=str(error))
        return False
    for wake in _wake:
        with suppress(BackupSystemError):
            wake()
    return True


def new(message: Message) -> Waiting:
    """A message that nobody has yet. Put twice it has the same id, and waits once."""
    identity = uuid.uuid5(uuid.NAMESPACE_OID, f"{message.event} {message.key} {message.at.isoformat()}")
    return Waiting(id=str(identity), message=message, queued_at=datetime.now(UTC))


def _keep(client: Any, hearing: list[Channel], waiting: Waiting) -> None:
    text = waiting.model_dump_json()
    with client.pipeline(transaction=True) as pipe:
        for channel in hearing:
            pipe.hsetnx(_key(channel), waiting.id, text)
            pipe.expire(_key(channel), KEPT)
            pipe.hlen(_key(channel))
        counts = pipe.execute()[2::3]
    for channel, count in zip(hearing, counts, strict=True):
        for old in _waiting(client, _key(channel))[: count - MOST_WAITING] if count > MOST_WAITING else ():
            _lose(client, channel, old, "more waits than is kept")


def waiting(settings: Settings, channel: Channel) -> list[Waiting]:
    """What a channel does not have yet, oldest first. Raises BrokerUnavailableError."""
    with connection.translated(), connection.client(settings, PATIENCE_SECONDS) as client:
        return _waiting(client, _key(channel))


def done(settings: Settings, channel: Channel, each: Waiting) -> None:
    """The channel has it. Raises BrokerUnavailableError."""
    with connection.translated(), connection.client(settings, PATIENCE_SECONDS) as client:
        client.hdel(_key(channel), each.id)


def tried(settings: Settings, channel: Channel, each: Waiting) -> None:
    """The channel has not taken it. Raises BrokerUnavailableError."""
    with connection.translated(), connection.client(settings, PATIENCE_SECONDS) as client:
        again = each.model_copy(update={"tries": each.tries + 1})
        client.hset(_key(channel), each.id, again.model_dump_json())


def give_up(settings: Settings, channel: Channel, each: Waiting, why: str) -> None:
    """The channel will never have it, which is counted. Raises BrokerUnavailableError."""
    with connection.translated(), connection.client(settings, PATIENCE_SECONDS) as client:
        _lose(client, channel, each, why)


def _lose(client: Any, channel: Channel, each: Waiting, why: str) -> None:
    if client.hdel(_key(channel), each.id):
        client.hincrby(_LOST, channel.name, 1)
        log.error("message_never_delivered", channel=channel.name, of=each.message.event, id=each.id, why=why)


def lost(settings: Settings) -> dict[str, int]:
    """How many messages each channel will never have, by its name. Raises BrokerUnavailableError."""
    with connection.translated(), connection.client(settings, PATIENCE_SECONDS) as client:
        answer: Any = bounded.fields(client, _LOST)
    names = [name.decode(errors="replace") for name in answer[::2]]
    return {name: int(count) for name, count in zip(names, answer[1::2], strict=True) if count.isdigit()}


def _waiting(client: Any, key: str) -> list[Waiting]:
    texts: list[bytes] = bounded.fields(client, key)
    those = []
    for text in texts[1::2]:
        with suppress(ValidationError):
            those.append(Waiting.model_validate_json(text))
    return sorted(those, key=lambda waiting: (waiting.queued_at, waiting.id))


def _key(channel: Channel) -> str:
    return _OUTBOX + channel.name
