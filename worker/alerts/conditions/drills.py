"""What can be wrong with drills: one that brought back something else, or none for too long."""

from collections.abc import Iterator

from worker.alerts.conditions.condition import Condition
from worker.alerts.facts import Facts
from worker.repository.drills import standing as rehearsals
from worker.repository.drills.rehearsal import Rehearsal
from worker.repository.manifest import Manifest


def failed(facts: Facts) -> Iterator[Condition] | None:
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


def overdue(facts: Facts) -> Iterator[Condition] | None:
    """One that failed is no less one that was made: that is the row above."""
    if facts.contents is None:
        return None
    concern = rehearsals.standing(facts.own, facts.settings.drill_every_days, facts.now).concern
    if concern is None or concern.kind == "failed":
        return iter(())
    headline = "A rehearsal is overdue" if concern.kind == "overdue" else "No backup has been rehearsed"
    over = f"A backup of {facts.source} was rehearsed"
    return iter([Condition("drill.overdue", "warning", headline, concern.sentence, concern.advice, "/backups", over)])
