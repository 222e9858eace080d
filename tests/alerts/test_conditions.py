"""What can be wrong: each row of the table, and what it says."""

from datetime import timedelta
from typing import Any

import pytest

from tests.alerts.given import NAME, NOW, SOURCE, WHERE, backup, facts, run, settings
from tests.support.backups import partial_of
from worker.alerts.conditions.condition import Condition
from worker.alerts.conditions.errors import UNSAID, one_line
from worker.alerts.conditions.table import NAMED, ROWS, judge
from worker.alerts.facts import Facts
from worker.repository.contents import Damaged
from worker.repository.drills.rehearsal import Rehearsal
from worker.repository.manifest import Copied, Origin, Size
from worker.repository.versions.lost import Lost
from worker.repository.versions.records import Record
from worker.runs.reach import Word

YOUNG = backup()
STANDING: dict[str, Any] = {"where": WHERE, "reachable": True, "error": None, "late": 0, "count": 7}


def wrong(given: Facts) -> list[Condition]:
    return [*judge(given).conditions.values()]


def only(given: Facts) -> Condition:
    [condition] = wrong(given)
    return condition


def test_nothing_is_wrong_with_a_young_backup_and_everybody_at_work() -> None:
    assert wrong(facts(YOUNG, backups=[run("SUCCESS")], standings=[STANDING], free_bytes=1 << 30)) == []


def test_a_backup_that_failed_is_bad_and_says_why() -> None:
    condition = only(facts(YOUNG, backups=[run("FAILURE", outside="The source does not answer.", error="Not that.")]))
    assert (condition.key, condition.level) == ("backup.failed", "bad")
    assert condition.sentence == f"The last backup of {SOURCE} failed: The source does not answer."
    assert condition.path == "/tasks/one"


def test_one_that_was_killed_has_time_to_be_made_again() -> None:
    assert only(facts(YOUNG, backups=[run("INTERRUPTED")])).after > timedelta(minutes=10)


def test_a_failure_before_the_last_good_backup_is_over() -> None:
    assert wrong(facts(backup(1), backups=[run("FAILURE", hours_ago=2)])) == []


def test_one_that_was_cancelled_or_had_nothing_to_do_says_nothing() -> None:
    skipped = run("SUCCESS", value={"skipped": "there is a young one"})
    assert wrong(facts(YOUNG, backups=[run("CANCELLED"), skipped])) == []


def test_a_partial_backup_is_the_same_alert_as_one_that_failed() -> None:
    partial = partial_of(NAME, warnings=["It is partial: keys vanished."], source=Origin(address=SOURCE))
    partial = partial.model_copy(update={"created_at": NOW - timedelta(hours=1)})
    condition = only(facts(YOUNG, partials=[partial], backups=[run("FAILURE", hours_ago=1)]))
    assert condition.key == "backup.failed"
    assert "vanished" not in f"{condition.sentence}{condition.advice}"


@pytest.mark.parametrize(("hours", "is_overdue"), [(24, False), (26, False), (27, True), (24 * 9, True)])
def test_a_backup_is_overdue_where_the_newest_is_too_old(hours: float, is_overdue: bool) -> None:
    given = facts(backup(hours), config=settings(drill_every_days=0))
    assert [one.key for one in wrong(given)] == (["backup.overdue"] if is_overdue else [])


def test_the_first_backup_is_overdue_once_somebody_has_looked_for_so_long() -> None:
    assert "after 30 days" in only(facts()).sentence
    assert wrong(Facts(NOW, NOW - timedelta(hours=2), settings(), contents=facts().contents)) == []


def test_a_storage_that_cannot_be_read_is_said_and_nothing_is_judged_by_what_lies_there() -> None:
    judgement = judge(facts(contents=None, fault="The bucket does not answer."))
    assert [*judgement.conditions] == ["storage.away"]
    assert {"backup.overdue", "verify.failed", "storage.alarm", "storage.full"} <= judgement.unknown


def test_one_whose_manifests_are_still_being_read_is_no_alert() -> None:
    judgement = judge(facts(contents=None))
    assert not judgement.conditions
    assert "storage.away" in judgement.unknown


def test_a_folder_that_is_gone_is_said_only_where_backups_were_made() -> None:
    assert only(facts(YOUNG, is_there=False, backups=[run("SUCCESS")])).key == "storage.gone"
    assert wrong(facts(YOUNG, is_there=False)) == []


