"""Who did what, when, and what came of it: a line in the log, and the last of them in the broker's Redis.

Tries of people whom nobody knows are kept apart, and so is who was given data, so that neither can push out what was done.
"""

import json
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import structlog
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from worker.broker import bounded, connection
from worker.config.settings import Settings
from worker.errors import BrokerUnavailableError

log = structlog.get_logger()

STRANGER = "somebody"
"""Whoever has not shown who it is."""
KEPT, KEPT_OF_STRANGERS = 10_000, 1_000
PATIENCE_SECONDS = 1

_DEEDS = connection.PREFIX + "audit"
_TRIES = connection.PREFIX + "audit:tries"
_READINGS = connection.PREFIX + "audit:readings"


class Deed(BaseModel):
    """One line of the audit log; its time is in UTC."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: AwareDatetime
    who: str
    """Such as `admin`, `token ci`, `shell root@host`; STRANGER before a login."""
    what: str
    """Such as `login`, `token created`, `restore`."""
    outcome: str
    """Such as `ok`, `failed`, `limited`, `slowed`."""
    details: dict[str, Any] = {}


def record(settings: Settings, who: str, what: str, outcome: str, **details: Any) -> None:
    """Write one line. It never raises because the broker is away: the log has it in any case. No secrets in `details`."""
    key, kept = (_TRIES, KEPT_OF_STRANGERS) if who == STRANGER else (_DEEDS, KEPT)
    _write(
        settings, key, kept, Deed(at=datetime.now(UTC), who=who, what=what, outcome=outcome, details=_plain(details))
    )


def read(settings: Settings, who: str, what: str, **details: Any) -> None:
    """Write a line about somebody who is given data or shown some."""
    _write(
        settings, _READINGS, KEPT, Deed(at=datetime.now(UTC), who=who, what=what, outcome="ok", details=_plain(details))
    )


def _write(settings: Settings, key: str, kept: int, deed: Deed) -> None:
    log.info("audit", who=deed.who, what=deed.what, outcome=deed.outcome, details=deed.details)
    with (
        suppress(BrokerUnavailableError),
        connection.translated(),
        connection.client(settings, PATIENCE_SECONDS) as client,
    ):
        client.xadd(key, {"deed": deed.model_dump_json()}, maxlen=kept, approximate=True)


def recent(settings: Settings, count: int = 50) -> list[Deed]:
    """The last lines, newest first. Raises BrokerUnavailableError."""
    with connection.translated(), connection.client(settings) as client, client.pipeline(transaction=False) as pipe:
        for key in (_DEEDS, _TRIES, _READINGS):
            bounded.entries(pipe, key, count, "deed")
        answers: list[Any] = pipe.execute()
    deeds = []
    for text in chain(*answers):
        with suppress(ValidationError):
            deeds.append(Deed.model_validate_json(text))
    return sorted(deeds, key=lambda deed: deed.at, reverse=True)[:count]


def _plain(details: dict[str, Any]) -> dict[str, Any]:
    """The same as JSON can carry it; names from outside may hold what is no text."""
    plain: dict[str, Any] = json.loads(json.dumps(details, default=str, ensure_ascii=False).encode(errors="replace"))
    return plain
