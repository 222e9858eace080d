"""Each call of the API: what it does, what it answers, and what it says when it does not."""

import hashlib
import json
import signal
import sys
import time
from base64 import b64decode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Timer
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.backups import manifest_of
from tests.support.dashboard import Browser, Web
from tests.support.processes import CANARY, Background, eventually
from worker.repository import catalogue
from worker.runs.run import Run, new
from worker.runs.store import open_runs
from worker.storage import open_storage

Scripts = Callable[..., FlaskClient]

NAME = "redis_backup_20231205_143022.rdb.zst"
OLDER = "redis_backup_20231204_143022.rdb.zst"
CONTENT = b"not really a backup"
SECONDS_WITHOUT_A_BROKER = 8


def keep(web: Web, name: str = NAME, content: bytes = CONTENT) -> None:
    """A backup in the catalogue."""
    storage = open_storage(str(web.storage))
    storage.put(name, content)
    catalogue.add(storage, manifest_of(name, content))


def remember(web: Web, operation: str = "backup", **told: Any) -> Run:
    """A run that somebody asked for."""
    identity = told.pop("id", "some-run")
    run = new(identity, operation, {}, "admin").model_copy(update=told)
    with open_runs(web.settings) as runs:
        runs.put(run)
    return run


def remembered(web: Web) -> list[Run]:
    with open_runs(web.settings) as runs:
        return list(runs.each())


def queued(web: Web) -> list[tuple[str, dict[str, Any]]]:
    """The tasks that wait, with what they were told: those of the queue for long ones first, of each the newest first."""
    texts: Any = [text for queue in ("jobs", "quick") for text in web.broker.client().lrange(queue, 0, -1)]
    messages = [json.loads(text) for text in texts]
    return [(one["headers"]["task"], json.loads(b64decode(one["body"]))[1]) for one in messages]


def error(answer: TestResponse) -> str:
    """The sentence of an error, which has nothing beside it."""
    told = answer.get_json()
    assert set(told) == {"error"}
    said: str = told["error"]
    assert said.endswith((".", "?"))
    assert CANARY not in answer.text
    return said


@pytest.fixture
def script(token_client: Scripts) -> FlaskClient:
    """A script that may do everything."""
    return token_client("read", "backup", "restore", name="ci")


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
    answer = web_app.with_token("restore").post("/api/backup/prune", json={"keep": keep})
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
        ("POST", "/api/backup/preview", "read"),
        ("POST", "/api/backup/restore", "restore"),
        ("POST", "/api/backup/prune", "restore"),
        ("DELETE", f"/api/backup/delete/{NAME}", "restore"),
        ("POST", "/api/ping", "read"),
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
    others = [one for one in ("read", "backup", "restore") if one != scope]
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


def test_the_outcome_of_a_run_is_told_as_it_comes(web_app: Web, script: FlaskClient) -> None:
    def told(**run: Any) -> Any:
        with open_runs(web_app.settings) as runs:
            runs.forget("some-run")  # how one has ended is not said twice
        remember(web_app, **run)
        answer = script.get("/api/result/some-run")
        assert answer.status_code == 200
        return answer.get_json()

    first = {"attempt": 1, "attempts": 1, "due_at": None, "risk": None}
    nothing = {"ready": False, "successful": False, "progress": None, "value": None, "error": None, **first}
    progress = {"phase": "reading", "current": 1, "total": 2, "unit": "bytes", "rate": None}
    assert told() == {**nothing, "state": "PENDING"}
    assert told(state="STARTED") == {**nothing, "state": "STARTED"}
    assert told(state="STARTED", progress=progress) == {**nothing, "state": "PROGRESS", "progress": progress}
    due = datetime(2030, 11, 3, tzinfo=UTC)
    again = {"state": "RETRY", "error": "Not yet.", "attempt": 2, "attempts": 3, "due_at": "2030-11-03T00:00:00Z"}
    assert told(state="RETRY", error="Not yet.", attempt=1, attempts=3, due_at=due) == nothing | again
    begun = told(state="STARTED", error="Not yet.", attempt=1, attempts=3)
    assert begun == nothing | again | {"state": "STARTED", "due_at": None}, "why the attempt before failed"
    ended = {**nothing, "ready": True}
    assert told(state="FAILURE", progress=progress, error="No.") == {**ended, "state": "FAILURE", "error": "No."}
    assert told(state="INTERRUPTED", error="Killed.") == {**ended, "state": "INTERRUPTED", "error": "Killed."}
    good = {**ended, "successful": True, "state": "SUCCESS", "value": {"keys": 3}}
    assert told(state="SUCCESS", value={"keys": 3}) == good


