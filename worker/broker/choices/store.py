"""The one record of what was chosen: read whole or not at all, and changed only by who has seen the last change."""

from typing import Any

from pydantic import ValidationError
from redis.exceptions import WatchError

from worker.broker import bounded, connection
from worker.config.schedule.chosen import Chosen
from worker.config.settings import Settings
from worker.errors import BackupSystemError, RefusedError

PATIENCE_SECONDS = 1
KEY = connection.PREFIX + "schedule"
CHANGED = "Somebody else has changed the schedule meanwhile: look at it as it is now, and change it again."


class UnreadableError(BackupSystemError):
    """Something lies there that nobody here has written, or that a later version has."""

    knows_keys = False


def read(settings: Settings) -> Chosen | None:
    """What was chosen; None where nothing is there. Raises BrokerUnavailableError, UnreadableError."""
    with connection.translated(), connection.client(settings, PATIENCE_SECONDS) as client:
        return _read(client)


def write(settings: Settings, seen: Chosen, choices: Chosen) -> None:
    """Put these in the place of those that somebody has `seen`, or of what cannot be read.

    Raises RefusedError where somebody has changed them since, BrokerUnavailableError.
    """
    with connection.translated(), connection.client(settings) as client, client.pipeline() as pipe:
        pipe.watch(KEY)
        try:
            stored = _read(pipe)
        except UnreadableError:
            stored = None
        if stored is not None and stored.revision != seen.revision:
            raise RefusedError(CHANGED)
        pipe.multi()
        # Of whatever type it is.
        pipe.delete(KEY)
        pipe.set(KEY, choices.model_dump_json())
        try:
            pipe.execute()
        except WatchError:
            raise RefusedError(CHANGED) from None


def _read(client: Any) -> Chosen | None:
    if not client.exists(KEY):
        return None
    text = bounded.records(client, [KEY])[0]
    try:
        return Chosen.model_validate_json(text or b"")
    except ValidationError:
        raise UnreadableError("What the broker holds as the chosen settings of the schedule cannot be read.") from None
