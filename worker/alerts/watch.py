"""One look: what is wrong now, remembered beside what was, and what is to be told of the difference put on its way."""

from datetime import UTC, datetime, timedelta
from typing import Any

from worker.alerts import memory, summary, telling
from worker.alerts.changes import Rules, step
from worker.alerts.conditions.table import judge
from worker.alerts.facts import gather
from worker.alerts.memory import Change, Memory
from worker.config.settings import Settings

NUMBERS_LOST = timedelta(minutes=10)


def watch(settings: Settings) -> dict[str, Any]:
    """Look, and have told what has changed: `open` and `told` are how many that is. What an earlier look saw counts for
    nothing once a later one is remembered.

    BrokerUnavailableError, BusyError.
    """
    number, now = memory.next_look(settings), datetime.now(UTC)
    before = memory.read(settings)
    facts = gather(settings, now, before.since if before else now)
    seen = judge(facts)

    def look(known: Memory | None) -> Change | None:
        if known is not None and known.look > number and not _is_old(known, now):
            return None
        change = step(known or Memory(since=now), seen, now, rules(settings))
        summed_up = summary.added(change.memory, facts)
        return change._replace(memory=summed_up.model_copy(update={"look": number, "seen_at": now}))

    after = memory.change(settings, look) or Memory(since=now)
    count = telling.release(settings, after.waiting, now)
    return {"open": len(after.open), "told": count}


def _is_old(known: Memory, now: datetime) -> bool:
    """Whether nobody has looked for so long that whoever was later is done: then the numbers were lost."""
    return known.seen_at is None or abs(now - known.seen_at) > NUMBERS_LOST


def rules(settings: Settings) -> Rules:
    """What the settings say."""
    return Rules(timedelta(days=settings.notify_again_days) if settings.notify_again_days else None)
