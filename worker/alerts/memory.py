"""What was wrong when somebody last looked, and what is still to be told: one record in the broker that is changed as a whole.

Who looks takes a number first, so that whoever began to look earlier never overwrites what a later one has seen.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from redis.exceptions import WatchError

from worker.broker import bounded, connection
from worker.config.settings import Settings
from worker.errors import BusyError
from worker.notify.message import Message

MOST_OPEN, MOST_WAITING, HISTORY = 200, 200, 500
CHANGE_TRIES = 20
PATIENCE_SECONDS = 2
STALE = timedelta(minutes=10)
"""Beat has somebody look every minute: what was seen longer ago is not believed."""

_MEMORY = connection.PREFIX + "alerts"
_HISTORY = connection.PREFIX + "alerts:history"
_LOOKS = connection.PREFIX + "alerts:looks"


class Alert(BaseModel):
    """Something that is wrong; its times are in UTC."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str
    event: str
    level: Literal["warning", "bad"]
    headline: str
    sentence: str
    advice: str
    path: str = Field(pattern=r"^/([^/\\]|$)")
    """Of a page of the dashboard: no other host is named."""
    over: str
    since: AwareDatetime
    opened_at: AwareDatetime | None = None
    """When it had lasted long enough; None before that."""
    told_at: AwareDatetime | None = None
    """When somebody was last told; None where nobody was, as while it is silenced."""
    gone_since: AwareDatetime | None = None
    """Since when it is not so any more, where it comes and goes: it stays open for a while then."""
    returns: int = 0
    """How often it has come back soon after it was over."""
    ended_at: AwareDatetime | None = None
    """Of one in the history."""


class Silence(BaseModel):
    """Until when nobody is told of an alert."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    until: AwareDatetime
    by: str
    at: AwareDatetime


class Ending(BaseModel):
    """When an alert was over, and how often it had come back by then."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: AwareDatetime
    returns: int


class Memory(BaseModel):
    """All of it but the history."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    since: AwareDatetime
    """Since when somebody looks."""
    look: int = 0
    """The number of the last look."""
    seen_at: AwareDatetime | None = None
    """When that was."""
    alerts: dict[str, Alert] = {}
    """By their keys; those too that have not lasted long enough."""
    endings: dict[str, Ending] = {}
    """By key those of late: whatever comes back soon comes and goes."""
    silences: dict[str, Silence] = {}
    waiting: list[Message] = []
    """What is to be told, oldest first."""
    summed_up_at: AwareDatetime | None = None
    """The last moment for which the week was summed up."""

    def is_recent(self, now: datetime) -> bool:
        """Whether somebody has looked of late."""
        return self.seen_at is not None and now - self.seen_at <= STALE

    @property
    def open(self) -> list[Alert]:
        """What is wrong, the worst first, then the latest."""
        known = [alert for alert in self.alerts.values() if alert.opened_at is not None]
        return sorted(known, key=lambda alert: (alert.level != "bad", -alert.since.timestamp(), alert.key))

    @property
    def loud(self) -> list[Alert]:
        """Those that nobody has silenced."""
        return [alert for alert in self.open if alert.key not in self.silences]


class Change(NamedTuple):
    """What the memory becomes, and what goes into the history."""

    memory: Memory
    ended: list[Alert] = []  # noqa: RUF012 - nobody writes into it


def next_look(settings: Settings) -> int:
    """A number that is larger than those of all looks before. Raises BrokerUnavailableError, as do the others here."""
    with connection.translated(), connection.client(settings, PATIENCE_SECONDS) as client:
        number: Any = client.incr(_LOOKS)
        return int(number)


def read(settings: Settings) -> Memory | None:
    """What is remembered; None where nothing is, or nothing that can be read."""
    with connection.translated(), connection.client(settings, PATIENCE_SECONDS) as client:
        return _loaded(bounded.records(client, [_MEMORY])[0])


def history(settings: Settings, count: int = HISTORY) -> list[Alert]:
    """What was wrong once, the last first."""
    with connection.translated(), connection.client(settings, PATIENCE_SECONDS) as client:
        texts = bounded.entries(client, _HISTORY, count, "alert")
    return [alert for text in texts if (alert := _alert(text)) is not None]


def change(settings: Settings, changed: Callable[[Memory | None], Change | None]) -> Memory | None:
    """Remember what becomes of the memory, in one step; None changes nothing. The memory as it is then.

    BusyError where others change it all the time.
    """
    with connection.translated(), connection.client(settings, PATIENCE_SECONDS) as client:
        for _ in range(CHANGE_TRIES):
            with client.pipeline(transaction=True) as pipe:
                pipe.watch(_MEMORY)
                before = _loaded(bounded.records(pipe, [_MEMORY])[0])
                after = changed(before)
                if after is None:
                    return before
                pipe.multi()
                pipe.set(_MEMORY, _bounded(after.memory).model_dump_json())
                for alert in after.ended:
                    pipe.xadd(_HISTORY, {"alert": alert.model_dump_json()}, maxlen=HISTORY, approximate=True)
                try:
                    pipe.execute()
                except WatchError:
                    continue
                return after.memory
    raise BusyError("The memory of alerts is changing all the time: try again.")


def claim(settings: Settings, message: Message, seconds: float) -> bool:
    """Whether this message is ours to be told, for so long: whoever is killed meanwhile leaves it to the next one."""
    key = f"{connection.PREFIX}alerts:claim:{message.event}:{message.at.timestamp():.6f}:{message.key}"
    with connection.translated(), connection.client(settings, PATIENCE_SECONDS) as client:
        return bool(client.set(key, 1, nx=True, px=round(seconds * 1000)))


def _bounded(memory: Memory) -> Memory:
    """Without what nobody could look through."""
    return memory.model_copy(
        update={
            "alerts": dict([*memory.alerts.items()][:MOST_OPEN]),
            "waiting": memory.waiting[-MOST_WAITING:],
            "endings": dict([*memory.endings.items()][-MOST_OPEN:]),
        }
    )


def _loaded(text: bytes | None) -> Memory | None:
    try:
        return None if text is None else Memory.model_validate_json(text)
    except ValidationError:
        return None


def _alert(text: bytes) -> Alert | None:
    try:
        return Alert.model_validate_json(text)
    except ValidationError:
        return None
