"""Which questions are remembered: nobody's push out somebody else's, and none a preview that a restore is about to use."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.runs.made import a_run
from worker.config.settings import Settings
from worker.restore.preview.staleness import _seen
from worker.runs import listing, ownership
from worker.runs.operations import KEPT_OF_QUESTIONS
from worker.runs.run import Run
from worker.runs.store import Runs

MANY = KEPT_OF_QUESTIONS + 10


def asked(memory: Runs, operation: str, asked_by: str, minutes_ago: float = 0) -> Run:
    """A question that was answered."""
    subject = ownership.subject(memory.settings, operation, {})
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    one = a_run(operation, asked_by=asked_by, state="SUCCESS", queued_at=at, value={"name": "a"}, **subject)
    memory.put(one)
    return one


@pytest.mark.parametrize("operation", ["search", "preview"])
def test_a_preview_outlives_all_questions_of_others(operation: str, memory: Runs, broker_settings: Settings) -> None:
    mine = asked(memory, "preview", "admin", minutes_ago=60)
    for number in range(MANY):
        asked(memory, operation, "token flood", minutes_ago=30 - number / 10)
    assert _seen(broker_settings, mine.id) == mine
    assert memory.ours.latest("preview", state="SUCCESS") is not None
    assert mine in list(memory.ours.each("preview"))
    kept = [one for one in memory.each(operation) if one.asked_by == "token flood"]
    assert len(kept) == KEPT_OF_QUESTIONS, "and those are bounded all the same"


def test_a_preview_that_a_restore_names_is_kept_until_that_has_ended(memory: Runs) -> None:
    mine = asked(memory, "preview", "token ci", minutes_ago=60)
    restore = a_run("restore", arguments={"name": "a", "preview": mine.id})
    memory.put(restore)
    for number in range(MANY):
        asked(memory, "preview", "token ci", minutes_ago=30 - number / 10)
    assert memory.get(mine.id) == mine
    memory.put(restore.model_copy(update={"state": "SUCCESS"}))
    asked(memory, "preview", "token ci")
    assert memory.get(mine.id) is None
    assert len(list(memory.each("preview"))) == KEPT_OF_QUESTIONS


def test_a_question_that_waited_is_listed_once_when_it_has_begun(memory: Runs) -> None:
    waiting = a_run("search")
    memory.put(waiting)
    begun = waiting.model_copy(update={"state": "STARTED", **ownership.subject(memory.settings, "search", {})})
    memory.put(begun)
    assert list(memory.ours.each("search")) == [begun]
    memory.forget(begun.id)
    assert not [key for key in memory._client.keys("*") if memory._client.type(key) == b"zset" and b"owners" not in key]
    assert not memory._client.exists(listing.run_key(begun.id))
