"""Whether all is well, in words: what a person should know first. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from web.activity import Memory
from web.wording import runs
from web.wording.numbers import age, counted, duration, listed, number, span
from worker.alerts.judged import last_as_partial, last_failure
from worker.repository import catalogue
from worker.repository.copies.standing import Standing as CopyStanding
from worker.repository.drills.standing import Standing
from worker.repository.manifest import Manifest
from worker.runs.run import Run

Level = Literal["good", "warning", "bad"]
_ALARMS = 3
"""So many are told in full."""
_UNREAD: dict[bool | None, str] = {False: "The source cannot be reached", True: "The source cannot be read"}
"""By whether it answers."""


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be."""

    level: Level
    headline: str
    text: str
    run: Run | None = None
    """The run that is tried again, where that is it: its page counts the seconds down."""


@dataclass(frozen=True)
class Situation:
    """All that the verdict is drawn from; `newest` is the newest backup of this source."""

    now: datetime
    promise: timedelta
    newest: Manifest | None
    next_run: datetime
    memory: Memory
    problems: list[str]
    names: frozenset[str]
    """Of all backups in storage."""
    fault: str | None = None
    """Why storage cannot be looked into."""
    is_unread: bool = False
    """Whether that is only because so many manifests are still being read."""
    missing: str | None = None
    """The folder of the storage, where it is not there."""
    partial: Manifest | None = None
    """The newest backup of this source that lacks keys."""
    ahead: list[Manifest] = field(default_factory=list)
    """Backups that are dated in the future."""
    copies: list[CopyStanding] = field(default_factory=list)
    """How it stands in the other storages."""
    lost: list[str] = field(default_factory=list)
    """Those among the problems that somebody else has deleted or written over."""
    drills: Standing | None = None
    """How it stands with rehearsals; None where nobody can tell."""
    alarms: list[str] = field(default_factory=list)
    """What somebody else has done who can write into the storage."""


@dataclass(frozen=True)
class Verdict:
    """The banner: its colour, its headline, what is known to be fine, and everything that is not."""

    level: Level
    headline: str
    last: str
    next: str
    rehearsed: str
    """When it was last shown that the data come back; nothing where there is nothing to say."""
    findings: list[Finding]


def verdict(situation: Situation) -> Verdict:
    """The words of the banner; its headline is that of the worst finding."""
    findings = [
        *_storage(situation),
        *_backups(situation),
        *_copies(situation.copies),
        *_drills(situation.drills),
        *_tried_again(situation),
        *_source(situation.memory),
        *_machinery(situation.memory),
    ]
    worst = next((finding for level in ("bad", "warning") for finding in findings if finding.level == level), None)
    level: Level = worst.level if worst else "good"
    headline = worst.headline if worst else "All is well"
    return Verdict(level, headline, _last(situation), _next(situation), _rehearsed(situation), findings)


def _last(situation: Situation) -> str:
    newest = situation.newest
    if situation.fault is not None:
        return (
            "Nobody can tell yet which backups there are."
            if situation.is_unread
            else "Nobody can tell which backups there are."
        )
    if newest is None:
        dated = ", but for what is dated in the future" if situation.ahead else ""
        return f"There is no good backup of this source yet{dated}."
    return f"Last good backup {age(newest.created_at, situation.now)}, with {counted(newest.keys, 'key')}."


def _rehearsed(situation: Situation) -> str:
    good = situation.drills.good if situation.drills else None
    if good is None:
        return ""
    drill = good.drill
    return f"Last rehearsed {age(drill.at, situation.now)}: {counted(drill.keys, 'key')} back in {duration(drill.seconds)}."


_REHEARSALS = {
    "failed": "The last rehearsal failed",
    "overdue": "A rehearsal is overdue",
    "never": "Never rehearsed",
}


def _drills(drills: Standing | None) -> Iterator[Finding]:
    if drills is not None and drills.concern is not None:
        yield Finding("warning", _REHEARSALS[drills.concern.kind], str(drills.concern))


def _next(situation: Situation) -> str:
    unfinished = _unfinished(situation.memory)
    if unfinished:
        return f"A backup {_stand(unfinished)}."
    if situation.memory.away is not None:
        return "The next one needs the broker."
    if not situation.memory.alive.get("beat"):
        return "No next one is planned, for no schedule is running."
    if situation.next_run <= situation.now:
        return "The next one is due now."
    return f"The next one is planned {age(situation.next_run, situation.now)}."


def _stand(unfinished: list[Run]) -> str:
    """How it stands with backups that wait or run, as the rest of a sentence."""
    begun = [run for run in unfinished if run.state == "STARTED"]
    if not begun:
        return (
            f"is waiting {'to begin' if any(run.state == 'PENDING' for run in unfinished) else 'for its next attempt'}"
        )
    server = runs.waited_for(begun[0])
    return f"has begun, and waits for {server} to answer" if server else "is under way"


def _unfinished(memory: Memory) -> list[Run]:
    """The backups that wait or run."""
    return [run for run in memory.unfinished if run.operation == "backup" and not run.ended]


