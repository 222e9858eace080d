"""Whoever stole a token tries to destroy every backup with it: at the API, with a worker that does what it is asked."""

from datetime import UTC, datetime, timedelta
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.backups import dated
from tests.support.dashboard import Browser, Web
from tests.support.processes import Background, eventually
from tests.web.pages.reading import read
from worker.repository import catalogue
from worker.storage import open_storage


def found(web: Web) -> catalogue.Catalogue:
    return catalogue.read(open_storage(str(web.storage)))


def ended(client: FlaskClient, answer: TestResponse) -> dict[str, Any]:
    """How the run that was asked for ended."""
    assert answer.status_code == 202, answer.text

    def told() -> Any:
        outcome = client.get(answer.headers["Location"]).get_json()
        return outcome if outcome["ready"] else None

    return dict(eventually(told, "the end of the run"))


def test_a_token_that_may_delete_leaves_the_last_good_backup_and_the_rest_in_the_trash(
    web_app: Web, admin: Browser, web_worker: Background
) -> None:
    names = [dated(web_app.settings, hours) for hours in (1, 2, 3, 4)]
    thief = web_app.with_token("read", "backup", "delete", name="stolen")
    assert ended(thief, thief.post("/api/backup/prune", json={"keep": 1, "keep_manual": 1}))["successful"]
    assert [one.name for one in found(web_app).listed] == names[:1]
    for name in names:
        answer = thief.delete(f"/api/backup/delete/{name}")
        assert answer.status_code == 409
        said = "no token may delete that" if name == names[0] else "lies in the trash"
        assert said in answer.get_json()["error"]
    assert thief.post("/backups/" + names[0] + "/delete", data={"confirm": names[0]}).status_code == 409
    assert thief.post(f"/api/backups/{names[1]}/put-back").status_code == 403
    assert thief.post("/api/backup/prune", json={}).status_code == 202
    for name in names[1:]:
        assert ended(admin, admin.post(f"/api/backups/{name}/put-back"))["successful"]
    assert [one.name for one in found(web_app).listed] == names
    assert {one.name: one.deleted_by for one in found(web_app).trash} == {}


def test_a_task_that_is_asked_for_by_a_token_is_refused_by_the_worker_too(web_app: Web, web_worker: Background) -> None:
    """Two are asked for before either is done: when they were, neither was the last."""
    names = [dated(web_app.settings, hours) for hours in (1, 2)]
    thief = web_app.with_token("read", "delete", name="stolen")
    answers = [thief.delete(f"/api/backup/delete/{name}") for name in names]
    asked = [answer for answer in answers if answer.status_code == 202]
    outcomes = [ended(thief, answer) for answer in asked]
    assert sum(one["successful"] for one in outcomes) == 1
    assert len(found(web_app).listed) == 1
    assert [one.deleted_by for one in found(web_app).trash] == ["token stolen"]


def test_the_admin_sees_what_is_in_the_trash_and_by_whom_and_puts_it_back(
    web_app: Web, admin: Browser, web_worker: Background
) -> None:
    name = dated(web_app.settings, 1)
    dated(web_app.settings, 2)
    thief = web_app.with_token("read", "delete", name="stolen")
    assert ended(thief, thief.delete(f"/api/backup/delete/{name}"))["successful"]
    catalogue.note(open_storage(str(web_app.storage)), name, deleted_at=datetime.now(UTC) - timedelta(days=2, hours=1))
    page = read(admin, "/backups")
    assert "Trash What was deleted" in page
    assert f"{name}" in page.partition("Trash What was deleted")[2]
    assert "2 days ago by token stolen in 4 days" in page
    said = read(admin, f"/backups/{name}")
    assert "by token stolen" in said
    assert "Put back" in said
    assert "in the trash lies 1 backup" in read(admin, "/schedule").lower()
    for path in (f"/backups/{name}/restore", f"/backups/{name}/verify", f"/backups/{name}/delete"):
        answer = admin.post(path, data={"confirm": name})
        assert answer.status_code == 409, path
        assert "lies in the trash: put it back first" in answer.text
    answer = admin.post(f"/backups/{name}/put-back")
    assert answer.status_code == 303
    eventually(lambda: found(web_app).trash == [], "the backup to be back")
    assert name in {one.name for one in found(web_app).listed}
