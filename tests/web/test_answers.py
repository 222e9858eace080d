"""The four answers of the Summary, in each state that they can be in."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.backups import manifest_of
from web.wording.answers import Facts, answers
from web.wording.numbers import NOTHING
from worker.repository.drills.rehearsal import Rehearsal
from worker.repository.drills.standing import standing
from worker.repository.manifest import Manifest

NOW = datetime(2025, 11, 3, 12, 0, tzinfo=UTC)
QUESTIONS = ["Can I get my data back?", "To which moment?", "How fast?", "Who hears of trouble?"]


def backup(hours_ago: int = 10, **fields: Any) -> Manifest:
    at = NOW - timedelta(hours=hours_ago)
    return manifest_of(f"redis_backup_{at:%Y%m%d_%H%M%S}.rdb", created_at=at, **fields)


def drill(**fields: Any) -> Rehearsal:
    drilled = {"at": NOW - timedelta(days=2), "way": "mirror", "server": "valkey 9.1.0", "storage": "backups"}
    numbers = {"seconds": 1.2, "keys": 3437, "bytes": 10**9 // 2, "compared": "sample", "sampled": 100}
    return Rehearsal.model_validate({**drilled, **numbers, **fields})


def said(
    own: list[Manifest] | None, listeners: list[str] | None = None, missed: tuple[str, ...] = ()
) -> list[tuple[str, str]]:
    drills = None if own is None else standing(own, 7, NOW)
    given = answers(Facts(NOW, own, drills, listeners, missed))
    assert [answer.question for answer in given] == QUESTIONS
    return [(answer.words, answer.detail) for answer in given]


def test_with_a_rehearsed_backup_and_somebody_who_hears() -> None:
    newest, older = backup(3), backup(30, rehearsed=drill())
    assert said([newest, older], ["1-mailto", "webhook"]) == [
        ("Yes", "rehearsed 2 days ago, 3,437 keys came back"),
        ("3 hours ago", "or one of 2, from 30 hours ago on"),
        ("1.2 s", "measured, 2.4 s for each GB"),
        ("2 channels", "1-mailto and webhook"),
    ]


def test_a_small_backup_says_nothing_of_a_gigabyte() -> None:
    assert said([backup(rehearsed=drill(bytes=1000))])[2] == ("1.2 s", "measured by the last rehearsal")


def test_without_a_rehearsal_nothing_is_promised() -> None:
    (whether, moment, fast, who) = said([backup()], [])
    assert whether == ("Probably", "whole when it was stored, and not rehearsed yet")
    assert moment == ("10 hours ago", "the only one")
    assert fast == ("Not measured", "a rehearsal measures it")
    assert who == ("Nobody", "set NOTIFY_URLS, or look at Alerts")
    assert said([backup(verified_at=NOW)])[0] == ("Probably", "verified, and not rehearsed yet")


def test_what_was_only_read_is_not_rehearsed() -> None:
    decoded = drill(way="read", reason="no server here loads it", compared="none")
    assert said([backup(decoded=decoded)])[0][0] == "Probably"
    assert said([backup(decoded=decoded)])[2][0] == "Not measured"


def test_after_a_rehearsal_that_failed_it_is_doubtful_whatever_was_before() -> None:
    failed = drill(at=NOW, differs=["12 keys did not come back."])
    own = [backup(3, rehearsed=failed), backup(30, rehearsed=drill())]
    assert said(own)[0] == ("Doubtful", "the last rehearsal failed")


def test_without_a_backup_and_without_a_storage() -> None:
    assert [words for words, _ in said([])] == ["No", NOTHING, "Not measured", "Not known"]
    assert [words for words, _ in said(None)] == ["Not known", NOTHING, "Not measured", "Not known"]


def test_a_channel_that_does_not_work_is_named() -> None:
    assert said([backup()], ["1-mailto", "2-slack"], ("2-slack",))[3] == ("Not everybody", "2-slack cannot be reached")
