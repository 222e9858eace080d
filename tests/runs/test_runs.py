"""What is remembered of a run: as it was, as it ended, and no longer than it must be."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.runs.made import a_run
from tests.support.processes import CANARY
from tests.support.servers import Binary
from web.wording import runs
from worker.config.settings import Settings
from worker.errors import BrokerUnavailableError
from worker.runs import listing
from worker.runs.operations import KEPT_OF_QUESTIONS
from worker.runs.run import brief, new
from worker.runs.store import Runs, open_runs


def test_a_run_is_remembered_as_it_is_and_only_once(memory: Runs) -> None:
    one = a_run(arguments={"name": "latest"})
    assert memory.add(one)
    assert not memory.add(one.model_copy(update={"asked_by": "somebody else"}))
    assert memory.get(one.id) == one
    ended = one.model_copy(update={"state": "SUCCESS", "value": {"keys": 3}})
    memory.put(ended)
    assert memory.get(one.id) == ended
    assert memory.get("never issued") is None


def test_runs_are_listed_newest_first_by_kind_and_by_state(memory: Runs) -> None:
    now = datetime.now(UTC)
    old = a_run(queued_at=now - timedelta(hours=1), state="FAILURE")
    new, other = a_run(queued_at=now), a_run("restore", queued_at=now - timedelta(minutes=1))
    for one in (old, new, other):
        memory.put(one)
    assert list(memory.each()) == [new, other, old]
    assert list(memory.each("backup")) == [new, old]
    assert memory.ours.latest("backup", state="FAILURE") == old
    assert memory.ours.latest("verify") is None
    assert memory.unfinished() == [other, new]


def test_only_a_reason_in_words_makes_a_run_one_that_did_nothing() -> None:
    assert a_run(state="SUCCESS", value={"skipped": "there is a younger one"}).skipped
    assert not a_run(state="SUCCESS", value={"skipped": 3, "restored": 7}).skipped
    assert not a_run(state="FAILURE", value={"skipped": "there is a younger one"}).skipped


def test_the_last_run_of_an_entry_of_the_schedule_is_known_until_it_is_forgotten(memory: Runs) -> None:
    now = datetime.now(UTC)
    daily = [a_run(asked_by="beat daily", queued_at=now - timedelta(days=day)) for day in (1, 2)]
    for one in (*daily, a_run(), a_run(asked_by="beat interval", state="SUCCESS", value={"skipped": "young"})):
        memory.put(one)
    assert memory.ours.planned("daily") == daily[0]
    assert memory.ours.planned("interval") is None, "it had nothing to do"
    memory.forget(daily[0].id)
    assert memory.ours.planned("daily") == daily[1]


def test_more_than_a_page_of_runs_is_listed_whole(memory: Runs) -> None:
    now = datetime.now(UTC)
    made = [
        a_run(queued_at=now - timedelta(seconds=second), state="SUCCESS")
        for second in range(listing.FIRST_PAGE + listing.PAGE + 5)
    ]
    for one in made:
        memory.put(one)
    assert [one.id for one in memory.each()] == [one.id for one in made]


def test_questions_are_forgotten_sooner_than_what_changes_something(memory: Runs) -> None:
    now = datetime.now(UTC)
    for number in range(KEPT_OF_QUESTIONS + 5):
        for operation in ("stats", "backup"):
            memory.put(a_run(operation, queued_at=now + timedelta(seconds=number), state="SUCCESS"))
    assert len(list(memory.each("stats"))) == KEPT_OF_QUESTIONS
    assert len(list(memory.each("backup"))) == KEPT_OF_QUESTIONS + 5
    assert len(list(memory.each())) == 2 * KEPT_OF_QUESTIONS + 5


def test_a_run_that_is_forgotten_leaves_nothing(memory: Runs) -> None:
    one = a_run()
    memory.add(one)
    memory.forget(one.id)
    assert memory.get(one.id) is None
    assert list(memory.each()) == list(memory.each("backup")) == memory.unfinished() == []


def test_an_attempt_and_a_slot_are_claimed_by_the_first_who_asks(memory: Runs) -> None:
    assert [memory.liveness.claim("one", 0), memory.liveness.claim("one", 0), memory.liveness.claim("one", 1)] == [
        True,
        False,
        True,
    ]
    assert memory.liveness.claim_slot("daily 03:00", "one")
    assert not memory.liveness.claim_slot("daily 03:00", "two")
    assert memory.liveness.claim_slot("daily 03:00", "one"), "it may be tried again"


def test_a_broker_that_is_away_is_told_without_its_address(newest: Binary) -> None:
    url = f"redis://:{CANARY}@127.0.0.1:1/0"
    with open_runs(Settings(celery_broker_url=url)) as memory, pytest.raises(BrokerUnavailableError) as caught:
        memory.get("one")
    assert CANARY not in str(caught.value)
    assert "CELERY_BROKER_URL" in str(caught.value)


def test_an_argument_that_is_no_text_is_remembered_all_the_same(memory: Runs) -> None:
    odd = new("one", "verify", {"name": "\ud800", "more": {1: b"x"}}, "admin")
    memory.put(odd)
    assert memory.get("one") == odd
    assert odd.arguments["name"] == "?"


def test_a_long_list_of_keys_is_remembered_in_brief(memory: Runs) -> None:
    keys = [f"user:{number}:{'x' * 10}" for number in range(20_000)]
    one = new("one", "restore", {"name": "latest", "keys": keys}, "admin")
    memory.add(one)
    assert memory.get("one") == one
    assert one.arguments["keys"].startswith("20,000 keys, such as user:0:xxxxxxxxxx, user:10000:xxxxxxxxxx, ")
    assert len(one.model_dump_json()) < 1000
    told = brief({"keys": keys[::-1]}), brief({"keys": [*keys[1:], "another"]})
    assert [given["keys"] == one.arguments["keys"] for given in told] == [True, False]
    few = {"keys": ["user:1", "user:2"]}
    assert brief(few) == few
    assert "only 20,000 keys, such as" in runs.described("restore", one.arguments)


def test_what_has_ended_stays_as_it_ended(memory: Runs) -> None:
    run = a_run("restore", state="STARTED")
    memory.put(run)
    seen = memory.get(run.id)
    assert seen is not None
    assert memory.interrupt(seen, "It was killed.", None)
    interrupted = memory.get(run.id)
    for changes in ({"state": "SUCCESS", "ended_at": datetime.now(UTC)}, {"state": "RETRY", "attempt": 1}, {}):
        assert not memory.put(run.model_copy(update=changes))
    assert not memory.interrupt(seen, "Once more.", None)
    assert not memory.liveness.stay_alive(run.id)
    assert not memory.liveness.alive(run.id)
    assert memory.get(run.id) == interrupted
    memory.amend(run.id, "And more.")
    amended = memory.get(run.id)
    assert amended is not None
    assert interrupted is not None
    assert amended == interrupted.model_copy(update={"error": "It was killed. And more."})


def test_how_it_ended_may_be_said_twice(memory: Runs) -> None:
    ended = a_run(state="SUCCESS", ended_at=datetime.now(UTC))
    assert [memory.put(ended), memory.put(ended)] == [True, True], "the first answer may have got lost"
    memory.amend(ended.id, "No.")
    assert memory.get(ended.id) == ended


def test_an_attempt_that_was_begun_anew_is_told_nothing_more_of(memory: Runs) -> None:
    first = a_run(state="STARTED")
    second = first.model_copy(update={"attempt": 1})
    assert [memory.put(first), memory.put(second), memory.put(first)] == [True, True, False]
    assert memory.get(first.id) == second


def test_a_run_that_tells_something_meanwhile_is_not_interrupted(memory: Runs) -> None:
    run = a_run(state="STARTED")
    memory.put(run)
    memory.put(run.model_copy(update={"progress": {"phase": "reading", "current": 1}}))
    assert not memory.interrupt(run, "It was killed.", None)
