"""The pages of the schedule and of the system: what comes next, every setting, and what a check found."""

import re
from datetime import UTC, datetime, timedelta

from tests.support.backups import dated
from tests.support.dashboard import Browser, Web
from tests.support.processes import CANARY
from tests.web.pages.given import ended, make_backup, remembered
from tests.web.pages.reading import read, words
from worker.arguments.backups import DeleteArguments, PinArguments, UnpinArguments
from worker.backups.pin import pin, unpin
from worker.backups.trash import delete
from worker.config.settings import WebSettings
from worker.repository import catalogue
from worker.storage import open_storage


def test_the_last_run_of_the_schedule_is_found_behind_any_number_of_others(web_app: Web, admin: Browser) -> None:
    now = datetime.now(UTC)
    ended(web_app, "FAILURE", id="daily", asked_by="beat daily", queued_at=now - timedelta(hours=13), error="No.")
    for number in range(250):
        at = now - timedelta(minutes=number)
        ended(web_app, "FAILURE", id=f"other-{number}", asked_by="beat interval", queued_at=at, error="No.")
    ended(web_app, "SUCCESS", id="idle", asked_by="beat interval", value={"skipped": "it is younger than 24 hours"})
    assert re.findall(r'href="/tasks/([a-z0-9-]+)"', admin.get("/schedule").text) == ["daily", "other-0"]


def test_the_system_page_shows_every_setting_and_no_secret(web_app: Web, admin: Browser) -> None:
    said = read(admin, "/system")
    assert f"CELERY_RESULT_BACKEND 127.0.0.1:{web_app.broker.port} (user and password not shown)" in said
    assert "WEB_PROXIES 0" in said
    assert CANARY not in said


def test_the_schedule_says_what_the_next_prune_would_delete(web_app: Web, admin: Browser) -> None:
    names = [make_backup(web_app) for _ in range(9)]
    said = read(admin, "/schedule")
    assert "every day at 03:00" in said
    assert "The next prune would delete 2 backups" in said
    assert said.count("deleted older than the 7 newest") == 2
    assert all(name in said for name in names)


def test_the_schedule_says_what_goes_to_the_trash_and_what_of_it_is_in_doubt(web_app: Web, admin: Browser) -> None:
    old, older, deleted = (dated(web_app.settings, hours, trigger="manual") for hours in (100, 101, 102))
    for hours in range(7):
        dated(web_app.settings, hours, trigger="manual")
    pin(web_app.settings, PinArguments(name=old, why="for a year"))
    unpin(web_app.settings, UnpinArguments(name=old))
    said = read(admin, "/schedule")
    assert (
        "The next prune would delete 2 backups , 14 B, and move 1 backup to the trash, for it was pinned once." in said
    )
    assert f"{old} 4 days ago 7 B to the trash older than" in said
    assert f"{older} 4 days ago 7 B deleted older than" in said
    for name in (older, deleted):
        catalogue.remove(open_storage(str(web_app.storage)), name)
    assert "The next prune would delete nothing of these, and move 1 backup to the trash" in read(admin, "/schedule")
    delete(web_app.settings, DeleteArguments(name=old))
    catalogue.note(open_storage(str(web_app.storage)), old, deleted_at=datetime.now(UTC) - timedelta(days=7, minutes=1))
    assert "the next prune would empty it of 1" not in read(admin, "/schedule")
    assert "the days of 1 are over by this machine's clock alone" in read(admin, "/schedule")


def test_the_system_page_shows_what_a_check_found(web_app: Web, admin: Browser) -> None:
    facts = {"server": "redis", "version": "7.0.15", "role": "master", "keys": {"0": 1234}, "expiring": {"0": 9}}
    more = {"used_memory": 2_000_000, "max_memory": 0, "eviction": "noeviction", "evicted": 0, "append_only": False}
    saved = {"last_save_at": 1700000000, "last_save_ok": True, "changes_since_save": 5, "cluster": False}
    value = {
        "address": "10.0.0.5:6379",
        "facts": {**facts, **more, **saved},
        "engine": {"name": "scan", "reason": "PSYNC is refused"},
        "replication": "NOPERM",
        "may_backup": True,
        "may_restore": False,
        "rights": {
            "undo": {"allowed": False, "why": None, "missing": "~* +restore", "better": ""},
            "stats": {"allowed": True, "why": None, "missing": "", "better": ""},
        },
    }
    ended(web_app, "SUCCESS", operation="ping", value=value)
    said = read(admin, "/system")
    assert "redis 7.0.15, primary" in said
    assert "database 0: 1,234, 9 with an expiry" in said
    assert "by scan: PSYNC is refused" in said
    assert "Undo missing ~* +restore" in said
    assert "Stats" not in said.partition("Rights on the source")[2].partition("Storage")[0]
    assert "session_secret" not in said


def test_a_check_that_failed_is_shown_beside_the_last_good_one(web_app: Web, admin: Browser) -> None:
    ended(web_app, "FAILURE", operation="ping", error="The source refuses the password.")
    assert "The last check failed. The source refuses the password." in read(admin, "/system")


def test_every_setting_is_shown(admin: Browser) -> None:
    shown = words(admin.get("/system"))
    # Of the two passwords there is one, and which it is stands beside the other's name.
    names = {name.upper() for name in WebSettings.model_fields} - {"ADMIN_PASSWORD_HASH"}
    assert {name for name in names if not re.search(rf"\b{name}\b", shown)} == set()


def tried(**fields: object) -> dict[str, object]:
    steps = [
        {"what": "list", "seconds": 0.0213, "why": None, "right": None},
        {"what": "delete", "seconds": 0.1, "why": "It does not let us delete.", "right": "s3:DeleteObject"},
    ]
    place = {"where": "s3://bucket/folder", "usable": False, "exclusive": False, "free_bytes": None, "left": "trial-1"}
    return {"storages": [{**place, "steps": steps, **fields}]}


def test_the_system_page_shows_what_the_last_trial_of_the_storage_found(web_app: Web, admin: Browser) -> None:
    assert "What we may do there is not known yet" in read(admin, "/system")
    ended(web_app, "FAILURE", id="trial", operation="storage", value=tried(), error="No.")
    remembered(web_app, id="another", operation="storage")
    said = read(admin, "/system")
    assert "list 0.0213 s not delete missing s3:DeleteObject" in said
    assert "It does not let us delete." in said
    assert "It lets one machine write over the file of another" in said
    assert "trial-1 can be deleted by hand" in said
    assert 'href="/tasks/trial"' in admin.get("/system").text
    assert "missing s3:DeleteObject" in read(admin, "/tasks/trial")


def test_a_trial_that_came_to_nothing_says_why(web_app: Web, admin: Browser) -> None:
    ended(web_app, "INTERRUPTED", operation="storage", error="Its process was killed.")
    assert "The last trial failed. Its process was killed." in read(admin, "/system")
