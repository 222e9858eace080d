"""What can be wrong with the source."""

from collections.abc import Iterator
from datetime import timedelta

from worker.alerts.conditions.condition import Condition
from worker.alerts.conditions.errors import UNSAID, one_line
from worker.alerts.facts import Facts


def away(facts: Facts) -> Iterator[Condition] | None:
    """Nobody can read it."""
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
                f"The source {facts.source} {words}: {one_line(facts.word.outside or UNSAID)}",
                "Until that is mended no backup can be made: `python -m worker ping` tries it.",
                "/system",
                f"The source {facts.source} can be read",
                after=minutes,
            )
        ]
    )
