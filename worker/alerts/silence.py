"""An alert that nobody is to be told of for a while, because somebody knows: it stays on the page, and counts for nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from worker.alerts import memory
from worker.alerts.memory import Change, Memory, Silence
from worker.arguments.alerts import SilenceArguments
from worker.config.settings import Settings
from worker.errors import NotFoundError
from worker.repository import behalf

log = structlog.get_logger()


def silence(settings: Settings, arguments: SilenceArguments) -> dict[str, Any]:
    """Silence an alert for some hours, or with 0 end that: its `key`, and `until` when. Whatever of it is still so is told then.

    NotFoundError where there is no such alert; BrokerUnavailableError, BusyError.
    """
    now, who = datetime.now(UTC), behalf.asker() or "somebody"
    until = now + timedelta(hours=arguments.hours)

    def silenced(known: Memory | None) -> Change:
        if known is None or arguments.key not in {*known.silences, *(alert.key for alert in known.open)}:
            raise NotFoundError(
                f"There is no alert {arguments.key[:130]!r} open: `python -m worker alerts` shows those that are."
            )
        others = {key: silence for key, silence in known.silences.items() if key != arguments.key}
        if arguments.hours:
            others[arguments.key] = Silence(until=until, by=who, at=now)
        return Change(known.model_copy(update={"silences": others}))

    memory.change(settings, silenced)
    log.info("alert_silenced", key=arguments.key, hours=arguments.hours, by=who)
    return {"silenced": arguments.key, "until": until.isoformat() if arguments.hours else None}
