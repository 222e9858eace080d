"""Runs on their pages: listed, filtered, under way, and how they ended."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.dashboard import HOSTILE, Browser, Web
from tests.web.pages.given import ended, remembered
from tests.web.pages.reading import read, words


def test_databases_are_told_as_they_were_given_and_in_order(web_app: Web, admin: Browser) -> None:
    for given, said in ((0, "db 0"), ("0,3", "db 0,3"), ([10, 9, 2], "db 2, 9 and 10"), (["b", 1], "db 1 and b")):
        ended(web_app, "FAILURE", arguments={"databases": given}, error="No.")
        assert f"Backup {said}" in read(admin, "/tasks/one")
    assert 'name="databases" value="1,b"' in admin.get("/tasks/one").text


def test_a_long_list_has_pages(web_app: Web, admin: Browser) -> None:
    now = datetime.now(UTC)
    for number in range(60):
        ended(
            web_app, "SUCCESS", id=f"run-{number:02}", queued_at=now - timedelta(minutes=number), value={"keys": number}
        )
    assert len(re.findall(r'href="/tasks/run-', admin.get("/tasks").text)) == 25
    last = admin.get("/tasks?page=3")
    assert re.findall(r'href="/tasks/(run-[0-9]+)"', last.text)[0] == "run-50"
    assert 'rel="prev"' in last.text
    assert 'rel="next"' not in last.text
    assert read(admin, "/tasks?page=-5").startswith("Tasks")
    assert read(admin, "/tasks?page=x").startswith("Tasks")
    for path in ("/tasks", "/restores", "/backups"):
        read(admin, f"{path}?page={'9' * 20}")


def test_tasks_are_filtered_by_kind_and_state_and_questions_come_only_when_asked_for(
    web_app: Web, admin: Browser
) -> None:
    ended(web_app, "SUCCESS", id="made", value={"keys": 1})
    ended(web_app, "SUCCESS", id="young", value={"skipped": "it is younger than 24 hours"})
    ended(web_app, "FAILURE", id="broken", operation="restore", arguments={"name": "n"}, error="No.")
    ended(web_app, "SUCCESS", id="asked", operation="stats", value={})

    def shown(query: str) -> set[str]:
        return set(re.findall(r'href="/tasks/([a-z]+)"', admin.get(f"/tasks{query}").text))

    assert shown("") == {"made", "broken"}
    assert shown("?kind=backup") == {"made", "young"}
    assert shown("?state=nothing") == {"young"}
    assert shown("?state=failed") == {"broken"}
    assert shown("?kind=stats") == {"asked"}
    assert shown("?kind=restore&state=done") == set()
    assert shown(f"?kind={HOSTILE}&state=%00") == {"made", "broken"}
    assert set(re.findall(r'href="/tasks/([a-z]+)"', admin.get("/restores").text)) == {"broken"}


def test_a_run_that_lives_shows_how_far_it_is_and_the_page_comes_anew(web_app: Web, admin: Browser) -> None:
    progress = {"phase": "reading", "current": 1200, "total": 5000, "unit": "keys", "rate": 600.0}
    remembered(web_app, state="STARTED", started_at=datetime.now(UTC), progress=progress)
    for path in ("/tasks/one", "/tasks", "/"):
        answer = admin.get(path)
        assert "reading: 1,200 keys of 5,000 keys, 600 keys a second, about 6.0 s left" in words(answer)
        assert 'max="5000" value="1200"' in answer.text
        assert '<noscript><meta http-equiv="refresh" content="3"></noscript>' in answer.text


def test_a_run_that_has_ended_stands_still(web_app: Web, admin: Browser) -> None:
    ended(web_app, "SUCCESS", value={"name": "n", "keys": 5, "bytes": {"raw": 2000, "stored": 1000}})
    answer = admin.get("/tasks/one")
    assert "http-equiv" not in answer.text
    assert "5 keys in 1.0 KB (2.0 KB before compression)" in words(answer)
    assert "Look at the backup" in words(answer)


@pytest.mark.parametrize(
    ("operation", "state", "advice"),
    [
        ("backup", "FAILURE", "Earlier backups are untouched."),
        ("backup", "INTERRUPTED", "Nothing unfinished was kept"),
        ("restore", "FAILURE", "What was written before it failed stays written."),
        ("restore", "INTERRUPTED", "It is never run again by itself"),
        ("verify", "FAILURE", "Do not rely on this backup"),
        ("prune", "INTERRUPTED", "Prune again."),
    ],
)
def test_a_run_that_came_to_grief_says_why_and_what_next(
    web_app: Web, admin: Browser, operation: str, state: str, advice: str
) -> None:
    ended(web_app, state, operation=operation, arguments={"name": "n"}, error="The sentence of the error.")
    said = read(admin, "/tasks/one")
    assert "The sentence of the error." in said
    assert advice in said


def test_the_report_of_a_restore_shows_the_keys_that_failed_as_text(web_app: Web, admin: Browser) -> None:
    failure = {"db": 0, "key": HOSTILE, "type": "hash", "error": f"ERR {HOSTILE}"}
    report = {"restored": 7, "skipped": 2, "expired": 1, "failed": 30, "failures": [failure], "warnings": [HOSTILE]}
    log = [{"event": "restore_failed", "level": "error", "timestamp": "2025-11-03T02:00:00Z", "error": HOSTILE}]
    arguments = {"name": "n", "mode": "overwrite", "match": HOSTILE}
    fields = {"operation": "restore", "arguments": arguments, "value": report, "log": log, "asked_by": HOSTILE}
    ended(web_app, "FAILURE", error=HOSTILE, **fields)
    answer = admin.get("/tasks/one")
    said = words(answer)
    assert "Restored 7 keys Left alone 2 keys Expired since 1 key Failed 30 keys" in said
    assert "the first 1 of 30" in said
    assert "restore_failed" in said
    for path in ("/tasks/one", "/tasks", "/restores", "/system"):
        assert "<img src=x" not in admin.get(path).text, path
    assert answer.text.count("&lt;img src=x onerror=alert(1)&gt;") >= 6


def test_an_unknown_run_and_an_unknown_backup_are_pages_with_a_sentence(admin: Browser) -> None:
    assert "There is no task of that id" in read(admin, "/tasks/unheard-of", 404)
    assert "There is no backup of the name" in read(admin, "/backups/redis_backup_20250101_000000.rdb", 404)
    assert "There is no backup of the name" in read(admin, "/backups/passwd/restore?mode=skip", 404)