def test_a_source_is_away_after_its_own_time() -> None:
    away = Word(NOW, "Not that.", "The source does not answer.", answers=False)
    condition = only(facts(YOUNG, word=away, config=settings(backup_source_away_minutes=7)))
    assert (condition.key, condition.after) == ("source.away", timedelta(minutes=7))
    assert condition.sentence.endswith(": The source does not answer.")
    refused = only(facts(YOUNG, word=Word(NOW, "The user may not read.", answers=True)))
    assert "cannot be read" in refused.sentence


def test_of_a_source_that_nobody_has_asked_nothing_is_known() -> None:
    assert "source.away" in judge(facts(YOUNG)).unknown


def test_copies_that_are_late_or_away_are_said_of_each_storage() -> None:
    late = STANDING | {"late": 2}
    none = STANDING | {"where": "other", "late": 1, "count": 0}
    away = STANDING | {"where": "third", "reachable": False, "error": "It does not answer."}
    conditions = wrong(facts(YOUNG, standings=[late, none, away]))
    assert [(one.key, one.level) for one in conditions] == [
        (f"copy.late:{WHERE}", "warning"),
        ("copy.late:other", "bad"),
        ("copies.away:third", "warning"),
    ]
    assert conditions[0].sentence == f"2 backups should be in {WHERE} by now, and are not."


def test_the_last_copy_to_a_storage_failed() -> None:
    failed = run("FAILURE", operation="copy", outside="Access is denied.")
    condition = only(facts(YOUNG, copies={WHERE: failed, "other": run("SUCCESS", operation="copy")}))
    assert (condition.key, condition.sentence) == (
        f"copy.failed:{WHERE}",
        f"The last copy to {WHERE} failed: Access is denied.",
    )


def test_the_last_prune_failed() -> None:
    assert only(facts(YOUNG, prunes=[run("FAILURE", operation="prune"), run("SUCCESS", 3, "prune")])).level == "warning"
    assert wrong(facts(YOUNG, prunes=[run("SUCCESS", 1, "prune"), run("FAILURE", 3, "prune")])) == []


def test_a_backup_is_damaged_while_its_last_verification_failed_and_it_is_there() -> None:
    failed = run(
        "FAILURE", operation="verify", arguments={"name": NAME}, error="The key 'secret' is damaged.", outside="secret"
    )
    condition = only(facts(YOUNG, verifications=[failed]))
    assert (condition.key, condition.path) == (f"verify.failed:{NAME}", f"/backups/{NAME}")
    assert "secret" not in condition.sentence
    passed = run("SUCCESS", 0.5, "verify", arguments={"name": NAME})
    assert wrong(facts(YOUNG, verifications=[passed, failed])) == []
    assert wrong(facts(backup(name=NAME.replace("02", "03")), verifications=[failed])) == []


def test_a_drill_that_brought_back_something_else_is_bad_until_the_next_one() -> None:
    drill: dict[str, Any] = {"at": NOW, "way": "mirror", "storage": "/backups", "seconds": 1, "keys": 1, "bytes": 1}
    failed = Rehearsal(compared="sample", differs=["2 keys are missing."], **drill)
    assert only(facts(backup(rehearsed=failed))).key == f"drill.failed:{NAME}"
    good = Rehearsal(compared="sample", **(drill | {"at": NOW + timedelta(hours=1)}))
    assert wrong(facts(backup(rehearsed=failed, decoded=good))) == []


def rehearsal(days_ago: float, **more: Any) -> Rehearsal:
    usual: dict[str, Any] = {"way": "mirror", "storage": "/backups", "seconds": 1, "keys": 1, "bytes": 1}
    return Rehearsal(at=NOW - timedelta(days=days_ago), compared="sample", **(usual | more))


@pytest.mark.parametrize(
    ("hours", "noted", "every", "said"),
    [
        (25, {}, 7, "No backup has been rehearsed yet."),
        (23, {}, 7, None),
        (10, {"rehearsed": rehearsal(7.9)}, 7, None),
        (10, {"rehearsed": rehearsal(8.1)}, 7, "The last good rehearsal was 8 days ago, and one is due every 7."),
        (10, {"rehearsed": rehearsal(8.1)}, 30, None),
        (10, {"rehearsed": rehearsal(8.1)}, 0, None),
        (25, {"decoded": rehearsal(0, way="read", reason="no server fits")}, 7, "only read, for no server fits."),
    ],
)
def test_a_rehearsal_is_overdue_as_the_summary_has_it(
    hours: float, noted: dict[str, Any], every: float, said: str | None
) -> None:
    conditions = wrong(facts(backup(hours, **noted), config=settings(drill_every_days=every)))
    assert [(one.key, one.level) for one in conditions] == ([("drill.overdue", "warning")] if said else [])
    assert not said or said in conditions[0].sentence
    assert not said or f"`python -m worker drill {NAME}`" in conditions[0].advice