def test_runs_are_listed_newest_first_by_page_operation_and_state(web_app: Web, script: FlaskClient) -> None:
    for number in range(5):
        at = datetime.now(UTC) + timedelta(seconds=number)
        state = "FAILURE" if number % 2 else "SUCCESS"
        kind = "verify" if number == 4 else "backup"
        remember(web_app, kind, id=f"run-{number}", queued_at=at, state=state, log=[{"event": "x"}])

    def ids(**query: Any) -> tuple[list[str], bool]:
        answer = script.get("/api/runs", query_string=query)
        assert answer.status_code == 200
        assert all(run["log"] == [] for run in answer.get_json()["runs"])
        return [run["id"] for run in answer.get_json()["runs"]], answer.get_json()["more"]

    assert ids() == (["run-4", "run-3", "run-2", "run-1", "run-0"], False)
    assert ids(per_page=2) == (["run-4", "run-3"], True)
    assert ids(per_page=2, page=3) == (["run-0"], False)
    assert ids(operation="backup", per_page=4) == (["run-3", "run-2", "run-1", "run-0"], False)
    assert ids(state="FAILURE") == (["run-3", "run-1"], False)
    assert ids(operation="verify", state="FAILURE") == ([], False)
    assert script.get("/api/runs/run-4").get_json()["log"] == [{"event": "x"}]


def test_backups_are_listed_newest_first_by_page_with_what_is_wrong(web_app: Web, script: FlaskClient) -> None:
    assert script.get("/api/backup/list").get_json()["backups"] == []
    keep(web_app, OLDER)
    keep(web_app, NAME)
    (web_app.storage / "redis_backup_20230101_000000.rdb").write_bytes(b"of nobody")
    listed = script.get("/api/backup/list").get_json()
    assert [one["name"] for one in listed["backups"]] == [NAME, OLDER]
    assert (listed["page"], listed["per_page"], listed["total"]) == (1, 50, 2)
    (problem,) = listed["problems"]
    assert problem.startswith("redis_backup_20230101_000000.rdb has no manifest")
    second = script.get("/api/backup/list?per_page=1&page=2").get_json()
    assert ([one["name"] for one in second["backups"]], second["total"]) == ([OLDER], 2)
    assert script.get("/api/backup/list?page=3").get_json()["backups"] == []


@pytest.mark.parametrize("query", ["page=0", "page=x", "page=", "per_page=201", "per_page=-1", "perpage=3"])
def test_a_wrong_page_is_refused(web_app: Web, script: FlaskClient, query: str) -> None:
    for call in ("/api/backup/list", "/api/runs"):
        answer = script.get(f"{call}?{query}")
        assert answer.status_code == 400
        assert error(answer).startswith(f"Wrong argument: {query.partition('=')[0]}: ")


