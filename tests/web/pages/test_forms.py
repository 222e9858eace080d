"""Forms: what they ask for, what they ask to be typed, and how they come back when they are wrong."""

import pytest
from werkzeug.test import TestResponse

from tests.support.dashboard import HOSTILE, Browser, Web
from tests.support.processes import Background, eventually
from tests.web.pages.given import make_backup, queued
from tests.web.pages.reading import read, words
from worker.repository import catalogue
from worker.storage import open_storage


def test_a_restore_is_told_in_words_before_it_is_asked_for(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    plain = read(admin, f"/backups/{name}/restore?mode=skip")
    assert "Then it writes 22 keys into 127.0.0.1:" in plain
    assert "A key that exists there is left exactly as it is, also where it differs from the backup" in plain
    assert "to overwrite live keys" not in plain
    part = read(admin, f"/backups/{name}/restore?mode=overwrite&types=string&databases=0&match=user:*&match=")
    assert "Then it writes up to 20 keys (keys like user:*, type string, database 0)" in part
    assert f"Type {name} to overwrite live keys with it" in part
    assert "The backup has no database 9." in read(admin, f"/backups/{name}/restore?databases=9")
    assert queued(web_app) == []


def test_a_pattern_of_a_restore_stays_text(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    answer = admin.get(f"/backups/{name}/restore", query_string={"match": f'"{HOSTILE}'})
    assert "<img" not in answer.text.replace('<img src="/static', "")
    assert 'value="&#34;&lt;img' in answer.text


def test_a_restore_form_that_is_wrong_comes_back_with_what_was_typed(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    for path in (
        f"/backups/{name}/restore?databases=x&match=user:*",
        f"/backups/{name}/restore?mode=all&match=user:*",
    ):
        answer = admin.get(path)
        assert answer.status_code == 400
        assert "Please correct this:" in words(answer)
        assert ">user:*</textarea>" in answer.text


def test_overwriting_and_deleting_need_the_name_typed_in(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    for path, form in (("restore", {"mode": "overwrite", "match": "user:*"}), ("delete", {})):
        for typed, said in (("", "is missing"), (name[:-1], "is not that of the backup")):
            answer = admin.post(f"/backups/{name}/{path}", data={**form, "confirm": typed})
            assert answer.status_code == 400
            assert said in words(answer)
            assert f'value="{typed}"' in answer.text
    assert "keys like user:*" in words(
        admin.post(f"/backups/{name}/restore", data={"mode": "overwrite", "match": "user:*"})
    )
    assert queued(web_app) == []


def test_a_backup_form_that_is_wrong_comes_back_with_what_was_typed(web_app: Web, admin: Browser) -> None:
    answer = admin.post("/backups/create", data={"format": "json", "databases": "one"})
    assert answer.status_code == 400
    assert "Please correct this: databases: must be all , or database numbers" in words(answer)
    assert '<option value="json" selected>' in answer.text
    assert 'value="one"' in answer.text
    assert queued(web_app) == []


def test_each_form_asks_for_its_task_and_leads_to_its_page(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    forms = {
        "/backups/create": ("backup", {"format": "json", "databases": "0, 3", "engine": ""}),
        f"/backups/{name}/verify": ("verify", {}),
        f"/backups/{name}/restore": ("restore", {"mode": "overwrite", "types": ["hash", "string"], "confirm": name}),
        f"/backups/{name}/delete": ("delete", {"confirm": f" {name} "}),
        f"/backups/{name}/accept": ("accept", {}),
        "/schedule/prune": ("prune", {}),
        "/system/ask": ("ping", {}),
        "/system/try": ("storage", {}),
    }
    for path, (operation, form) in forms.items():
        answer = admin.post(path, data=form)
        assert answer.status_code == 303, words(answer)
        (run,) = [one for one in queued(web_app) if one.operation == operation]
        assert answer.location == f"/tasks/{run.id}"
        assert run.asked_by == "admin"
        assert "It waits for a worker." in read(admin, answer.location)
    given = {run.operation: run.arguments for run in queued(web_app)}
    assert given["backup"] == {"format": "json", "databases": given["backup"]["databases"]}
    assert sorted(given["backup"]["databases"]) == [0, 3]
    assert sorted(given["restore"].pop("types")) == ["hash", "string"]
    assert given["restore"] == {"name": name, "mode": "overwrite"}


def test_nothing_is_asked_for_a_backup_that_is_not_there(web_app: Web, admin: Browser) -> None:
    name = "redis_backup_20250101_000000.rdb"
    for what in ("verify", "restore", "delete", "put-back"):
        answer = admin.post(f"/backups/{name}/{what}", data={"confirm": name})
        assert answer.status_code == 404
        assert "There is no backup of the name" in words(answer)
    assert queued(web_app) == []


def test_a_second_backup_is_told_to_wait(web_app: Web, admin: Browser) -> None:
    assert admin.post("/backups/create").status_code == 303
    answer = admin.post("/backups/create", data={"format": "json"})
    assert answer.status_code == 409
    assert "A backup is waiting already" in words(answer)
    assert "Make a backup" in words(answer)


@pytest.mark.parametrize(
    ("form", "page"),
    [
        ("/backups/create", "/backups"),
        ("/backups/some.rdb/verify", "/backups/some.rdb"),
        ("/backups/some.rdb/delete", "/backups/some.rdb"),
        ("/backups/some.rdb/put-back", "/backups/some.rdb"),
        ("/backups/some.rdb/accept", "/backups/some.rdb"),
        ("/schedule/prune", "/schedule"),
        ("/system/ask", "/system"),
        ("/tokens", "/system"),
        ("/tokens/unheard-of/revoke", "/system"),
    ],
)
def test_a_form_that_is_reloaded_by_its_address_leads_to_its_page(admin: Browser, form: str, page: str) -> None:
    answer = admin.get(form)
    assert (answer.status_code, answer.location) == (303, page)


def test_a_token_that_cannot_be_made_or_revoked_comes_back_with_what_was_typed(admin: Browser) -> None:
    answer = admin.post("/tokens", data={"name": "Not Good", "scopes": ["backup"]})
    assert answer.status_code == 400
    assert "The name of a token must be up to 64 small letters" in words(answer)
    assert 'value="Not Good"' in answer.text
    assert 'value="backup" checked' in answer.text
    assert 'value="read" checked' not in answer.text
    answer = admin.post("/tokens/unheard-of/revoke")
    assert answer.status_code == 404
    assert "There is no token unheard-of" in words(answer)
    assert "Name of a new token" in words(answer)


def test_a_backup_and_its_restore_from_the_first_click_to_the_report(
    web_app: Web, admin: Browser, web_worker: Background
) -> None:
    web_app.source.client().mset({HOSTILE: "1", "user:1": "ann"})

    def done(answer: TestResponse) -> str:
        assert answer.status_code == 303, words(answer)
        eventually(lambda: "http-equiv" not in admin.get(answer.location).text, answer.location)
        return read(admin, answer.location)

    assert "2 keys in" in done(admin.post("/backups/create"))
    name = catalogue.read(open_storage(str(web_app.storage))).backups[0].name
    assert "Whole, and what its manifest says: 2 keys" in done(admin.post(f"/backups/{name}/verify"))
    web_app.source.client().set("user:1", "changed")
    form = {"mode": "overwrite", "match": "user:*", "confirm": name}
    assert "Restored 1 key" in done(admin.post(f"/backups/{name}/restore", data=form))
    assert web_app.source.client().get("user:1") == b"ann"
    (kept,) = catalogue.read(open_storage(str(web_app.storage))).undos
    for one in (name, kept.name):
        said = done(admin.post(f"/backups/{one}/delete", data={"confirm": one}))
        assert f"{one} is moved to the trash, which is emptied after 7 days." in said
    assert "There is no backup yet" in read(admin, "/backups")
    assert f"{name} is back among the backups." in done(admin.post(f"/backups/{name}/put-back"))
    assert "There is no backup yet" not in read(admin, "/backups")
    said = read(admin, "/system")
    assert "admin restore" in said
    assert "admin delete" in said
