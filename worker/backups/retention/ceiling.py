"""A ceiling of bytes for each source: what only the rules keep goes, the oldest first."""

from collections import defaultdict
from collections.abc import Container

from worker.backups.retention.decision import Decision
from worker.backups.retention.policy import Policy
from worker.repository.manifest import Scope


def lowered(decisions: list[Decision], spared: Container[str], policy: Policy) -> list[Decision]:
    """The decisions, newest first, with as many more given up as the ceiling asks for; none of the names `spared`.

    What is spared takes its room as well: the ceiling is never kept by giving up what is guaranteed.
    """
    if not policy.bytes:
        return decisions
    stored: defaultdict[Scope, int] = defaultdict(int)
    for decision in decisions:
        stored[decision.manifest.scope] += decision.manifest.bytes.stored if decision.keep else 0
    too_much: dict[str, Decision] = {}
    for decision in reversed(decisions):
        backup = decision.manifest
        if decision.keep and backup.name not in spared and stored[backup.scope] > policy.bytes:
            stored[backup.scope] -= backup.bytes.stored
            why = f"{decision.reason}, but its source is over the ceiling of {in_words(policy.bytes)}: the oldest go first"
            too_much[backup.name] = Decision(backup, keep=False, reason=why)
    return [too_much.get(decision.manifest.name, decision) for decision in decisions]


def in_words(count: float) -> str:
    """A number of bytes, such as `1.5 GB`."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:g} {unit}"
        count = round(count / 1000, 1)
    return f"{count:g} TB"
