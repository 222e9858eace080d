"""Targets that are a replica of ours for a moment, remembered until each is a primary again.

They are in the broker, for the case that whoever made it one is killed together with all that watched over it:
the next `reap`, or the next restore into that target, then ends it.
"""

from contextlib import suppress

from pydantic import TypeAdapter, ValidationError

from worker.arguments.redirection import Redirection
from worker.broker import connection
from worker.config.address import spelt
from worker.config.settings import Settings
from worker.errors import BackupSystemError, BrokerUnavailableError
from worker.restore.mirror.promotion import Demotion, end
from worker.runs.store import open_runs

_KEYS = f"{connection.PREFIX}standin:"
_DEMOTION = TypeAdapter(Demotion)


def remember(settings: Settings, demotion: Demotion) -> None:
    """Called before the target becomes a replica. Where the broker is away nothing is remembered, and the mirror goes on."""
    with suppress(BrokerUnavailableError), connection.translated(), connection.client(settings) as client:
        client.set(_KEYS + demotion.address, _DEMOTION.dump_json(demotion))


def forget(settings: Settings, demotion: Demotion) -> None:
    """Called once it is a primary again."""
    with suppress(BrokerUnavailableError), connection.translated(), connection.client(settings) as client:
        client.delete(_KEYS + demotion.address)


def remembered(settings: Settings) -> list[Demotion]:
    """All of them. Raises BrokerUnavailableError."""
    with connection.translated(), connection.client(settings) as client:
        texts = [client.get(key) for key in client.scan_iter(f"{_KEYS}*")]
    demotions = []
    for text in texts:
        with suppress(ValidationError):
            demotions.append(_DEMOTION.validate_json(text or b""))
    return demotions


def end_left(settings: Settings, *, run: str | None = None, address: str | None = None) -> list[str]:
    """End what a killed run has left: this run's, or at this address, or of all runs that are not alive; in sentences.

    Whoever names an address holds the lock on it, so that nobody is at work there. Raises BrokerUnavailableError.
    """
    ended = []
    for demotion in remembered(settings):
        left = (
            spelt(demotion.address) == address
            or (demotion.run is not None and demotion.run == run)
            or (address is run is None and not _is_alive(settings, demotion))
        )
        if left and (words := _ended(settings, demotion)):
            _tell(settings, demotion, words)
            ended.append(words)
    return ended


def _tell(settings: Settings, demotion: Demotion, words: str) -> None:
    """Add this end to the error of its run, where the target had been away."""
    with suppress(BrokerUnavailableError), open_runs(settings) as runs:
        runs.amend(demotion.run or "", words)


def _is_alive(settings: Settings, demotion: Demotion) -> bool:
    with open_runs(settings) as runs:
        return demotion.run is not None and runs.liveness.alive(demotion.run)


def _ended(settings: Settings, demotion: Demotion) -> str | None:
    """A target that is away is tried again the next time."""
    with suppress(BackupSystemError):
        words = end(Redirection(target=demotion.target).endpoint(settings), demotion, patience=0)
        if words is not None:
            forget(settings, demotion)
        return words
    return None
