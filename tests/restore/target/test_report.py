"""What is told of a restore whose connection was cut."""

from typing import Any

import pytest

from worker.formats.entries import Entry
from worker.restore.target.aftermath import Aftermath
from worker.restore.target.report import (
    FAILURES_SHOWN,
    KEYS_NAMED,
    Report,
    building,
    counts,
    first_of,
    losing,
    on_their_way,
    shown,
)

KNOWN: dict[str, Any] = {"restored": 1200, "skipped": 3, "expired": 0, "failed": 0, "deleted": 0}


@pytest.mark.parametrize(
    ("unknown", "told"),
    [
        ({}, ""),
        ({"unconfirmed": 1500}, " are confirmed, and up to 1,500 more were on their way"),
        ({"undeleted": 2}, " are confirmed, and up to 2 more may be deleted"),
        (
            {"unconfirmed": 1, "undeleted": 2, "unfinished": 3},
            " are confirmed, and up to 1 more were on their way, and up to 2 more may be deleted, "
            "and up to 3 unfinished values go by themselves within an hour (redis_backup:...)",
        ),
    ],
)
def test_what_nobody_knows_is_told_beside_what_is_confirmed(unknown: dict[str, int], told: str) -> None:
    assert on_their_way(KNOWN | unknown) == told
    assert counts(KNOWN | unknown) == "1,200 restored, 3 skipped, 0 expired, 0 failed" + told


def test_what_differs_is_told_of_what_stays() -> None:
    assert counts(KNOWN | {"differing": 1}).startswith(
        "1,200 restored, 3 skipped (1 of them differs and stays as it is),"
    )
    assert counts(KNOWN | {"differing": 2}).startswith(
        "1,200 restored, 3 skipped (2 of them differ and stay as they are),"
    )
    assert counts(KNOWN | {"deleted": 4, "evicted": 5}).endswith("0 failed, 4 deleted, 5 evicted")


def test_one_key_is_one_and_several_are_told_with_the_first_of_them() -> None:
    keys = [{"db": 0, "key": f"k{number}"} for number in range(5)]
    assert building(1, 11) == "1 key is built from its value, for the target does not load RDB version 11 as it is"
    assert building(1200, 11).startswith("1,200 keys are built from their values, for the target does not load RDB")
    assert losing(1, keys[:1]) == (
        "1 hash loses the expiry of single fields, which the target does not know: 'k0' of database 0"
    )
    assert losing(2, keys[:2]).startswith("2 hashes lose the expiry")
    assert losing(2, keys[:2]).endswith(": 'k0' of database 0, 'k1' of database 0")
    assert first_of(KEYS_NAMED, keys[:KEYS_NAMED]).count("database") == KEYS_NAMED
    assert not first_of(KEYS_NAMED, keys[:KEYS_NAMED]).endswith("...")
    assert first_of(KEYS_NAMED + 1, keys).count("database") == KEYS_NAMED
    assert first_of(KEYS_NAMED + 1, keys).endswith("database 0, ...")


def entry(number: int) -> Entry:
    return Entry(3, b"key:%d" % number, None, "hash", None)


def test_of_all_that_failed_the_first_are_named_and_the_others_counted() -> None:
    report = Report()
    for number in range(FAILURES_SHOWN + 2):
        report.fail(entry(number), "ERR Bad data format")
        report.await_in_vain(entry(number))
        report.lose(entry(number))
    assert (report.failed, report.unconfirmed, report.lost) == (FAILURES_SHOWN + 2,) * 3
    for named in (report.failures, report.unconfirmed_keys, report.lost_keys):
        assert [(one["db"], one["key"]) for one in named] == [(3, f"key:{place}") for place in range(FAILURES_SHOWN)]
    assert report.failures[0]["type"] == "hash"
    assert "does not know this encoding" in report.failures[0]["error"]
    report.refuse(entry(99), "it is damaged at byte 7")
    assert (report.failed, report.taken) == (FAILURES_SHOWN + 3, 1)


def test_a_report_is_complete_when_every_key_is_where_it_should_be() -> None:
    assert Report(restored=5, skipped=3, expired=1).complete
    assert Report(restored=5, skipped=3, expired=1).keys == 9
    assert Report(restored=5, gone=2).complete, "others may delete keys"
    for report in (Report(failed=1), Report(evicted=1), Report(wiped="it was emptied", gone=1)):
        assert not report.complete
    assert Report(wiped="it was emptied").complete


def test_what_befell_the_target_is_told_once() -> None:
    report = Report(restored=5)
    assert report.there == ""
    report.account(Aftermath(before=2, after=1200, evicted=0, gone=0, wiped=None))
    assert (report.there, report.warnings) == (" The target holds 1,200 keys now, and 2 before.", [])
    report.account(Aftermath(before=2, after=0, evicted=0, gone=5, wiped="it was emptied"))
    assert report.there == " The target holds 0 keys now, and 2 before, but it was emptied."
    assert report.warnings == [
        "Others were at work on the target: it was emptied, and at least 5 of the keys that were written are gone. Look at "
        "what is there, and run the same again."
    ]
    report.account(Aftermath(before=2, after=4, evicted=7, gone=3, wiped=None, excess=1024))
    assert [warning.split(":")[0] for warning in report.warnings[1:]] == [
        "The target evicted 7 keys for want of memory while this ran, of the backup or others",
        "The target holds 1,024 bytes more than its maxmemory, and takes no more writes",
        "At least 3 of the keys that were written are gone",
    ]
    report.account(Aftermath(before=2, after=4, evicted=0, gone=0, wiped="it has restarted"))
    assert report.warnings[-1] == (
        "Others were at work on the target: it has restarted. Look at what is there, and run the same again."
    )
    report.warn(report.warnings[-1])
    assert len(report.warnings) == 5


def test_a_key_that_is_there_already_is_passed_on_to_whoever_wants_to_know() -> None:
    report, heard = Report(), list[Entry]()
    report.skip(entry(1))
    report.passed_over = heard.append
    report.skip(entry(2))
    assert (report.skipped, heard) == (2, [entry(2)])
    told = report.as_dict()
    assert told["skipped"] == 2
    assert not {"taken", "passed_over"} & told.keys()


@pytest.mark.parametrize(("size", "shown_size"), [(199, 199), (200, 200), (201, 200)])
def test_a_long_key_is_shown_by_its_beginning(size: int, shown_size: int) -> None:
    assert shown(b"k" * size) == "k" * shown_size
    assert shown(b"\xff") == "\\xff"
