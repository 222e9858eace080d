"""What somebody is told of that is no alert, for it is done: a restore, an undo, a login from elsewhere, a new token, another schedule.

Whom it was done by and how much it was is said, and no name of a key.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime

import structlog

from worker.alerts.telling import tell
from worker.broker import connection
from worker.config.schedule.plan import Value
from worker.config.settings import Settings
from worker.errors import BrokerUnavailableError
from worker.notify.message import Level, Message
from worker.runs import operations
from worker.runs.run import Run
from worker.words import listed, number

log = structlog.get_logger()

ADDRESSES_KEPT = 500
PATIENCE_SECONDS = 1
_ADDRESSES = connection.PREFIX + "alerts:addresses"
"""Where somebody has logged in from, by time."""

_ENDS = {
    "SUCCESS": "is done",
    "FAILURE": "failed",
    "CANCELLED": "was cancelled",
    "INTERRUPTED": "was interrupted",
}


def ended(settings: Settings, run: Run) -> None:
    """A run has come to its end: of a restore or an undo somebody is told, also where it failed. It never raises."""
    if operations.of(run.operation).counts and run.ended:
        at = run.ended_at or datetime.now(UTC)
        level: Level = "info" if run.state == "SUCCESS" else "warning" if run.state == "CANCELLED" else "bad"
        event = f"{run.operation}.{'done' if run.state == 'SUCCESS' else run.state.lower()}"
        path = f"/tasks/{run.id}"
        tell(
            settings, Message(event=event, level=level, sentence=_sentence(run), path=path, at=at, key=f"run:{run.id}")
        )


def logged_in(settings: Settings, network: str) -> None:
    """The admin has logged in from there: told where that is new. It never raises."""
    try:
        with connection.translated(), connection.client(settings, PATIENCE_SECONDS) as client:
            is_new = client.zadd(_ADDRESSES, {network: int(time.time())})
            client.zremrangebyrank(_ADDRESSES, 0, -1 - ADDRESSES_KEPT)
    except BrokerUnavailableError as error:
        log.warning("not_told", of="login.new_address", error=str(error))
        return
    if is_new:
        words = f"The admin has logged in from {network}, where nobody had logged in from before."
        _say(settings, "login.new_address", words, f"login:{network}")


def token_made(settings: Settings, name: str, scopes: list[str], who: str) -> None:
    """Somebody has made a token for the API. It never raises."""
    words = f"{who} has made the token {name}, which may: {listed(scopes)}."
    _say(settings, "token.made", f"{words[0].upper()}{words[1:]}", f"token:{name}")


def schedule_changed(settings: Settings, changes: Mapping[str, tuple[Value, Value]], who: str) -> None:
    """Somebody has chosen other values of the schedule; `changes` has the old and the new one of each. It never raises."""
    words = listed(f"{name} is {new} now (it was {old})" for name, (old, new) in changes.items())
    sentence = f"{who[0].upper()}{who[1:]} has changed the schedule: {words}."
    _say(settings, "schedule.changed", sentence, "schedule", "/schedule")


def _say(settings: Settings, event: str, sentence: str, key: str, path: str = "/system") -> None:
    message = Message(event=event, level="warning", sentence=sentence, path=path, at=datetime.now(UTC), key=key)
    tell(settings, message)


def _sentence(run: Run) -> str:
    report = run.value if isinstance(run.value, dict) else {}
    backup = run.arguments.get("name") if run.operation == "restore" else report.get("restored")
    of = f"the restore of {backup if isinstance(backup, str) else 'a backup'}"
    what = of if run.operation == "restore" else f"the undo of {of}"
    where = f" into {run.target}" if run.target else ""
    counts = _counts(run.operation, report)
    return f"T{what[1:]}{where}, asked for by {run.asked_by}, {_ENDS.get(run.state, 'has ended')}{counts}."


def _counts(operation: str, report: dict[str, object]) -> str:
    """In the order of its row; what is 0 is left out."""
    counts = [(name, report.get(name)) for name in operations.of(operation).counts]
    said = [
        f"{number(count)} {name.replace('_', ' ')}"
        for name, count in counts
        if isinstance(count, int) and not isinstance(count, bool) and count
    ]
    return f": {listed(said)}" if said else ": no key was changed" if report else ""