def test_a_copy_that_did_not_come_back_is_an_alert_of_its_own() -> None:
    copies = {WHERE: Copied(copied_at=NOW, rehearsed=rehearsal(0, differs=["2 keys are missing."]))}
    condition = only(facts(backup(10, rehearsed=rehearsal(1), copies=copies)))
    assert condition.key == f"drill.failed:{NAME} in {WHERE}"
    assert f"`python -m worker verify {NAME} --from {WHERE}`" in condition.advice


def test_a_drill_that_failed_is_one_alert_and_names_no_key() -> None:
    failed = rehearsal(0, differs=["Of secret:1 there is no more."])
    condition = only(facts(backup(25, rehearsed=failed)))
    assert condition.key == f"drill.failed:{NAME}"
    assert "secret" not in f"{condition.sentence}{condition.advice}"


def test_a_backup_that_lacks_what_those_before_it_hold_is_suspicious_and_no_key_is_named() -> None:
    lacking = backup(suspicious=("Of secret:* 900 keys went missing.",))
    condition = only(facts(lacking))
    assert (condition.key, condition.level) == (f"backup.suspicious:{NAME}", "bad")
    assert "secret" not in f"{condition.sentence}{condition.advice}"


@pytest.mark.parametrize(("fits", "level"), [(0, "bad"), (1, "warning"), (2, "warning"), (3, None)])
def test_the_storage_is_nearly_full_by_what_the_newest_backup_takes(fits: int, level: str | None) -> None:
    newest = backup(bytes=Size(raw=2000, stored=1000))
    conditions = wrong(facts(newest, free_bytes=fits * 1000 + 999))
    assert [one.level for one in conditions] == ([level] if level else [])
    assert wrong(facts(newest, free_bytes=0, config=settings(backup_room_for=0))) == []


def test_what_others_did_in_the_storage_is_said_one_by_one_and_then_counted() -> None:
    alarms = [f"The manifest of number {number} is forged." for number in range(NAMED + 3)]
    conditions = wrong(facts(YOUNG, alarms=alarms))
    assert len({one.key for one in conditions}) == len(conditions) == NAMED + 1
    assert conditions[-1].sentence == "The same is so of 3 more."
    lost = Lost(Record.model_construct(name=NAME), "deleted")
    assert only(facts(YOUNG, lost=[lost])).key == f"backup.taken:{NAME}"
    assert only(facts(YOUNG, damaged=[Damaged(NAME, "It is damaged.")])).key == f"manifest.damaged:{NAME}"


@pytest.mark.parametrize(
    ("roles", "serves"),
    [(["celery"], True), (["jobs"], True), (["elsewhere", "beat"], True), (["quick", "beat"], False), ([], False)],
)
def test_somebody_must_serve_the_queue_of_backups(roles: list[str], serves: bool) -> None:
    conditions = wrong(facts(YOUNG, alive={role: ["here"] for role in roles}))
    assert [one.key for one in conditions] == ([] if serves else ["worker.away"])


def test_what_nobody_has_said_for_others_stays_on_the_page() -> None:
    condition = only(facts(YOUNG, backups=[run("FAILURE", error="The key secret:1 is damaged.")]))
    assert condition.sentence.endswith(f" failed: {UNSAID}")


@pytest.mark.parametrize(
    ("words", "line"), [("One\n\ttwo\u202e\x1b[1m three", "One two [1m three"), ("x" * 5000, "x" * 500 + "...")]
)
def test_a_sentence_is_one_line_that_steers_nothing(words: str, line: str) -> None:
    assert one_line(words) == line


def test_each_condition_is_of_the_row_that_says_it() -> None:
    away = Word(NOW, "Away.", answers=False)
    everything = [
        facts(backups=[run("FAILURE")], word=away, alarms=["One."], is_there=False, alive={}),
        facts(contents=None, fault="Away."),
        facts(YOUNG, free_bytes=0, standings=[STANDING | {"late": 1, "reachable": False}]),
    ]
    for given in everything:
        for event, row in ROWS.items():
            assert {one.event for one in row(given) or ()} <= {event}
