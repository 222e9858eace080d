"""Whether all is well, in words: each way in which it is not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.backups import manifest_of, partial_of
from web.activity import Memory
from web.wording import runs
from web.wording import verdict as summary
from web.wording.verdict import Situation
from worker.alerts.judged import promised
from worker.repository.manifest import Manifest
from worker.runs.run import Run

NOW = datetime(2025, 11, 3, 12, 0, tzinfo=UTC)
NAME = "redis_backup_20251103_020000.rdb"
ALIVE = {"jobs": ["here"], "quick": ["here"], "questions": ["here"], "beat": ["here"]}


def backup(hours_ago: float = 10) -> Manifest:
    return manifest_of(NAME, created_at=NOW - timedelta(hours=hours_ago))


def run(state: str, hours_ago: float = 1, **fields: Any) -> Run:
    at = NOW - timedelta(hours=hours_ago)
    given: dict[str, Any] = {"operation": "backup", "started_at": at, "ended_at": at, **fields}
    return Run.model_validate({"id": "one", "state": state, "queued_at": at, "due_at": at, **given})


def situation(newest: Manifest | None, memory: Memory | None = None, **more: Any) -> Situation:
    known = memory or Memory(alive=ALIVE)
    later = NOW + timedelta(hours=15)
    names = frozenset([NAME] if newest else [])
    return replace(Situation(NOW, promised(24), newest, later, known, [], names), **more)


def headlines(given: Situation) -> list[str]:
    return [one.headline for one in summary.verdict(given).findings]


def test_all_is_well_with_a_young_backup_and_everybody_at_work() -> None:
    verdict = summary.verdict(situation(backup()))
    assert (verdict.level, verdict.headline, verdict.findings) == ("good", "All is well", [])
    assert verdict.last == "Last good backup 10 hours ago, with 1 key."
    assert verdict.next == "The next one is planned in 15 hours."


def test_one_plain_worker_serves_both_queues() -> None:
    assert headlines(situation(backup(), Memory(alive={"celery": ["here"], "beat": ["here"]}))) == []


def test_without_any_backup_it_says_what_to_do_first() -> None:
    verdict = summary.verdict(situation(None))
    assert (verdict.level, verdict.headline) == ("warning", "There is no backup yet")
    assert verdict.last == "There is no good backup of this source yet."


@pytest.mark.parametrize(("hours", "late"), [(24, False), (26, False), (27, True), (24 * 9, True)])
def test_a_backup_is_overdue_when_the_schedule_had_time_to_make_it(hours: float, late: bool) -> None:
    assert ("A backup is overdue" in headlines(situation(backup(hours)))) is late


@pytest.mark.parametrize(("state", "words"), [("FAILURE", "failed"), ("INTERRUPTED", "was interrupted")])
def test_the_last_backup_came_to_grief(state: str, words: str) -> None:
    memory = Memory(alive=ALIVE, backups=[run(state, error="Why."), run("SUCCESS", 9)])
    verdict = summary.verdict(situation(backup(9), memory))
    assert (verdict.level, verdict.headline) == ("bad", f"The last backup {words}")
    assert verdict.findings[0].text == f"The backup of 1 hour ago {words}: Why."


def test_a_failure_that_a_later_backup_mended_is_over() -> None:
    failed = run("FAILURE", 9, error="Why.")
    assert headlines(situation(backup(8), Memory(alive=ALIVE, backups=[run("SUCCESS", 8), failed]))) == []
    # Made from the shell without the broker, which then remembers the failure as the latest run.
    assert headlines(situation(backup(8), Memory(alive=ALIVE, backups=[failed]))) == []


def test_a_failure_stays_when_the_next_run_finds_nothing_to_do() -> None:
    idle = run("SUCCESS", 1, value={"skipped": "it is younger than 24 hours"})
    memory = Memory(alive=ALIVE, backups=[idle, run("FAILURE", 2, error="Why."), run("SUCCESS", 9)])
    assert headlines(situation(backup(9), memory)) == ["The last backup failed"]


def test_a_run_that_has_not_ended_is_no_failure() -> None:
    memory = Memory(alive=ALIVE, backups=[run("STARTED", ended_at=None), run("SUCCESS", 9)])
    assert headlines(situation(backup(9), memory)) == []


@pytest.mark.parametrize(
    ("state", "words"), [("STARTED", "A backup is under way."), ("PENDING", "A backup is waiting to begin.")]
)
def test_what_comes_next_is_what_is_under_way(state: str, words: str) -> None:
    assert summary.verdict(situation(backup(), Memory(alive=ALIVE, unfinished=[run(state)]))).next == words


def test_of_several_that_are_under_way_the_one_that_runs_is_said() -> None:
    unfinished = [run("PENDING"), run("STARTED"), run("RETRY", error="Why.")]
    assert (
        summary.verdict(situation(backup(), Memory(alive=ALIVE, unfinished=unfinished))).next
        == "A backup is under way."
    )


def test_what_is_tried_again_is_said_with_the_reason_and_the_seconds() -> None:
    again = run("RETRY", error="Away.", attempt=1, attempts=3).model_copy(update={"due_at": NOW + timedelta(seconds=8)})
    verdict = summary.verdict(situation(backup(), Memory(alive=ALIVE, unfinished=[again])))
    assert (verdict.level, verdict.headline) == ("warning", "A backup is being tried again")
    assert [one.text for one in verdict.findings] == ["Attempt 2 of 3 in 8 s: Away."]
    assert verdict.next == "A backup is waiting for its next attempt."
    begun = again.model_copy(update={"state": "STARTED"})
    verdict = summary.verdict(situation(backup(), Memory(alive=ALIVE, unfinished=[begun])))
    assert [one.text for one in verdict.findings] == ["Attempt 2 of 3 has begun: Away."]
    gets_on = begun.model_copy(update={"progress": {"phase": "reading", "current": 1}})
    assert headlines(situation(backup(), Memory(alive=ALIVE, unfinished=[gets_on]))) == []


def test_while_the_first_is_on_its_way_nobody_is_told_to_make_it() -> None:
    verdict = summary.verdict(situation(None, Memory(alive=ALIVE, unfinished=[run("STARTED")])))
    assert (verdict.headline, verdict.findings[0].text) == ("There is no backup yet", "The first one is under way.")


def test_a_backup_that_has_got_nothing_from_its_source_claims_no_more() -> None:
    begun = run("STARTED").model_copy(update={"source": "10.0.0.1:6379"})
    for newest in (None, backup()):
        verdict = summary.verdict(situation(newest, Memory(alive=ALIVE, unfinished=[begun])))
        assert verdict.next == "A backup has begun, and waits for 10.0.0.1:6379 to answer."
    assert runs.stand(begun) == "Waiting for 10.0.0.1:6379 to answer."
    gets_on = begun.model_copy(update={"progress": {"phase": "reading", "current": 1, "unit": "keys"}})
    assert runs.stand(gets_on) == "reading: 1 keys"
    verdict = summary.verdict(situation(backup(), Memory(alive=ALIVE, unfinished=[gets_on])))
    assert verdict.next == "A backup is under way."


def test_a_backup_of_the_future_hides_no_failure_that_came_after_it() -> None:
    failed = run("FAILURE", 0.5, error="Why.")
    given = situation(None, Memory(alive=ALIVE, backups=[failed]), ahead=[backup(-3)])
    assert headlines(given) == ["The last backup failed", "A backup is dated in the future"]
    assert (
        summary.verdict(given).last
        == "There is no good backup of this source yet, but for what is dated in the future."
    )
    assert headlines(situation(None, ahead=[backup(-3)])) == ["A backup is dated in the future"]


def test_a_failure_of_the_future_is_told_without_its_age() -> None:
    verdict = summary.verdict(situation(backup(), Memory(alive=ALIVE, backups=[run("FAILURE", -1, error="Why.")])))
    assert verdict.findings[0].text == "The backup failed: Why."


def word(operation: str, hours_ago: float, error: str | None = None) -> dict[str, Any]:
    """A Memory's words on the source: of statistics, a check, or a backup."""
    source = {"reachable": error is None, "error": error, "answers": False}
    told = run(
        "SUCCESS" if operation == "stats" or not error else "FAILURE", hours_ago, operation=operation, error=error
    )
    if operation == "backup":
        return {"backups": [told]}
    return {operation: told.model_copy(update={"value": {"source": source}})}


