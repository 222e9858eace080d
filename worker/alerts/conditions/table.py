"""What can be wrong, one row each: judged by the facts, said in one sentence that holds neither data nor a secret. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from worker.alerts.conditions import backups, copies, drills, source, storage, stream, workers
from worker.alerts.conditions.condition import Condition, Judge, Judgement
from worker.alerts.facts import Facts

NAMED = 5
"""Of one kind so many are told by name, and the rest as a number."""


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


ROWS: dict[str, Judge] = {
    "backup.failed": backups.failed,
    "backup.overdue": backups.overdue,
    "backup.suspicious": backups.suspicious,
    "backup.taken": storage.taken_away,
    "storage.alarm": storage.changed_by_others,
    "storage.away": storage.away,
    "storage.gone": storage.gone,
    "storage.full": storage.nearly_full,
    "source.away": source.away,
    "worker.away": workers.nobody_at_work,
    "stream.gap": stream.gap,
    "stream.late": stream.late,
    "stream.short": stream.short,
    "verify.failed": backups.damaged,
    "manifest.damaged": backups.damaged_manifests,
    "drill.failed": drills.failed,
    "drill.overdue": drills.overdue,
    "copy.failed": copies.failed,
    "copy.late": copies.late,
    "copies.away": copies.away,
    "prune.failed": backups.failed_prune,
}
"""By their events, the worst first."""
