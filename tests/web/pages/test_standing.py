"""How things stand: what the summary says, and what every page says while broker, storage or workers are away."""

import shutil
from datetime import UTC, datetime

import pytest

from tests.support.dashboard import HOSTILE, Browser, Web
from tests.web.pages.given import ended, make_backup, remembered
from tests.web.pages.reading import PAGES, read, words
from worker.config.settings import load, load_web


def test_the_summary_says_that_all_is_well(web_app: Web, admin: Browser) -> None:
    make_backup(web_app)
    for role in ("celery", "beat"):
        web_app.broker.client().set(f"redis_backup:alive:{role}:here", 1)
    said = read(admin, "/")
    assert "All is well Last good backup just now, with 22 keys. The next one is planned in" in said


def test_the_summary_says_what_failed_and_why(web_app: Web, admin: Browser) -> None:
    make_backup(web_app)
    remembered(web_app, state="FAILURE", ended_at=datetime.now(UTC), error=f"The source is away: {HOSTILE}.")
    answer = admin.get("/")
    said = words(answer)
    assert "The last backup failed" in said
    assert f"The backup of just now failed: The source is away: {HOSTILE}." in said
    assert HOSTILE not in answer.text
    assert "1 backup, 1 failed" in said


def test_the_summary_warns_of_the_broker_and_of_a_source_that_is_away(web_app: Web, admin: Browser) -> None:
    value = {
        "source": {"address": "10.0.0.5:6379", "reachable": False, "error": "The source does not answer."},
        "broker": {"is_source": True, "eviction": "allkeys-lru", "address": "10.0.0.5:6379"},
    }
    ended(web_app, "SUCCESS", operation="stats", value=value)
    said = read(admin, "/")
    assert "The source cannot be reached" in said
    assert "The broker runs on the source." in said
    assert "Its maxmemory-policy is allkeys-lru" in said
    assert "10.0.0.5:6379 (user and password not shown)" in read(admin, "/system")


def test_with_the_broker_away_the_backups_are_still_there(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    admin.get("/")
    web_app.broker.stop()
    assert "The broker does not answer" in read(admin, "/")
    assert name in read(admin, "/backups")
    assert "One point in time" in read(admin, f"/backups/{name}")
    assert "one of the 7 newest" in read(admin, "/schedule")
    assert "Not known while the broker is away." in read(admin, "/system")
    for path in ("/restores", "/tasks"):
        assert "runs cannot be shown" in read(admin, path)
    assert "runs cannot be shown" in read(admin, "/tasks/one", 503)
    answer = admin.post("/backups/create", data={"format": "json"})
    assert answer.status_code == 503
    assert "The broker does not answer" in words(answer)


def test_a_storage_that_cannot_be_read_is_said_and_no_error_page(web_app: Web, admin: Browser) -> None:
    web_app.storage.write_text("no folder")
    said = read(admin, "/")
    assert "The storage cannot be read" in said
    assert "Nobody can tell which backups there are." in said
    assert said.count("not known") == 5, "one for each number, and to which moment"
    for path in PAGES:
        assert "0 backups" not in read(admin, path), path
    assert "cannot be listed" in read(admin, "/backups")
    assert "cannot be listed" in read(admin, "/schedule")
    assert "cannot be listed" in read(admin, "/system")


def test_a_storage_that_cannot_be_looked_into_is_said_and_no_error_page(
    web_app: Web, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKUP_STORAGE", str(web_app.folder / ("x" * 300) / "backups"))
    for cached in (load, load_web):
        cached.cache_clear()
    assert "Free not known" in read(admin, "/system")


def test_a_folder_that_is_gone_is_said_where_backups_are_remembered(web_app: Web, admin: Browser) -> None:
    ended(web_app, "SUCCESS", id="young", value={"skipped": "it is younger than 24 hours"})
    assert "The storage is gone" not in read(admin, "/")
    ended(web_app, "SUCCESS", value={"name": make_backup(web_app)})
    assert "The storage is gone" not in read(admin, "/")
    shutil.rmtree(web_app.storage)
    assert f"Backups were made, and there is no folder {web_app.storage}: is it mounted" in read(admin, "/")


def test_without_a_worker_it_is_said_where_something_waits(web_app: Web, admin: Browser) -> None:
    remembered(web_app)
    remembered(web_app, id="runs", state="STARTED")
    for path in ("/backups", "/tasks/one"):
        assert "Nobody serves the queues jobs, quick and questions, and what is asked for waits there" in read(
            admin, path
        )
    assert "Nobody serves" not in read(admin, "/tasks/runs")
    web_app.broker.client().set("redis_backup:alive:celery:here", 1)
    for path in ("/backups", "/tasks/one"):
        assert "Nobody serves" not in read(admin, path)
