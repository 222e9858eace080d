"""The week in one message: what was made, what failed, how new the newest backup is, and how much room all take. Pure."""

from datetime import datetime, timedelta

from worker.alerts.facts import Facts
from worker.alerts.memory import Memory
from worker.alerts.quiet import last_week_time
from worker.notify.message import Message
from worker.words import counted, listed, size, span

EVENT = "summary"
WEEK = timedelta(days=7)


def added(memory: Memory, facts: Facts) -> Memory:
    """The memory with the summary among what waits, where it is time for one; where nobody has looked before, from the next
    time on.
    """
    week = facts.settings.notify_summary
    if week is None:
        return memory
    due = last_week_time(week, facts.settings.tz, facts.now)
    if memory.summed_up_at is None or memory.summed_up_at >= due:
        # A clock that was ahead must not keep it silent for longer than that.
        return memory.model_copy(update={"summed_up_at": due})
    message = Message(
        event=EVENT,
        level="info",
        sentence=sentence(memory, facts),
        path="/",
        at=facts.now,
        key=f"{EVENT}:{due:%Y-%m-%d}",
    )
    return memory.model_copy(update={"summed_up_at": due, "waiting": [*memory.waiting, message]})


def sentence(memory: Memory, facts: Facts) -> str:
    """What is to be said of the last week."""
    parts = [_runs(facts, facts.now - WEEK), _newest(facts), *_stored(facts), _open(memory)]
    return f"The last week of {facts.source}: {'; '.join(parts)}."


def _runs(facts: Facts, since: datetime) -> str:
    ended = [run for run in facts.backups if run.tells and (run.ended_at or run.queued_at) > since]
    made = sum(run.state == "SUCCESS" for run in ended)
    failed = len(ended) - made
    return f"{counted(made, 'backup')} made, {failed or 'none'} failed"


def _newest(facts: Facts) -> str:
    if facts.contents is None:
        return "what lies in storage cannot be said"
    newest = facts.newest
    if newest is None:
        return "there is no good backup"
    old = span((facts.now - newest.created_at).total_seconds())
    return f"the newest is {old} old, with {counted(newest.keys, 'key')}"


def _stored(facts: Facts) -> list[str]:
    if facts.contents is None:
        return []
    backups = facts.contents.backups
    takes = f"{counted(len(backups), 'backup')} take {size(sum(backup.bytes.stored for backup in backups))}"
    return [takes if facts.free_bytes is None else f"{takes}, and {size(facts.free_bytes)} are left"]


def _open(memory: Memory) -> str:
    headlines = [alert.headline for alert in memory.open]
    if not headlines:
        return "nothing is wrong"
    return f"open: {listed(sorted({headline[0].lower() + headline[1:] for headline in headlines}))}"
