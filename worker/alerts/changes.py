"""What is to be told of a look: what is wrong that was not, and what is over. Pure.

Each change is told once: what stays wrong is silent, and what comes and goes is told once as wrong, and as over when it has
stayed away for a while.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from worker.alerts.conditions.condition import Condition, Judgement
from worker.alerts.memory import Alert, Change, Ending, Memory
from worker.notify.message import Level, Message
from worker.words import span

SOON = timedelta(hours=6)
"""What comes back within this time comes and goes."""
STAYED_AWAY, AT_MOST = timedelta(minutes=10), timedelta(hours=6)
"""How long it must stay away then, after the first return; twice as long after each further one."""
AGAIN = ".again"
OVER = ".over"
"""How the names of events end that say that something is still wrong, or is over."""


@dataclass(frozen=True)
class Rules:
    """What the settings say."""

    again: timedelta | None = None
    """After which time what is still wrong is told again; None for never."""


def step(memory: Memory, seen: Judgement, now: datetime, rules: Rules) -> Change:
    """The memory after a look, with what is to be told among what waits, and what is over."""
    memory = without_old(memory, now)
    alerts: dict[str, Alert] = {}
    endings, ended, messages = dict(memory.endings), [], list[Message]()
    for key, condition in seen.conditions.items():
        alert = _still(memory, condition, now)
        alerts[key], message = _told(alert, condition, now, rules, silent=key in memory.silences)
        messages += [message] if message else []
    for key, alert in memory.alerts.items():
        if key in alerts:
            continue
        if alert.event in seen.unknown:
            alerts[key] = alert
        elif alert.opened_at is not None:
            gone = _gone(alert, now)
            if now - (gone.gone_since or now) < hold(gone.returns):
                alerts[key] = gone
                continue
            ended.append(gone.model_copy(update={"ended_at": gone.gone_since}))
            endings[key] = Ending(at=now, returns=gone.returns)
            if gone.told_at is not None and key not in memory.silences:
                messages.append(_over(gone, now))
    changes = {"alerts": alerts, "endings": endings, "waiting": [*memory.waiting, *messages]}
    return Change(memory.model_copy(update=changes), ended)


def without_old(memory: Memory, now: datetime) -> Memory:
    """Without silences that are over, and endings of long ago."""
    silences = {key: silence for key, silence in memory.silences.items() if silence.until > now}
    endings = {key: ending for key, ending in memory.endings.items() if now - ending.at < SOON}
    return memory.model_copy(update={"silences": silences, "endings": endings})


def hold(returns: int) -> timedelta:
    """How long something must be over before that is told, by how often it has come back."""
    if not returns:
        return timedelta(0)
    doubled: int = 2 ** min(returns - 1, 16)
    return min(AT_MOST, STAYED_AWAY * doubled)


def _still(memory: Memory, condition: Condition, now: datetime) -> Alert:
    """The alert of a condition, as it is known or a new one."""
    words = {
        name: getattr(condition, name) for name in ("event", "level", "headline", "sentence", "advice", "path", "over")
    }
    known = memory.alerts.get(condition.key)
    if known is None:
        ending = memory.endings.get(condition.key)
        returns = ending.returns + 1 if ending else 0
        return Alert(key=condition.key, since=now, returns=returns, **words)
    returns = known.returns + (known.gone_since is not None)
    # A clock that was set back must not make it younger than it can be.
    since = min(known.since, now)
    return known.model_copy(update={**words, "since": since, "gone_since": None, "returns": returns})


def _told(
    alert: Alert, condition: Condition, now: datetime, rules: Rules, *, silent: bool
) -> tuple[Alert, Message | None]:
    """The alert, opened where it has lasted long enough, and what is to be told of it."""
    if alert.opened_at is None and now - alert.since >= condition.after:
        alert = alert.model_copy(update={"opened_at": now})
    if alert.opened_at is None or silent:
        return alert, None
    if alert.told_at is None:
        message = _message(alert, alert.event, alert.level, alert.sentence, now)
    elif rules.again is not None and now - alert.told_at >= rules.again:
        lasted = span((now - alert.since).total_seconds())
        message = _message(alert, alert.event + AGAIN, alert.level, f"Still so after {lasted}: {alert.sentence}", now)
    else:
        return alert, None
    return alert.model_copy(update={"told_at": now}), message


def _gone(alert: Alert, now: datetime) -> Alert:
    """The same, not so any more."""
    return alert.model_copy(update={"gone_since": min(alert.gone_since or now, now)})


def _over(alert: Alert, now: datetime) -> Message:
    lasted = span(((alert.gone_since or now) - alert.since).total_seconds())
    return _message(alert, alert.event + OVER, "good", f"{alert.over}, after {lasted}.", now)


def _message(alert: Alert, event: str, level: Level, sentence: str, now: datetime) -> Message:
    return Message(event=event, level=level, sentence=sentence, path=alert.path, at=now, key=alert.key)