def _storage(situation: Situation) -> Iterator[Finding]:
    if situation.fault is not None and situation.is_unread:
        yield Finding("warning", "The catalogue is being read", situation.fault)
    elif situation.fault is not None:
        yield Finding("bad", "The storage cannot be read", situation.fault)
    if situation.missing and any(run.state == "SUCCESS" and not run.skipped for run in situation.memory.backups):
        text = f"Backups were made, and there is no folder {situation.missing}: is it mounted, and is BACKUP_STORAGE right?"
        yield Finding("warning", "The storage is gone", text)
    for alarm in situation.alarms[:_ALARMS]:
        yield Finding("bad", "The storage is not as we left it", alarm)
    if untold := len(situation.alarms[_ALARMS:]):
        yield Finding(
            "bad", "The storage is not as we left it", f"{untold:,} more like that are named on the Backups page."
        )
    if lost := situation.lost:
        more = f" The Backups page names {number(len(lost) - 1)} more." if len(lost) > 1 else ""
        yield Finding("bad", "Somebody else has changed backups in the bucket", f"{lost[0]}{more}")
    others = len(situation.problems) - len(situation.lost)
    if others:
        text = f"{counted(others, 'problem')} in storage, named on the Backups page."
        yield Finding("warning", "Not everything in storage is a good backup", text)


def _backups(situation: Situation) -> Iterator[Finding]:
    newest, memory = situation.newest, situation.memory
    failed = last_failure(memory.backups, newest)
    partial = last_as_partial(situation.partial, newest, failed)
    if partial is not None:
        what = "partial" if partial.kind == "partial" else "a part"
        text = f"{partial.warnings[0]} {partial.name} holds what could be read, and counts as no backup."
        yield Finding("bad", f"The last backup is {what}", text)
    elif failed is not None:
        words = "was interrupted" if failed.state == "INTERRUPTED" else "failed"
        at = failed.ended_at or failed.queued_at
        when = f" of {age(at, situation.now)}" if at <= situation.now else ""
        yield Finding("bad", f"The last backup {words}", f"The backup{when} {words}: {failed.error or 'killed.'}")
    if situation.fault is not None:
        return
    if newest is None:
        if failed is None and partial is None and not situation.ahead:
            unfinished = _unfinished(memory)
            first = (
                f"The first one {_stand(unfinished)}." if unfinished else "Make the first one now: it takes one click."
            )
            yield Finding("warning", "There is no backup yet", first)
    elif situation.now - newest.created_at > situation.promise:
        old = span((situation.now - newest.created_at).total_seconds())
        text = f"The newest backup is {old} old, and none may be older than {span(situation.promise.total_seconds())}."
        yield Finding("bad", "A backup is overdue", text)
    for backup in situation.ahead:
        yield Finding("warning", "A backup is dated in the future", catalogue.of_ahead(backup))
    damaged = sorted(set(memory.damaged) & situation.names)
    for name in damaged:
        yield Finding("bad", "A backup is damaged", f"{name}: {memory.damaged[name]}")


def _copies(copies: list[CopyStanding]) -> Iterator[Finding]:
    for there in copies:
        headline = "Copies are late" if there.late else "Copies cannot be looked at"
        if there.warnings:
            yield Finding("warning", headline, " ".join(there.warnings))


def _tried_again(situation: Situation) -> Iterator[Finding]:
    for run in situation.memory.troubled:
        text = f"{runs.next_attempt(run, situation.now)}: {run.error}"
        yield Finding("warning", f"A {run.operation} is being tried again", text, run)


def _source(memory: Memory) -> Iterator[Finding]:
    word, broker = memory.word, memory.facts.get("broker", {})
    if word is not None and word.error is not None:
        yield Finding("bad", _UNREAD.get(word.answers, "The last check of the source failed"), word.error)
    if broker.get("is_source"):
        text = "When that Redis is lost, so is the queue that should restore it: give CELERY_BROKER_URL another server."
        yield Finding("warning", "The broker runs on the source", text)
    eviction = broker.get("eviction", "noeviction")
    if eviction not in ("noeviction", "", None):
        text = f"Its maxmemory-policy is {eviction}, so queued tasks can vanish: set it to noeviction."
        yield Finding("warning", "The broker may throw tasks away", text)


def _machinery(memory: Memory) -> Iterator[Finding]:
    if memory.away is not None:
        yield Finding(
            "warning", "Nothing can be started", f"{memory.away} Until then recent runs cannot be shown either."
        )
        return
    if memory.full is not None:
        yield Finding("bad", "Nothing can be started", memory.full)
    if memory.idle:
        text = f"Nobody serves the {'queues' if len(memory.idle) > 1 else 'queue'} {listed(memory.idle)}: start it with `celery -A worker worker`."
        yield Finding("bad" if "jobs" in memory.idle else "warning", "No worker is running", text)
    if not memory.alive.get("beat"):
        text = "No backup is made by itself: start it with `celery -A worker beat`."
        yield Finding("warning", "No schedule is running", text)