def test_a_backup_is_described_by_its_manifest(web_app: Web, script: FlaskClient) -> None:
    keep(web_app)
    told = script.get(f"/api/backup/manifest/{NAME}").get_json()
    assert told["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert script.get("/api/backup/manifest/latest").get_json() == told
    assert script.get("/api/backup/list").get_json()["backups"] == [told]


def test_a_backup_with_a_damaged_manifest_can_be_deleted_and_not_be_had(web_app: Web, script: FlaskClient) -> None:
    keep(web_app)
    (web_app.storage / f"{NAME}.manifest.json").write_bytes(b"{")
    for call in ("manifest", "download"):
        answer = script.get(f"/api/backup/{call}/{NAME}")
        assert answer.status_code == 409
        assert error(answer).startswith(f"The manifest of {NAME} is damaged")
    assert script.delete(f"/api/backup/delete/{NAME}").status_code == 202


def test_a_method_that_a_call_does_not_know_is_told(web_app: Web, script: FlaskClient) -> None:
    answer = script.get("/api/backup/create")
    assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (405, {"OPTIONS", "POST"})
    assert error(answer)


def test_numbers_that_take_long_are_told_later_and_asked_for_once(
    web_app: Web, script: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["web.api.routes"], "STATS_SECONDS", 0.2)
    first, second = script.get("/api/backup/stats"), script.get("/api/backup/stats")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.get_json() == second.get_json()
    assert first.headers["Location"] == f"/api/result/{first.get_json()['result_id']}"
    assert queued(web_app) == [("worker.tasks.stats", {})]


@pytest.mark.parametrize(
    ("ended", "status", "told"),
    [
        ({"state": "SUCCESS", "value": {"count": 3}}, 200, {"count": 3}),
        ({"state": "FAILURE", "error": "The storage is gone."}, 500, {"error": "The storage is gone."}),
    ],
)
def test_numbers_that_come_in_time_are_told_at_once(
    web_app: Web, script: FlaskClient, ended: Any, status: int, told: Any
) -> None:
    remember(web_app, "stats", state="STARTED")
    with_delay = Timer(0.3, remember, (web_app, "stats"), ended)
    with_delay.start()
    answer = script.get("/api/backup/stats")
    with_delay.join()
    assert (answer.status_code, answer.get_json()) == (status, told)


def test_numbers_are_waited_for_by_a_few_only(web_app: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["web.api.routes"], "STATS_SECONDS", 1.5)
    scripts = [web_app.with_token("read") for _ in range(4)]

    def ask(script: FlaskClient) -> tuple[int, float]:
        began = time.monotonic()
        return script.get("/api/backup/stats").status_code, time.monotonic() - began

    with ThreadPoolExecutor(len(scripts)) as pool:
        answers = list(pool.map(ask, scripts))
    assert {status for status, _ in answers} == {202}
    assert sum(seconds > 1.5 for _, seconds in answers) == 2
    with ThreadPoolExecutor(2) as pool:
        assert all(seconds > 1.5 for _, seconds in pool.map(ask, scripts[:2])), "who has waited waits no longer"


def test_somebody_who_has_logged_in_may_use_it_too(web_app: Web, admin: Browser) -> None:
    assert admin.post("/api/backup/create", json={}).status_code == 202
    assert remembered(web_app)[0].asked_by == "admin"
    assert error(admin.post("/api/backup/create", csrf=False, json={})).startswith("The form has expired")


@pytest.mark.parametrize("fault", ["dead", "frozen", "full"])
def test_without_a_broker_nothing_is_asked_for_and_that_is_told_in_time(
    web_app: Web, script: FlaskClient, fault: str
) -> None:
    keep(web_app)
    assert script.get("/api/runs").status_code == 200
    broker = web_app.broker
    if fault == "dead":
        broker.kill()
    elif fault == "frozen":
        broker.process.send_signal(signal.SIGSTOP)
    else:
        broker.client().config_set("maxmemory", 1)
    try:
        began = time.monotonic()
        refused = script.post("/api/backup/create", json={})
        assert time.monotonic() - began < SECONDS_WITHOUT_A_BROKER
        assert refused.status_code == 503
        assert error(refused).startswith("The broker does not")
        if fault == "dead":
            assert script.get("/api/result/some-run").status_code == 503
            assert script.get("/api/runs").status_code == 503
            assert script.get("/api/backup/list").get_json()["total"] == 1, "what lies in storage needs no broker"
            assert script.get(f"/api/backup/download/{NAME}", buffered=True).data == CONTENT
    finally:
        broker.process.send_signal(signal.SIGCONT)
        broker.start() if fault == "dead" else broker.client().config_set("maxmemory", 0)
    assert remembered(web_app) == []
    assert queued(web_app) == []


def test_a_broker_that_freezes_between_two_words_is_given_up_in_time_too(
    web_app: Web, script: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert script.post("/api/ping").status_code == 202, "from now on a connection is open"

    def freeze() -> str:
        web_app.broker.process.send_signal(signal.SIGSTOP)
        return "too-late"

    # The moment that no test can meet by chance: free when it was asked what is under way, frozen when it is sent to.
    monkeypatch.setattr("web.jobs.uuid", freeze)
    try:
        began = time.monotonic()
        refused = script.post("/api/backup/create", json={})
        assert time.monotonic() - began < SECONDS_WITHOUT_A_BROKER
        assert refused.status_code == 503
    finally:
        web_app.broker.process.send_signal(signal.SIGCONT)


def test_from_the_first_backup_to_its_end_by_script(web_app: Web, script: FlaskClient, web_worker: Background) -> None:
    def done(answer: TestResponse) -> Any:
        assert answer.status_code == 202, answer.text

        def ended() -> Any:
            told = script.get(answer.headers["Location"]).get_json()
            return told if told["ready"] else None

        told = eventually(ended, "the end of the run")
        assert told["successful"], told
        return told["value"]

    source: Any = web_app.source.client()
    source.mset({f"key:{number}": number for number in range(500)})
    assert done(script.post("/api/ping"))["may_backup"]

    made = done(script.post("/api/backup/create"))
    name = made["name"]
    eventually(lambda: not any(run.operation == "prune" and not run.ended for run in remembered(web_app)), "prune")
    assert [one["name"] for one in script.get("/api/backup/list").get_json()["backups"]] == [name]
    assert script.get("/api/backup/stats").get_json()["count"] == 1

    file = script.get(f"/api/backup/download/{name}", buffered=True)
    assert hashlib.sha256(file.data).hexdigest() == made["sha256"]
    assert done(script.post("/api/backup/verify", json={"name": name}))["keys"] == 500

    source.set("key:1", "changed")
    source.delete("key:2")
    report = done(script.post("/api/backup/restore", json={"name": name, "mode": "overwrite"}))
    assert report["failed"] == 0
    assert (source.get("key:1"), source.get("key:2")) == (b"1", b"2")

    assert done(script.post("/api/backup/prune", json={"dry_run": True}))["deleted"] == []
    for one in (report["undo"]["name"], name):
        assert done(script.delete(f"/api/backup/delete/{one}")) == {"deleted": one}
    assert script.get("/api/backup/list").get_json()["backups"] == []
    assert script.get(f"/api/backup/download/{name}").status_code == 404

    assert {run.asked_by for run in remembered(web_app) if run.operation in ("restore", "delete")} == {"token ci"}
    assert CANARY not in "".join(run.model_dump_json() for run in remembered(web_app))
