"""The form of a restore: each of its fields, what it says that it will do, and what is wrong."""

import re
from html import unescape
from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from tests.support.dashboard import Browser, Web, fresh_app
from tests.support.processes import CANARY
from tests.web.pages.given import given_to, make_backup, queued
from tests.web.pages.reading import words
from web.pages import forms
from worker.arguments.restore import RestoreArguments


@pytest.fixture
def with_targets(web_app: Web, monkeypatch: pytest.MonkeyPatch) -> Browser:
    """The admin of a dashboard that has two other targets set."""
    monkeypatch.setenv("REDIS_TARGETS", f"staging=redis://:{CANARY}@10.0.0.9:6379 other=redis://h:1")
    app = fresh_app()
    browser = Browser(app)
    assert browser.log_in().status_code == 303
    return browser


EVERYTHING: dict[str, Any] = {
    "mode": "overwrite",
    "match": "user:*\r\nqueue:*",
    "exclude": "*:tmp",
    "keys": 'user:1\r\n\\xff\r\n""',
    "types": ["hash", "string"],
    "databases": ["0", "3"],
    "target": "staging",
    "map_databases": "0:5, 3:6",
    "prefix": "new:",
    "strip_prefix": "user:",
    "expiry": "floor",
    "floor": "3600",
}
TOLD: dict[str, Any] = {
    "mode": "overwrite",
    "match": ["user:*", "queue:*"],
    "exclude": ["*:tmp"],
    "keys": ['""', "\\xff", "user:1"],
    "types": ["hash", "string"],
    "databases": [0, 3],
    "target": "staging",
    "map_databases": {"0": 5, "3": 6},
    "prefix": "new:",
    "strip_prefix": "user:",
    "expiry": "floor:3600",
}


@pytest.mark.parametrize(("path", "operation"), [("preview", "preview"), ("restore", "restore")])
def test_every_field_of_the_form_reaches_the_task(
    path: str, operation: str, web_app: Web, with_targets: Browser
) -> None:
    name = make_backup(web_app)
    answer = with_targets.post(f"/backups/{name}/{path}", data={**EVERYTHING, "confirm": name})
    assert answer.status_code == 303, words(answer)
    (run,) = queued(web_app)
    assert (run.operation, answer.location) == (operation, f"/tasks/{run.id}")
    assert given_to(run) == {**TOLD, "name": name}
    assert CANARY not in with_targets.get(answer.location).text


def test_what_it_will_do_is_said_of_every_field_and_the_form_comes_back_to_be_changed(
    web_app: Web, with_targets: Browser
) -> None:
    name = make_backup(web_app)
    answer = with_targets.post(f"/backups/{name}/review", data=EVERYTHING)
    said = words(answer)
    assert answer.status_code == 200
    for told in ("10.0.0.9:6379", "database 0 as 5", "“new:” is put before every key", "none like *:tmp"):
        assert told in said
    assert f"Type {name} to overwrite live keys with it" in said
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', answer.text)
    again: forms.Form = MultiDict((key, unescape(value)) for key, value in hidden if key in EVERYTHING)
    assert forms.arguments(RestoreArguments, again, name="n").model_dump(mode="json", exclude_unset=True) == (
        RestoreArguments(name="n", **TOLD).model_dump(mode="json", exclude_unset=True)
    )
    back = with_targets.post(f"/backups/{name}/review", data={**again.to_dict(flat=False), "change": "on"})
    assert "queue:*" in back.text
    assert '<option value="staging" selected>staging, 10.0.0.9:6379</option>' in back.text
    assert 'value="floor" checked' in back.text
    assert 'value="3600"' in back.text
    assert 'name="databases" value="3" checked' in back.text
    assert back.text.count("<details open>") == 3
    assert queued(web_app) == []
    assert CANARY not in answer.text + back.text


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"target": "production"}, "There is no target of the name 'production': REDIS_TARGETS has other, staging."),
        ({"map_databases": "0"}, "Please correct this: map_databases: must be pairs of database numbers"),
        ({"expiry": "floor", "floor": "long"}, "Please correct this: expiry: must be keep, shift, persist, or floor"),
        ({"expiry": "floor"}, "Please correct this: expiry: must be keep, shift, persist, or floor"),
        ({"match": "x" * 5000}, "Please correct this: match.0: must have at most 4096 characters"),
    ],
)
@pytest.mark.parametrize("path", ["preview", "review", "restore"])
def test_a_field_that_is_wrong_is_told_with_the_form_filled_in(
    form: dict[str, Any], said: str, path: str, web_app: Web, with_targets: Browser
) -> None:
    name = make_backup(web_app)
    answer = with_targets.post(f"/backups/{name}/{path}", data={"prefix": "kept:", **form})
    assert answer.status_code == 400
    assert said in words(answer)
    assert 'value="kept:"' in answer.text
    assert CANARY not in answer.text
    assert queued(web_app) == []


def test_databases_that_would_meet_are_told_before_anybody_asks_a_worker(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    said = words(admin.post(f"/backups/{name}/review", data={"map_databases": "3:0"}))
    assert "Databases 0 and 3 of the backup would both go to database 0" in said


def test_without_other_targets_the_form_says_where_they_come_from(web_app: Web, admin: Browser) -> None:
    answer = admin.get(f"/backups/{make_backup(web_app)}")
    assert "once the setting REDIS_TARGETS names them" in words(answer)
    assert 'name="target"' not in answer.text


def test_settings_show_targets_by_name_alone(with_targets: Browser) -> None:
    answer = with_targets.get("/system")
    assert "REDIS_TARGETS other and staging" in words(answer)
    assert CANARY not in answer.text
