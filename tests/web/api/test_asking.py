"""What the API is asked to do: each call, what it needs, and why it is refused."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.dashboard import Web
from tests.web.api.asked import NAME, OLDER, Scripts, error, keep, queued, remember, remembered


def test_a_backup_is_asked_for_with_202_and_the_address_of_its_outcome(web_app: Web, script: FlaskClient) -> None:
    answer = script.post("/api/backup/create", json={"format": "json", "databases": [3]})
    assert answer.status_code == 202
    identity = answer.get_json()["result_id"]
    assert answer.get_json() == {"result_id": identity}
    assert answer.headers["Location"] == f"/api/result/{identity}"
    assert queued(web_app) == [("worker.tasks.backup", {"format": "json", "databases": [3]})]
    (run,) = remembered(web_app)
    assert (run.id, run.operation, run.asked_by, run.state) == (identity, "backup", "token ci", "PENDING")
    assert run.arguments == {"format": "json", "databases": [3]}, "only what was said: the rest is for the settings"


@pytest.mark.parametrize(
    ("call", "task"),
    [
        ("/api/backup/create", "backup"),
        ("/api/backup/prune", "prune"),
        ("/api/ping", "ping"),
        ("/api/storage", "storage"),
    ],
)
@pytest.mark.parametrize("sent", [{}, {"json": {}}, {"content_type": "application/json"}])
def test_where_nothing_need_be_said_an_empty_body_will_do(
    web_app: Web, script: FlaskClient, call: str, task: str, sent: Any
) -> None:
    assert script.post(call, **sent).status_code == 202
    assert queued(web_app) == [(f"worker.tasks.{task}", {})]


def test_what_needs_a_name_is_asked_for_with_one(web_app: Web, script: FlaskClient) -> None:
    keep(web_app)
    keep(web_app, OLDER)
    assert script.post("/api/backup/verify", json={"name": NAME}).status_code == 202
    restored = {"name": NAME, "mode": "overwrite", "match": ["user:*"], "types": ["hash"]}
    assert script.post("/api/backup/restore", json=restored).status_code == 202
    assert script.delete(f"/api/backup/delete/{NAME}").status_code == 202
    assert queued(web_app) == [
        ("worker.tasks.restore", restored),
        ("worker.tasks.verify", {"name": NAME}),
        ("worker.tasks.delete", {"name": NAME}),
    ]


def test_a_preview_takes_what_a_restore_takes(web_app: Web, script: FlaskClient) -> None:
    keep(web_app)
    body = {"name": "latest", "mode": "overwrite", "kinds": ["new"], "prefix": "restored:"}
    assert script.post("/api/backup/preview", json=body).status_code == 202
    assert queued(web_app) == [("worker.tasks.preview", body)]
    unknown = script.post("/api/backup/preview", json={**body, "kinds": ["identical"]})
    assert unknown.status_code == 400


def test_the_latest_may_be_restored_beside_what_is_there(web_app: Web, script: FlaskClient) -> None:
    keep(web_app)
    assert script.post("/api/backup/restore", json={"name": "latest"}).status_code == 202


def test_what_loses_data_needs_the_name_in_full(web_app: Web, script: FlaskClient) -> None:
    keep(web_app)
    overwritten = script.post("/api/backup/restore", json={"name": "latest", "mode": "overwrite"})
    deleted = script.delete("/api/backup/delete/latest")
    assert (overwritten.status_code, deleted.status_code) == (400, 400)
    assert error(overwritten).startswith("Name the backup in full to overwrite with it")
    assert error(deleted).startswith("Name the backup in full to delete it")
    assert queued(web_app) == []


@pytest.mark.parametrize(
    ("method", "call", "body"),
    [
        ("POST", "/api/backup/restore", {"name": NAME}),
        ("POST", "/api/backup/restore", {"name": "latest"}),
        ("POST", "/api/backup/verify", {"name": NAME}),
        ("POST", "/api/backup/preview", {"name": NAME}),
        ("DELETE", f"/api/backup/delete/{NAME}", None),
        ("GET", f"/api/backup/manifest/{NAME}", None),
        ("GET", f"/api/backup/download/{NAME}", None),
        ("GET", "/api/backup/download/..%2F..%2Fetc%2Fpasswd", None),
        ("GET", "/api/backup/download/.hidden", None),
        ("GET", "/api/result/never-issued", None),
        ("GET", "/api/runs/never-issued", None),
        ("GET", "/api/nothing", None),
    ],
)
def test_what_is_not_there_is_told_at_once(
    web_app: Web, script: FlaskClient, method: str, call: str, body: Any
) -> None:
    answer = script.open(call, method=method, json=body) if body else script.open(call, method=method)
    assert answer.status_code == 404
    assert error(answer)
    assert queued(web_app) == []
    assert remembered(web_app) == []


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        ({"data": "{", "content_type": "application/json"}, 400, "The body is not JSON"),
        ({"data": b"\xff", "content_type": "application/json"}, 400, "The body is not JSON"),
        ({"data": "{}}"}, 400, "The body is not JSON"),
        ({"json": []}, 400, "The body must be a JSON object."),
        ({"json": '{"format": "rdb"}'}, 400, "The body must be a JSON object."),
        ({"data": "[" * 60_000, "content_type": "application/json"}, 400, "The body is nested too deep."),
        ({"json": {"format": "xml"}}, 400, "Wrong argument: format: must be 'rdb' or 'json'."),
        ({"json": {"databases": [-1]}}, 400, "Wrong argument: databases"),
        ({"json": {"databases": [False]}}, 400, "Wrong argument: databases: must be a list of numbers"),
        ({"json": {"<b>": 1}}, 400, "Wrong argument: <b>: is not known here."),
        ({"data": "format=json", "content_type": "application/x-www-form-urlencoded"}, 415, "Send the body as JSON"),
        ({"data": b"x" * 2_000_000, "content_type": "application/json"}, 413, "The request is larger"),
    ],
)
def test_a_wrong_body_is_refused_in_one_sentence(
    web_app: Web, script: FlaskClient, sent: Any, status: int, said: str
) -> None:
    answer = script.post("/api/backup/create", **sent)
    assert answer.status_code == status
    assert error(answer).startswith(said)
    assert queued(web_app) == []


@pytest.mark.parametrize(("keep", "status"), [(3, 202), (3.0, 202), (3.5, 400), ("3", 400), (0, 400), (True, 400)])
def test_a_number_is_whole_however_json_writes_it(web_app: Web, keep: object, status: int) -> None:
    answer = web_app.with_token("delete").post("/api/backup/prune", json={"keep": keep})
    assert answer.status_code == status, answer.get_json()


def test_zero_is_no_way_to_ask_for_a_real_run(web_app: Web, script: FlaskClient) -> None:
    answer = script.post("/api/backup/prune", json={"dry_run": 0})
    assert answer.status_code == 400
    assert error(answer) == "Wrong argument: dry_run: must be true or false."


@pytest.mark.parametrize(
    ("method", "call", "scope"),
    [
        ("POST", "/api/backup/create", "backup"),
        ("POST", "/api/backup/verify", "backup"),
        ("POST", "/api/backup/copy", "backup"),
        ("POST", "/api/backup/preview", "read"),
        ("POST", "/api/backup/restore", "restore"),
        ("POST", "/api/backup/prune", "delete"),
        ("DELETE", f"/api/backup/delete/{NAME}", "delete"),
        ("POST", f"/api/backups/{NAME}/put-back", "restore"),
        ("POST", "/api/ping", "read"),
        ("POST", "/api/storage", "read"),
        ("GET", "/api/backup/list", "read"),
        ("GET", f"/api/backup/manifest/{NAME}", "read"),
        ("GET", f"/api/backup/download/{NAME}", "read"),
        ("GET", "/api/backup/stats", "read"),
        ("GET", "/api/result/some-run", "read"),
        ("GET", "/api/runs", "read"),
        ("GET", "/api/runs/some-run", "read"),
    ],
)
def test_each_call_needs_its_scope_and_says_so(
    web_app: Web, token_client: Scripts, method: str, call: str, scope: str
) -> None:
    keep(web_app)
    others = [one for one in ("read", "backup", "restore", "delete") if one != scope]
    answer = token_client(*others).open(call, method=method)
    assert answer.status_code == 403
    assert f"lacks the scope {scope}" in error(answer)
    assert queued(web_app) == []
    assert web_app.browser().open(call, method=method).status_code == 401


@pytest.mark.parametrize(("operation", "state"), [("backup", "STARTED"), ("restore", "PENDING")])
def test_a_second_one_is_refused_while_the_first_is_under_way(
    web_app: Web, script: FlaskClient, operation: str, state: Any
) -> None:
    keep(web_app)
    remember(web_app, operation, id="the-first", state=state)
    call = {"backup": "create", "restore": "restore"}[operation]
    answer = script.post(f"/api/backup/{call}", json={"name": NAME} if operation == "restore" else {})
    assert answer.status_code == 409
    doing = {"STARTED": "running", "PENDING": "waiting"}[state]
    assert error(answer).startswith(f"A {operation} is {doing} already, run the-first, asked for by admin:")
    assert queued(web_app) == []
    assert script.post("/api/backup/verify", json={"name": NAME}).status_code == 202
