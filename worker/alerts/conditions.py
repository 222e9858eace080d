"""What can be wrong, one row each: judged by the facts, said in one sentence that holds neither data nor a secret. Pure."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from worker.alerts import judged
from worker.alerts.facts import Facts
from worker.repository.drills import standing as rehearsals
from worker.repository.drills.rehearsal import Rehearsal
from worker.repository.manifest import Manifest
from worker.runs import operations
from worker.runs.run import Run
from worker.words import counted, size, span

Level = Literal["warning", "bad"]
"""As messages have it."""

NAMED = 5
"""Of one kind so many are told by name, and the rest as a number."""
LONGEST = 500
AT_WORK = timedelta(minutes=5)
"""A worker that is started anew is away for a moment."""
STORAGE_AWAY = timedelta(minutes=5)
REPEATED = timedelta(minutes=15)
"""A backup that was killed is asked for once more by itself."""


@dataclass(frozen=True)
class Condition:
    """One thing that is wrong now."""

    event: str
    """Its row."""
    level: Level
    headline: str
    sentence: str
    advice: str
    """What to do."""
    path: str
    """Of the page that says more."""
    over: str
    """What is so again when it is over, as the beginning of a sentence."""
    of: str = ""
    """Which backup, which storage, where there may be several."""
    after: timedelta = timedelta(0)
    """It must last so long before somebody is told."""

    @property
    def key(self) -> str:
        """What it is about: the same as long as it is the same thing."""
        return f"{self.event}:{self.of}" if self.of else self.event


Judge = Callable[[Facts], Iterable[Condition] | None]
"""The conditions of one row; None where the facts do not say."""


@dataclass(frozen=True)
class Judgement:
    """All that is wrong, and the rows of which nobody can tell."""

    conditions: dict[str, Condition]
    """By their keys."""
    unknown: frozenset[str]


def judge(facts: Facts) -> Judgement:
    """What is wrong by these facts."""
    conditions: dict[str, Condition] = {}
    unknown = set()
    for event, row in ROWS.items():
        judgement = row(facts)
        if judgement is None:
            unknown.add(event)
        else:
            conditions |= {one.key: one for one in _some([*judgement])}
    return Judgement(conditions, frozenset(unknown))


def _some(conditions: list[Condition]) -> Iterator[Condition]:
    """The first by name, and of the others how many there are."""
    yield from conditions[:NAMED]
    if more := len(conditions[NAMED:]):
        sentence, over = f"The same is so of {more:,} more.", "The others of these are mended, or gone"
        yield replace(conditions[NAMED], of="others", path="/backups", sentence=sentence, over=over)


def fit_to_leave(error: str | None) -> str:
    """An error as it may leave the house: what it quotes may be the name of a key, and goes."""
    words = (error or "It was killed.").strip()
    quotes = [at for at, character in enumerate(words) if character in "'\"`" and not _is_apostrophe(words, at)]
    if len(quotes) > 1:
        words = f"{words[: quotes[0]]}...{words[quotes[-1] + 1 :]}"
    words = re.sub(r"\s+", " ", words)
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}..."


def _is_apostrophe(words: str, at: int) -> bool:
    return words[at] == "'" and 0 < at < len(words) - 1 and words[at - 1].isalpha() and words[at + 1].isalpha()


def _advice(run: Run) -> str:
    return operations.of(run.operation).advice.get("failed", "Mend what the sentence names, and start it again.")


def _failed_backup(facts: Facts) -> Iterator[Condition]:
    newest = facts.newest
    failed = judged.last_failure(facts.backups, newest)
    partial = judged.last_as_partial(facts.partial, newest, failed)
    over = f"Backups of {facts.source} work again"
    if partial is not None:
        what = "partial" if partial.kind == "partial" else "only a part"
        yield Condition(
            "backup.failed",
            "bad",
            "The last backup is partial" if partial.kind == "partial" else "The last backup is a part",
            f"The last backup of {facts.source} is {what}, and counts as no backup: {fit_to_leave((partial.warnings or [''])[0])}",
            "Mend what the sentence names, and make another one.",
            f"/backups/{partial.name}",
            over,
        )
    elif failed is not None:
        killed = failed.state == "INTERRUPTED"
        words = "was interrupted" if killed else "failed"
        yield Condition(
            "backup.failed",
            "bad",
            f"The last backup {words}",
            f"The last backup of {facts.source} {words}: {fit_to_leave(failed.error)}",
            _advice(failed),
            f"/tasks/{failed.id}",
            over,
            after=REPEATED if killed else timedelta(0),
        )


def _overdue(facts: Facts) -> Iterator[Condition] | None:
    if facts.contents is None:
        return None
    promise, newest = judged.promised(facts.settings.backup_every_hours), facts.newest
    age = facts.now - (newest.created_at if newest else facts.since)
    if age <= promise:
        return iter(())
    most = span(promise.total_seconds())
    words = (
        f"The newest backup of {facts.source} is {span(age.total_seconds())} old, and none may be older than {most}."
        if newest
        else f"There is no good backup of {facts.source}, after {span(age.total_seconds())}."
    )
    advice = "See on the Tasks page whether backups fail or wait, and whether a worker and beat are at work."
    over = f"There is a young enough backup of {facts.source} again"
    return iter([Condition("backup.overdue", "bad", "A backup is overdue", words, advice, "/schedule", over)])


def _damaged(facts: Facts) -> Iterator[Condition] | None:
    if facts.contents is None:
        return None
    names = {backup.name for backup in facts.contents.listed}
    failed = judged.damaged(facts.verifications)
    return (
        Condition(
            "verify.failed",
            "bad",
            "A backup is damaged",
            f"The backup {name} did not pass its verification: do not rely on it.",
            _advice(failed[name]),
            f"/backups/{name}",
            f"The backup {name} is whole, or gone",
            of=name,
        )
        for name in sorted({*failed} & names, reverse=True)
    )


def _damaged_manifests(facts: Facts) -> Iterator[Condition] | None:
    if facts.contents is None:
        return None
    return (
        Condition(
            "manifest.damaged",
            "bad",
            "A manifest is damaged",
            f"The manifest of {damaged.name} is not what was written, so that backup is neither restored nor pruned.",
            "`python -m worker list --repair` makes it anew from what the artifact tells.",
            f"/backups/{damaged.name}",
            f"The manifest of {damaged.name} is whole, or gone",
            of=damaged.name,
        )
        for damaged in facts.contents.damaged
    )


def _suspicious(facts: Facts) -> Iterator[Condition] | None:
    """Not with what went missing: that names beginnings of keys, and the page has it."""
    if facts.contents is None:
        return None
    return (
        Condition(
            "backup.suspicious",
            "bad",
            "A backup is suspicious",
            f"The backup {backup.name} of {facts.source} lacks much of what those before it hold, and no prune deletes "
            "older ones while it does.",
            "Its page says what is missing: accept it there if that is as it should be, or restore the one before.",
            f"/backups/{backup.name}",
            f"The backup {backup.name} is suspicious no more",
            of=backup.name,
        )
        for backup in facts.contents.backups
        if backup.suspicious
    )


def _failed_drill(facts: Facts) -> Iterator[Condition] | None:
    """By the last drill of each backup, and of each copy."""
    if facts.contents is None:
        return None
    return (
        Condition(
            "drill.failed",
            "bad",
            "A backup did not come back whole",
            f"The last drill of {what} brought back something else than the backup holds: do not rely on it.",
            f"Its page says what differs. {advice}",
            f"/backups/{backup.name}",
            f"What came back of {what} is whole, or it is gone",
            of=what,
        )
        for backup in facts.contents.listed
        for what, drill, advice in _drilled(backup)
        if drill is not None and drill.has_failed
    )


def _drilled(backup: Manifest) -> Iterator[tuple[str, Rehearsal | None, str]]:
    """What was drilled, what came of it, and what to do where that is bad."""
    yield backup.name, backup.drilled, "Make a new backup now, and verify this one."
    for place, copied in backup.copies.items():
        verify = f"`python -m worker verify {backup.name} --from {place}` says whether it is damaged there."
        yield f"{backup.name} in {place}", copied.drilled, verify


def _overdue_drill(facts: Facts) -> Iterator[Condition] | None:
    """One that failed is no less one that was made: that is the row above."""
    if facts.contents is None:
        return None
    concern = rehearsals.standing(facts.own, facts.settings.drill_every_days, facts.now).concern
    if concern is None or concern.kind == "failed":
        return iter(())
    headline = "A rehearsal is overdue" if concern.kind == "overdue" else "No backup has been rehearsed"
    over = f"A backup of {facts.source} was rehearsed"
    return iter([Condition("drill.overdue", "warning", headline, concern.sentence, concern.advice, "/backups", over)])


def _failed_prune(facts: Facts) -> Iterator[Condition]:
    latest = next((run for run in facts.prunes if run.tells), None)
    if latest is not None and latest.state == "FAILURE":
        yield Condition(
            "prune.failed",
            "warning",
            "Old backups are not deleted",
            f"The last prune failed: {fit_to_leave(latest.error)}",
            _advice(latest),
            f"/tasks/{latest.id}",
            "Pruning works again",
        )


def _failed_copies(facts: Facts) -> Iterator[Condition]:
    for where, run in facts.copies.items():
        if run.state == "FAILURE":
            yield Condition(
                "copy.failed",
                "warning",
                "A copy failed",
                f"The last copy to {where} failed: {fit_to_leave(run.error)}",
                _advice(run),
                f"/tasks/{run.id}",
                f"Copying to {where} works again",
                of=where,
            )


def _standings(facts: Facts) -> Iterator[tuple[str, dict[str, object]]]:
    for standing in facts.standings or ():
        if isinstance(standing, dict) and isinstance(where := standing.get("where"), str):
            yield where, standing


def _late_copies(facts: Facts) -> Iterator[Condition] | None:
    if facts.standings is None:
        return None
    return (
        Condition(
            "copy.late",
            "bad" if standing.get("count") == 0 else "warning",
            "Copies are late",
            f"{counted(late, 'backup')} should be in {where} by now, and {'is' if late == 1 else 'are'} not.",
            "The page of each backup says why, and copies it again.",
            "/backups",
            f"All copies are in {where}",
            of=where,
        )
        for where, standing in _standings(facts)
        if isinstance(late := standing.get("late"), int) and late > 0
    )


def _copies_away(facts: Facts) -> Iterator[Condition] | None:
    if facts.standings is None:
        return None
    return (
        Condition(
            "copies.away",
            "warning",
            "Copies cannot be looked at",
            f"The copies in {where} cannot be looked at: {fit_to_leave(str(standing.get('error')))}",
            "The System page tries that storage, and says what is missing.",
            "/system",
            f"The copies in {where} can be looked at",
            of=where,
            after=STORAGE_AWAY,
        )
        for where, standing in _standings(facts)
        if standing.get("reachable") is False
    )


def _source_away(facts: Facts) -> Iterator[Condition] | None:
    if facts.word is None:
        return None
    if facts.word.error is None:
        return iter(())
    words = "answers, and cannot be read" if facts.word.answers else "cannot be reached"
    minutes = timedelta(minutes=facts.settings.backup_source_away_minutes)
    return iter(
        [
            Condition(
                "source.away",
                "bad",
                "The source cannot be read" if facts.word.answers else "The source cannot be reached",
                f"The source {facts.source} {words}: {fit_to_leave(facts.word.error)}",
                "Until that is mended no backup can be made: `python -m worker ping` tries it.",
                "/system",
                f"The source {facts.source} can be read",
                after=minutes,
            )
        ]
    )


def _storage_away(facts: Facts) -> Iterator[Condition] | None:
    if facts.fault is None:
        return None if facts.contents is None else iter(())
    return iter(
        [
            Condition(
                "storage.away",
                "bad",
                "The storage cannot be read",
                f"The storage of the backups cannot be read: {fit_to_leave(facts.fault)}",
                "Until that is mended nothing can be restored from it; the System page tries it.",
                "/system",
                "The storage of the backups can be read",
                after=STORAGE_AWAY,
            )
        ]
    )


def _storage_gone(facts: Facts) -> Iterator[Condition]:
    if not facts.is_there and any(run.state == "SUCCESS" and not run.skipped for run in facts.backups):
        yield Condition(
            "storage.gone",
            "bad",
            "The storage is gone",
            "Backups were made, and the folder of the storage is not there.",
            "Is it mounted, and is BACKUP_STORAGE right?",
            "/system",
            "The folder of the storage is there",
        )


def _storage_full(facts: Facts) -> Iterator[Condition] | None:
    newest, wanted = facts.newest, facts.settings.backup_room_for
    if not wanted:
        return iter(())
    if facts.free_bytes is None or newest is None:
        return None
    fits = facts.free_bytes // max(1, newest.bytes.stored)
    if fits >= wanted:
        return iter(())
    room = "no more backup" if fits < 1 else f"{counted(fits, 'more backup')} only"
    return iter(
        [
            Condition(
                "storage.full",
                "bad" if fits < 1 else "warning",
                "The storage is nearly full",
                f"The storage has {size(facts.free_bytes)} left, room for {room} like the newest "
                f"({size(newest.bytes.stored)}).",
                "Free space, or keep fewer backups (BACKUP_KEEP): what lies in the trash takes room too.",
                "/system",
                "The storage has room again",
            )
        ]
    )


def _changed_by_others(facts: Facts) -> Iterator[Condition] | None:
    if facts.contents is None:
        return None
    return (
        Condition(
            "storage.alarm",
            "bad",
            "The storage is not as we left it",
            fit_to_leave(alarm),
            "Somebody can write into the storage who should not: find out who, and take that away.",
            "/backups",
            "What was not as we left it in the storage is mended, or accepted",
            of=hashlib.sha256(alarm.encode(errors="replace")).hexdigest()[:12],
        )
        for alarm in facts.contents.alarms
    )


def _taken_away(facts: Facts) -> Iterator[Condition] | None:
    if facts.contents is None:
        return None
    return (
        Condition(
            "backup.taken",
            "bad",
            "Somebody else has changed backups in the bucket",
            f"{lost.name} was {lost.how} in the storage by somebody else.",
            f"Change the bucket's keys, then `python -m worker put-back {lost.name}` puts back what was written there.",
            "/backups",
            f"{lost.name} is back, or its loss was accepted",
            of=lost.name,
        )
        for lost in facts.contents.lost
    )


def _nobody_at_work(facts: Facts) -> Iterator[Condition] | None:
    if facts.alive is None:
        return None
    if "jobs" not in operations.unserved(facts.alive):
        return iter(())
    return iter(
        [
            Condition(
                "worker.away",
                "bad",
                "No worker is running",
                "Nobody serves the queue jobs, so neither a backup nor a restore begins.",
                "Start it with `celery -A worker worker`.",
                "/system",
                "A worker serves the queue jobs",
                after=AT_WORK,
            )
        ]
    )


ROWS: dict[str, Judge] = {
    "backup.failed": _failed_backup,
    "backup.overdue": _overdue,
    "backup.suspicious": _suspicious,
    "backup.taken": _taken_away,
    "storage.alarm": _changed_by_others,
    "storage.away": _storage_away,
    "storage.gone": _storage_gone,
    "storage.full": _storage_full,
    "source.away": _source_away,
    "worker.away": _nobody_at_work,
    "verify.failed": _damaged,
    "manifest.damaged": _damaged_manifests,
    "drill.failed": _failed_drill,
    "drill.overdue": _overdue_drill,
    "copy.failed": _failed_copies,
    "copy.late": _late_copies,
    "copies.away": _copies_away,
    "prune.failed": _failed_prune,
}
"""By their events, the worst first."""
