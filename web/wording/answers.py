"""What somebody with a lost database wants to know, in that order: can I get it back, since when, how fast, and who hears of trouble."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from web.wording.numbers import NOTHING, age, counted, duration, listed
from worker.repository.drills.standing import Standing
from worker.repository.manifest import Manifest
from worker.segments.visits.standing import Standing as Stream


@dataclass(frozen=True)
class Answer:
    """One of them."""

    question: str
    words: str
    detail: str
    page: str | None = None
    """The endpoint of the page that says more; with a backup, which one."""
    backup: str | None = None


@dataclass(frozen=True)
class Facts:
    """All that they are drawn from."""

    now: datetime
    own: Sequence[Manifest] | None
    """The backups of this source, newest first; None where the storage cannot be read."""
    drills: Standing | None
    listeners: Sequence[str] | None
    """The channels that messages go to; None while the broker is away."""
    missed: Sequence[str] = ()
    """Those of them that do not work."""
    stream: Stream | None = None
    """How it stands with the replication stream; None where it is not brought home."""


def answers(facts: Facts) -> list[Answer]:
    """All four."""
    return [_whether(facts), _since(facts), _how_fast(facts), _who(facts)]


def _whether(facts: Facts) -> Answer:
    question = "Can I get my data back?"
    if facts.own is None:
        return Answer(question, "Not known", "while the storage cannot be read", "pages.machinery")
    if not facts.own:
        return Answer(question, "No", "there is no good backup yet")
    last, good = (facts.drills.last, facts.drills.good) if facts.drills else (None, None)
    if last is not None and last.drill.has_failed:
        return Answer(question, "Doubtful", "the last rehearsal failed", "pages.backup", last.backup.name)
    if good is not None:
        words = f"rehearsed {age(good.drill.at, facts.now)}, {counted(good.drill.keys, 'key')} came back"
        return Answer(question, "Yes", words, "pages.backup", good.backup.name)
    newest = facts.own[0]
    if newest.verified_at is not None:
        words = "verified, and not rehearsed yet"
    else:
        words = "whole when it was stored, and not rehearsed yet"
    return Answer(question, "Probably", words, "pages.backup", newest.name)


def _since(facts: Facts) -> Answer:
    question = "To which moment?"
    if not facts.own:
        return Answer(question, NOTHING, "not known" if facts.own is None else "to none so far")
    if facts.stream is not None and facts.stream.is_chain:
        first = datetime.fromtimestamp(facts.stream.base_ms / 1000, UTC)
        others = f", or one of {len(facts.own):,} backups" if len(facts.own) > 1 else ""
        words = f"any since {age(first, facts.now)}{others}"
        return Answer(
            question, f"{counted(round(facts.stream.age_seconds(facts.now)), 'second')} ago", words, "pages.backups"
        )
    newest, oldest = facts.own[0].created_at, facts.own[-1].created_at
    words = f"or one of {len(facts.own):,}, from {age(oldest, facts.now)} on" if len(facts.own) > 1 else "the only one"
    return Answer(question, age(newest, facts.now), words, "pages.backups")


def _how_fast(facts: Facts) -> Answer:
    question = "How fast?"
    good = facts.drills.good if facts.drills else None
    if good is None:
        return Answer(question, "Not measured", "a rehearsal measures it")
    per_gb = good.drill.seconds_per_gb
    words = (
        f"measured, {duration(per_gb)} for each GB"
        if per_gb and good.drill.bytes >= 1e8
        else "measured by the last rehearsal"
    )
    return Answer(question, duration(good.drill.seconds), words, "pages.backup", good.backup.name)


def _who(facts: Facts) -> Answer:
    question = "Who hears of trouble?"
    if facts.listeners is None:
        return Answer(question, "Not known", "while the broker is away", "pages.machinery")
    if not facts.listeners:
        return Answer(question, "Nobody", "set NOTIFY_URLS, or look at Alerts", "pages.alerts")
    if facts.missed:
        return Answer(question, "Not everybody", f"{listed(facts.missed)} cannot be reached", "pages.machinery")
    return Answer(question, counted(len(facts.listeners), "channel"), listed(facts.listeners), "pages.machinery")
