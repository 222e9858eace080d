"""What can be wrong with the replication stream of the source: it has a gap, nobody visits, its backlog is too small."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from worker.alerts.conditions.condition import Condition
from worker.alerts.facts import Facts
from worker.words import span

FEWEST_SECONDS, VISITS = 60, 6
"""It is late after so many seconds, and so many visits that were not made."""
TOLD_FOR = timedelta(hours=1)
"""A gap that is closed by then may have opened and closed between two looks, and is told all the same."""


def gap(facts: Facts) -> Iterator[Condition] | None:
    """There are moments of late that cannot be gone back to."""
    standing = facts.stream
    if not facts.settings.backup_stream_seconds:
        return iter(())
    if standing is None:
        return None
    since, began = _moment(standing.gap_since), _moment(standing.began)
    if not standing.gap or (standing.is_chain and facts.now - began > TOLD_FOR):
        return iter(())
    until = f"until the backup of {_moment(standing.base_ms):%H:%M:%S}" if standing.is_chain else "so far"
    return iter(
        [
            Condition(
                "stream.gap",
                "warning" if standing.is_chain else "bad",
                "The replication stream has a gap",
                f"No moment after {since:%Y-%m-%d %H:%M:%S} UTC {until} can be gone back to: {standing.gap}.",
                "A new backup is made by itself, and moments begin with it. `python -m worker ping` says which "
                "repl-backlog-size this source needs.",
                "/system",
                "The replication stream goes on without a gap",
            )
        ]
    )


def late(facts: Facts) -> Iterator[Condition] | None:
    """Nobody has visited for too long."""
    seconds = facts.settings.backup_stream_seconds
    if not seconds:
        return iter(())
    patience = max(FEWEST_SECONDS, VISITS * seconds)
    seen = facts.since if facts.stream is None else datetime.fromtimestamp(facts.stream.here_ms / 1000, UTC)
    away = (facts.now - seen).total_seconds()
    if away <= patience:
        return iter(())
    return iter(
        [
            Condition(
                "stream.late",
                "bad",
                "Nobody brings the replication stream home",
                f"For {span(away)} nobody has visited {facts.source}, which BACKUP_STREAM_SECONDS wants every {seconds:g} seconds.",
                "Is a worker serving the queue stream? `python -m worker visit` says what keeps it from that.",
                "/system",
                "The replication stream is brought home again",
            )
        ]
    )


def short(facts: Facts) -> Iterator[Condition] | None:
    """What the source writes may be more than its backlog holds until the next visit."""
    standing = facts.stream
    if not facts.settings.backup_stream_seconds:
        return iter(())
    if standing is None:
        return None
    if not standing.is_short:
        return iter(())
    return iter(
        [
            Condition(
                "stream.short",
                "warning",
                "The replication backlog is too small",
                f"The source keeps {standing.backlog:,} bytes of its stream, and by what it has written in the last day it should "
                f"keep {standing.wanted_backlog:,}: a gap may open.",
                "Raise repl-backlog-size there, where maxmemory has room for it (it counts against that), or visit more often.",
                "/system",
                "The replication backlog is large enough",
            )
        ]
    )


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
