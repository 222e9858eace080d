"""What came of a restore, on its page, and the undo that it leads to."""

import re
from typing import Any

from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from tests.support.dashboard import HOSTILE, Browser, Web
from tests.support.processes import Background, eventually
from tests.support.states import assert_same, state
from tests.web.pages.given import ended, queued
from tests.web.pages.reading import look_at, read, words
from worker import logs
from worker.arguments.restore import RestoreArguments
from worker.progress import silent
from worker.repository import catalogue
from worker.restore.restore import restore
from worker.storage import open_storage


def test_the_report_of_a_restore_says_what_differs_and_stayed(web_app: Web, admin: Browser, previewed: Any) -> None:
    name, _ = previewed()
    report = restore(web_app.settings, RestoreArguments(name=name, match=("*s*",)), silent)
    answer = look_at(web_app, admin, "restore", report, name=name, match=["*s*"])
    said = words(answer)
    assert f"{report['skipped']} skipped ({report['differing']} of them differ and stay as they are)" in said
    assert "keys differ from the backup, and stayed as they are. Replace those too" in said
    assert "<img src=x" not in answer.text


def test_a_restore_that_can_be_undone_leads_there_and_undos_are_listed_apart(
    web_app: Web, admin: Browser, previewed: Any
) -> None:
    name, _ = previewed(mode="overwrite")
    with logs.run("one", "restore"):
        report = restore(web_app.settings, RestoreArguments(name=name, mode="overwrite"), silent)
    (kept,) = catalogue.read(open_storage(str(web_app.storage))).undos
    answer = look_at(web_app, admin, "restore", report, name=name, mode="overwrite")
    assert 'href="/tasks/one/undo"' in answer.text
    listed = read(admin, "/backups")
    assert "1 backup, " in listed
    assert "Kept to undo a restore What restores were about to touch, as it was before; kept for 7 days" in listed
    assert kept.name in listed.partition("Kept to undo")[2]
    said = read(admin, f"/tasks/{kept.undoes}/undo")
    assert f"Then it puts up to {kept.keys} keys back as they were before the restore" in said
    assert "Keys that others have changed since are left alone" in said
    boxes = [admin.get(f"/tasks/{kept.undoes}/undo{more}").text.count("checked") for more in ("", "?force=on")]
    assert boxes == [0, 1]
    answer = admin.post(f"/tasks/{kept.undoes}/undo", data={"force": "on"})
    assert answer.status_code == 303, words(answer)
    (run,) = queued(web_app)
    assert (run.operation, run.arguments) == ("undo", {"run": kept.undoes, "force": True})


def test_a_restore_that_kept_nothing_cannot_be_undone(web_app: Web, admin: Browser) -> None:
    answer = look_at(web_app, admin, "restore", {"restored": 1, "skipped": 0, "expired": 0, "failed": 0}, name="n")
    assert "Undo this restore" not in words(answer)
    assert "There is nothing that could undo it" in read(admin, "/tasks/one/undo", 404)


def test_the_report_of_an_undo_names_what_was_left_alone(web_app: Web, admin: Browser) -> None:
    value = {"run": "r", "put_back": 3, "deleted": 2, "left_alone": 1, "changed": [{"db": 3, "key": HOSTILE}], "warnings": [HOSTILE]}  # fmt: skip
    answer = look_at(web_app, admin, "undo", value, run="r")
    assert 'href="/tasks/r/undo?force=on"' in answer.text
    said = words(answer)
    assert "3 put back, 2 deleted, 1 left alone, for others have changed them since." in said
    assert "Put back 3 keys Deleted 2 keys Left alone 1 key" in said
    assert f"{HOSTILE} 3" in said


def test_a_run_tells_which_databases_it_moved_keys_between(web_app: Web, admin: Browser) -> None:
    told = {"name": "n", "map_databases": {"0": 5, "1": 6}}
    ended(web_app, "SUCCESS", operation="restore", arguments=told, value={})
    assert "map_databases 0:5 1:6" in read(admin, "/tasks/one")


def test_from_the_preview_to_the_restore_and_back_again(
    web_app: Web, admin: Browser, web_worker: Background, previewed: Any
) -> None:
    name, _ = previewed(mode="overwrite")
    client: Any = web_app.source.client()
    before = state(web_app.source)

    def done(answer: TestResponse) -> TestResponse:
        assert answer.status_code == 303, words(answer)
        eventually(lambda: "http-equiv" not in admin.get(answer.location).text, answer.location)
        return admin.get(answer.location)

    shown = done(admin.post(f"/backups/{name}/preview", data={"mode": "overwrite"}))
    form = MultiDict(re.findall(r'<input type="hidden" name="(mode|preview)" value="([^"]*)"', shown.text))
    form.setlist("kinds", ["new", "differs"])
    form["confirm"] = name
    client.set("same", "changed as well")
    refused = done(admin.post(f"/backups/{name}/restore", data=form))
    assert "since the preview" in words(refused)
    assert "Preview again Restore all the same" in words(refused)
    anyway = MultiDict(
        re.findall(r'<input type="hidden" name="(mode|preview|kinds|force)" value="([^"]*)"', refused.text)
    )
    review = admin.post(f"/backups/{name}/review", data=anyway).text
    assert 'name="force" value="on" checked' in review
    assert f'name="preview" value="{form["preview"]}"' in review
    client.set("same", "same")
    restored = done(admin.post(f"/backups/{name}/restore", data=form))
    assert "Restored 4 keys" in words(restored)
    assert client.get("user:1") == b"Ann"
    (path,) = set(re.findall(r'href="(/tasks/[\w-]+/undo)"', restored.text))
    assert "keys back as they were before the restore" in read(admin, path)
    undone = words(done(admin.post(path, data={})))
    assert "2 put back, 2 deleted" in undone
    assert_same(web_app.source, before)
