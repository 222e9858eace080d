"""Whether backups are made as promised, for whoever watches from outside: by the last look at what is wrong, and who is alive.

It tells nothing but that: the words are the same whatever is protected here. `python -m worker.alerts.strict` is the health check
of the container with beat: 0 where all is as promised, 1 with a sentence where not.
"""

import sys
from datetime import UTC, datetime

from worker.alerts import memory
from worker.broker import heartbeat
from worker.config.settings import Settings, load
from worker.errors import BackupSystemError, BrokerUnavailableError
from worker.runs.operations import unserved

OVERDUE = "backup.overdue"


def fault(settings: Settings, now: datetime) -> str | None:
    """Why nobody should rely on the schedule, in a sentence; None where it keeps its promise."""
    try:
        alive, known = heartbeat.seen(settings), memory.read(settings)
    except BrokerUnavailableError:
        return "The broker does not answer."
    if "beat" not in alive:
        return "No schedule is running."
    if "jobs" in unserved(alive):
        return "No worker is running."
    if known is None or not known.is_recent(now):
        return "Nobody has looked of late whether a backup is overdue."
    if any(alert.event == OVERDUE for alert in known.open):
        return "A backup is overdue."
    return None


def main() -> int:
    """The health check."""
    try:
        wrong = fault(load(), datetime.now(UTC))
    except BackupSystemError as error:
        wrong = str(error)
    if wrong is not None:
        print(wrong, file=sys.stderr)
    return int(wrong is not None)


if __name__ == "__main__":
    sys.exit(main())