@pytest.mark.parametrize(
    ("words", "headline"),
    [
        (word("stats", 1, "Away."), "The source cannot be reached"),
        (word("stats", 1, "Away.") | word("ping", 2), "The source cannot be reached"),
        (word("stats", 1, "Away.") | word("backup", 2), "The source cannot be reached"),
        (word("stats", 2, "Away.") | word("ping", 1), None),
        (word("stats", 2, "Away.") | word("backup", 1), None),
        (word("stats", 2) | word("ping", 1, "Away."), "The last check of the source failed"),
        (word("stats", 1) | word("ping", 2, "Away."), None),
        (word("stats", 2) | {"ping": run("STARTED", 1, operation="ping")}, None),
    ],
)
def test_the_latest_word_on_the_source_counts(words: dict[str, Any], headline: str | None) -> None:
    memory = Memory(alive=ALIVE, **words)
    assert headlines(situation(backup(), memory)) == ([headline] if headline else [])


def test_nothing_is_planned_without_a_schedule() -> None:
    verdict = summary.verdict(situation(backup(), Memory(alive={"celery": ["here"]})))
    assert (verdict.level, verdict.headline) == ("warning", "No schedule is running")
    assert verdict.next == "No next one is planned, for no schedule is running."


@pytest.mark.parametrize(
    ("alive", "level", "text"),
    [
        ({"beat": ["here"]}, "bad", "Nobody serves the queues jobs, quick and questions"),
        ({"beat": ["here"], "quick": ["here"]}, "bad", "Nobody serves the queues jobs and questions"),
        ({"beat": ["here"], "jobs": ["here"], "quick": ["here"]}, "warning", "Nobody serves the queue questions"),
    ],
)
def test_a_queue_that_nobody_serves_is_named(alive: dict[str, list[str]], level: str, text: str) -> None:
    (finding,) = summary.verdict(situation(backup(), Memory(alive=alive))).findings
    assert finding.level == level
    assert finding.text.startswith(text)


