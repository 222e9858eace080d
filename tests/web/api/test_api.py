"""What the API tells of runs, backups and numbers, and the life of a backup by script."""

import hashlib
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Timer
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.dashboard import Browser, Web
from tests.support.processes import CANARY, Background, eventually
from tests.web.api.asked import CONTENT, NAME, OLDER, error, keep, queued, remember, remembered
from web import jobs
from worker.runs.run import Run
from worker.runs.store import open_runs

LINE = {"event": "x", "timestamp": "2030-11-03T00:00:00Z"}


def test_the_outcome_of_a_run_is_told_as_it_comes(web_app: Web, script: FlaskClient) -> None:
    def told(**run: Any) -> Any:
        with open_runs(web_app.settings) as runs:
            runs.forget("some-run")  # how one has ended is not said twice
        remember(web_app, **run)
        answer = script.get("/api/result/some-run")
        assert answer.status_code == 200
        return answer.get_json()

    first = {"attempt": 1, "attempts": 1, "due_at": None, "risk": None, "why_no_values": None}
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
        remember(web_app, kind, id=f"run-{number}", queued_at=at, state=state, log=[LINE])

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
    assert script.get("/api/runs/run-4").get_json()["log"] == [LINE]


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
    web_app: Web, script: FlaskClient, monkeypatch: pytest.MonkeyPatch, ended: Any, status: int, told: Any
) -> None:
    outcome = jobs.outcome

    def ends_meanwhile(identity: str, wait_seconds: float = 0) -> Run:
        Timer(0.3, remember, (web_app, "stats"), ended).start()
        return outcome(identity, max(wait_seconds, 30))

    monkeypatch.setattr(jobs, "outcome", ends_meanwhile)
    remember(web_app, "stats", state="STARTED")
    answer = script.get("/api/backup/stats")
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
    undo = report["undo"]["name"]
    assert done(script.delete(f"/api/backup/delete/{undo}"))["deleted"] == undo
    assert [one["name"] for one in script.get("/api/backup/list").get_json()["trash"]] == [undo]
    assert script.get(f"/api/backup/download/{undo}").status_code == 409
    assert done(script.post(f"/api/backups/{undo}/put-back"))["put_back"] == undo
    assert script.get(f"/api/backup/download/{undo}").status_code == 200

    assert {run.asked_by for run in remembered(web_app) if run.operation in ("restore", "delete")} == {"token ci"}
    assert CANARY not in "".join(run.model_dump_json() for run in remembered(web_app))
