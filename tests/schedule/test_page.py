"""The Schedule page: each setting with who says so, changed by a form that says what would go before anything is saved."""

import re

import pytest

from tests.support.backups import dated
from tests.support.dashboard import Browser, Web
from tests.web.pages.reading import read, words
from worker.broker.choices import store
from worker.config.settings import load_web


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None, name
    return found[1]


def test_each_setting_says_who_says_so_and_what_the_environment_says_cannot_be_typed(
    web_app: Web, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKUP_KEEP_DAILY", "3")
    load_web.cache_clear()
    assert admin.post("/schedule", data={"keep": "14", "revision": "0"}).status_code == 303
    page = admin.get("/schedule").text
    assert 'id="set-keep" name="keep" value="14" placeholder="7"' in page
    assert 'id="set-tz" name="tz" value="" placeholder="UTC"' in page
    assert 'id="set-keep_daily"' not in page
    said = read(admin, "/schedule")
    assert "set by BACKUP_KEEP_DAILY in the environment" in said
    assert "chosen by admin" in said
    assert "the schedule's 14 newest backups are kept" in said
    assert "is 14 now" not in said
    assert "BACKUP_KEEP 14" in read(admin, "/system")
    assert web_app.settings.backup_keep == 7


def test_what_would_go_is_said_first_and_then_agreed_to(web_app: Web, admin: Browser) -> None:
    names = [dated(web_app.settings, hours, asked_by="beat daily") for hours in (1, 5, 9)]
    answer = admin.post("/schedule", data={"keep": "1", "tz": "Europe/Berlin", "revision": "0"})
    assert answer.status_code == 409
    assert "2 backups would go that are kept now. Nothing is saved yet." in words(answer)
    assert all(f"/backups/{name}" in answer.text for name in names[1:])
    assert store.read(web_app.settings) is None
    form = {name: hidden(answer.text, name) for name in ("keep", "tz", "gives_up", "revision")}
    assert form == {"keep": "1", "tz": "Europe/Berlin", "gives_up": "2", "revision": "0"}
    assert admin.post("/schedule", data=form).status_code == 303
    assert "The next prune would delete 2 backups" in read(admin, "/schedule")


def test_the_second_of_two_editors_is_told_and_what_was_typed_stays(web_app: Web, admin: Browser) -> None:
    assert web_app.logged_in().post("/schedule", data={"keep": "14", "revision": "0"}).status_code == 303
    answer = admin.post("/schedule", data={"keep": "20", "daily_at": "04:30", "revision": "0"})
    assert answer.status_code == 409
    assert "Somebody else has changed the schedule meanwhile" in words(answer)
    assert 'name="keep" value="20"' in answer.text
    assert load_web().backup_keep == 14


def test_a_form_that_cannot_be_is_told(admin: Browser) -> None:
    answer = admin.post("/schedule", data={"daily_at": "noon", "revision": "0"})
    assert answer.status_code == 400
    assert "daily_at: must be a time of day" in words(answer)
    assert admin.post("/schedule", data={"keep": "9", "revision": "0"}, csrf=False).status_code == 400


def test_what_if_can_be_had_from_now_on(web_app: Web, admin: Browser) -> None:
    admin.post("/schedule", data={"daily_at": "04:30", "revision": "0"})
    page = admin.get("/schedule?keep=9&keep_daily=3").text
    form = page[page.index('id="what-if"') :]
    names = ("keep", "keep_daily", "daily_at", "revision")
    lasting = form[form.index('action="/schedule" class="bar"') :]
    asked = {name: hidden(lasting, name) for name in names}
    assert asked == {"keep": "9", "keep_daily": "3", "daily_at": "04:30", "revision": "1"}
    assert admin.post("/schedule", data=asked).status_code == 303
    assert (load_web().backup_keep, load_web().backup_keep_daily) == (9, 3)


def test_garbage_is_told_on_the_schedule_and_the_system_page(web_app: Web, admin: Browser) -> None:
    web_app.broker.client().set(store.KEY, b"garbage")
    for path in ("/schedule", "/system"):
        assert "the chosen settings of the schedule cannot be read" in read(admin, path)
    assert admin.post("/schedule", data={"keep": "14", "revision": "0"}).status_code == 303
    for path in ("/schedule", "/system"):
        assert "cannot be read" not in read(admin, path)
