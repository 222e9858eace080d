"""How it stands with each channel: when it last took something, why it does not, and when it is tried again."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from worker.broker import bounded, connection
from worker.config.settings import Settings
from worker.notify.outbox import PATIENCE_SECONDS, lost

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(days=1)

_KEY = connection.PREFIX + "channels"


class Standing(BaseModel):
    """Of one channel; as it is when nothing has been sent yet."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sent: int = 0
    sent_at: AwareDatetime | None = None
    """When it last took something."""
    failures: int = 0
    """How often it has failed since."""
    failed_at: AwareDatetime | None = None
    why: str | None = None
    """The latest failure, as a sentence; None where it has taken something since."""
    next_at: AwareDatetime | None = None
    """Until then it is left alone."""
    lost: int = 0
    """How many messages it never got."""

    def well(self, now: datetime) -> "Standing":
        """After it took one."""
        return Standing(sent=self.sent + 1, sent_at=now)

    def failed(self, now: datetime, why: str) -> "Standing":
        """After it took none: it is left alone for a minute, and then for twice as long each time, up to a day."""
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * int(2 ** min(self.failures, 20)))
        changes = {"failures": self.failures + 1, "failed_at": now, "why": why, "next_at": now + pause}
        return self.model_copy(update=changes)


def standings(settings: Settings) -> dict[str, Standing]:
    """That of each channel that was ever tried, by its name. Raises BrokerUnavailableError."""
    with connection.translated(), connection.client(settings, PATIENCE_SECONDS) as client:
        answer: Any = bounded.fields(client, _KEY)
    missed, known = lost(settings), {}
    for name, text in zip(answer[::2], answer[1::2], strict=True):
        with suppress(ValidationError):
            known[name.decode(errors="replace")] = Standing.model_validate_json(text)
    return {
        name: known.get(name, Standing()).model_copy(update={"lost": missed.get(name, 0)})
        for name in sorted({*known, *missed})
    }


def note(settings: Settings, name: str, standing: Standing) -> None:
    """Remember it. Raises BrokerUnavailableError."""
    with connection.translated(), connection.client(settings, PATIENCE_SECONDS) as client:
        client.hset(_KEY, name, standing.model_dump_json(exclude={"lost"}))