def test_with_the_broker_away_nothing_is_said_of_workers() -> None:
    verdict = summary.verdict(situation(backup(), Memory(away="The broker does not answer.")))
    assert [one.headline for one in verdict.findings] == ["Nothing can be started"]
    assert verdict.next == "The next one needs the broker."


@pytest.mark.parametrize(
    ("facts", "headline"),
    [
        ({"source": {"reachable": False, "error": "Away."}}, "The source cannot be reached"),
        ({"broker": {"is_source": True}}, "The broker runs on the source"),
        ({"broker": {"eviction": "allkeys-lru"}}, "The broker may throw tasks away"),
        ({"broker": {"eviction": "noeviction", "is_source": False}, "source": {"reachable": True}}, None),
    ],
)
def test_what_the_statistics_found_is_said(facts: dict[str, Any], headline: str | None) -> None:
    memory = Memory(alive=ALIVE, stats=run("SUCCESS", operation="stats", value=facts))
    assert headlines(situation(backup(), memory)) == ([headline] if headline else [])


def test_a_damaged_backup_is_named_as_long_as_it_is_there() -> None:
    memory = Memory(alive=ALIVE, damaged={NAME: "Changed.", "gone.rdb": "Short."})
    verdict = summary.verdict(situation(backup(), memory))
    assert [(one.level, one.text) for one in verdict.findings] == [("bad", f"{NAME}: Changed.")]


@pytest.mark.parametrize("remembered", [True, False])
def test_that_the_last_backup_is_partial_is_said_whether_or_not_its_run_is_remembered(remembered: bool) -> None:
    partial = partial_of("redis_backup_20251103_110000.rdb")
    failed = run("FAILURE", 1, error="No good backup was made.")
    memory = Memory(alive=ALIVE, backups=[failed] if remembered else [])
    for newest in (backup(), None):
        (finding,) = summary.verdict(situation(newest, memory, partial=partial)).findings
        assert (finding.level, finding.headline) == ("bad", "The last backup is partial")
        assert finding.text.startswith("It is partial: 1 of 9 keys were read")
        assert partial.name in finding.text
    # A good one since, or a failure since, is what is to be told.
    assert headlines(situation(backup(0.5), memory, partial=partial)) == []
    later = Memory(alive=ALIVE, backups=[run("FAILURE", 0.5, error="Why.")])
    assert headlines(situation(backup(), later, partial=partial)) == ["The last backup failed"]


def test_a_backup_of_the_future_and_problems_in_storage_are_warnings() -> None:
    given = situation(backup(3), problems=["One.", "Two."], ahead=[backup(-3)])
    assert headlines(given) == [
        "Not everything in storage is a good backup",
        "A backup is dated in the future",
    ]
    assert summary.verdict(given).last.startswith("Last good backup 3 hours ago")
    assert summary.verdict(given).findings[0].text.startswith("2 problems")


def test_a_storage_that_cannot_be_read_says_nothing_of_missing_backups() -> None:
    verdict = summary.verdict(situation(None, fault="The storage is gone."))
    assert [one.headline for one in verdict.findings] == ["The storage cannot be read"]
    assert verdict.level == "bad"
    assert verdict.last == "Nobody can tell which backups there are."


def test_a_folder_that_is_gone_is_a_warning_where_backups_are_remembered() -> None:
    idle = run("SUCCESS", value={"skipped": "it is younger than 24 hours"})
    for backups, known in (([], False), ([idle, run("FAILURE", error="Why.")], False), ([run("SUCCESS")], True)):
        given = situation(None, Memory(alive=ALIVE, backups=backups), missing="/backups")
        assert ("The storage is gone" in headlines(given)) is known


def test_the_headline_is_that_of_the_worst() -> None:
    memory = Memory(alive={"celery": ["here"]}, damaged={NAME: "Changed."})
    assert summary.verdict(situation(backup(), memory, problems=["One."])).headline == "A backup is damaged"
