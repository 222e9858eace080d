"""What can be wrong with copies in other storages."""

from collections.abc import Iterator

from worker.alerts.conditions.condition import Condition
from worker.alerts.conditions.errors import advice_for, one_line, why
from worker.alerts.conditions.storage import AWAY_FOR
from worker.alerts.facts import Facts
from worker.words import counted


def failed(facts: Facts) -> Iterator[Condition]:
    """By the last run to each storage."""
    for where, run in facts.copies.items():
        if run.state == "FAILURE":
            yield Condition(
                "copy.failed",
                "warning",
                "A copy failed",
                f"The last copy to {where} failed: {why(run)}",
                advice_for(run),
                f"/tasks/{run.id}",
                f"Copying to {where} works again",
                of=where,
            )


def late(facts: Facts) -> Iterator[Condition] | None:
    """Each storage that lacks some."""
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


def away(facts: Facts) -> Iterator[Condition] | None:
    """Each storage that cannot be looked into."""
    if facts.standings is None:
        return None
    return (
        Condition(
            "copies.away",
            "warning",
            "Copies cannot be looked at",
            f"The copies in {where} cannot be looked at: {one_line(str(standing.get('error')))}",
            "The System page tries that storage, and says what is missing.",
            "/system",
            f"The copies in {where} can be looked at",
            of=where,
            after=AWAY_FOR,
        )
        for where, standing in _standings(facts)
        if standing.get("reachable") is False
    )


def _standings(facts: Facts) -> Iterator[tuple[str, dict[str, object]]]:
    for standing in facts.standings or ():
        if isinstance(standing, dict) and isinstance(where := standing.get("where"), str):
            yield where, standing
