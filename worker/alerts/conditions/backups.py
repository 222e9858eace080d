"""What can be wrong with backups: none young enough, none that worked, one that is not what it should be."""

from collections.abc import Iterator
from datetime import timedelta

from worker.alerts import judged
from worker.alerts.conditions.condition import Condition
from worker.alerts.conditions.errors import advice_for, why
from worker.alerts.facts import Facts
from worker.words import span

REPEATED = timedelta(minutes=15)
"""A backup that was killed is asked for once more by itself."""


def failed(facts: Facts) -> Iterator[Condition]:
    """The last one did not work, or holds only a part."""
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
            f"The last backup of {facts.source} is {what}, and counts as no backup.",
            "Its page says what is missing and why: mend that, and make another one.",
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
            f"The last backup of {facts.source} {words}: {why(failed)}",
            advice_for(failed),
            f"/tasks/{failed.id}",
            over,
            after=REPEATED if killed else timedelta(0),
        )


def overdue(facts: Facts) -> Iterator[Condition] | None:
    """There is none that is young enough."""
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


def suspicious(facts: Facts) -> Iterator[Condition] | None:
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


def damaged(facts: Facts) -> Iterator[Condition] | None:
    """By the last verification of each."""
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
            advice_for(failed[name]),
            f"/backups/{name}",
            f"The backup {name} is whole, or gone",
            of=name,
        )
        for name in sorted({*failed} & names, reverse=True)
    )


def damaged_manifests(facts: Facts) -> Iterator[Condition] | None:
    """Each manifest that is not what was written."""
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


def failed_prune(facts: Facts) -> Iterator[Condition]:
    """The last prune did not work."""
    latest = next((run for run in facts.prunes if run.tells), None)
    if latest is not None and latest.state == "FAILURE":
        yield Condition(
            "prune.failed",
            "warning",
            "Old backups are not deleted",
            f"The last prune failed: {why(latest)}",
            advice_for(latest),
            f"/tasks/{latest.id}",
            "Pruning works again",
        )
