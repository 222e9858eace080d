"""DELETE of a run: who may cancel what, and what is said where it cannot be."""

import pytest
from flask.testing import FlaskClient

from tests.support.dashboard import Browser, Web
from tests.web.api.asked import error, remember, remembered
from worker.broker import audit
from worker.runs.run import Run
from worker.runs.store import open_runs


def cancelled_by(web: Web, one: Run) -> str | None:
    with open_runs(web.settings) as runs:
        return runs.cancelled_by(one.id)


def test_a_run_that_waits_is_cancelled_at_once(web_app: Web, script: FlaskClient) -> None:
    identity = script.post("/api/backup/create").get_json()["result_id"]
    answer = script.delete(f"/api/runs/{identity}")
    assert (answer.status_code, answer.get_json()) == (202, {"result_id": identity})
    assert answer.headers["Location"] == f"/api/result/{identity}"
    told = script.get(f"/api/result/{identity}").get_json()
    assert (told["state"], told["ready"], told["successful"]) == ("CANCELLED", True, False)
    assert told["error"] == "Cancelled by token ci before it began."
    (run,) = remembered(web_app)
    assert script.get("/api/runs?state=CANCELLED").get_json()["runs"][0]["id"] == run.id
    assert script.post("/api/backup/create").status_code == 202, "it is nobody's rival any more"


def test_a_run_at_work_is_asked_to_stop_and_it_is_known_who_did(web_app: Web, script: FlaskClient) -> None:
    one = remember(web_app, "restore", state="STARTED")
    for _ in range(3):
        assert script.delete(f"/api/runs/{one.id}").status_code == 202
    assert script.get(f"/api/result/{one.id}").get_json()["state"] == "STARTED", "it has not looked yet"
    assert cancelled_by(web_app, one) == "token ci"
    deeds = [(deed.who, deed.what, deed.details) for deed in audit.recent(web_app.settings) if deed.what == "cancel"]
    assert deeds == [("token ci", "cancel", {"run": one.id})] * 3


@pytest.mark.parametrize("state", ["SUCCESS", "FAILURE", "INTERRUPTED", "CANCELLED"])
def test_what_has_ended_is_a_conflict(state: str, web_app: Web, script: FlaskClient) -> None:
    remember(web_app, state=state)
    answer = script.delete("/api/runs/some-run")
    assert answer.status_code == 409
    assert error(answer) == f"The run has ended already ({state}): there is nothing to cancel."


def test_what_was_never_asked_for_is_not_found(web_app: Web, script: FlaskClient) -> None:
    for _ in range(2):
        answer = script.delete("/api/runs/never")
        assert answer.status_code == 404
        assert error(answer).startswith("There is no run of that id")
    assert not web_app.broker.client().keys("*cancel*")


@pytest.mark.parametrize(
    ("operation", "asked_by", "scopes", "lacking"),
    [
        ("preview", "token ci", ("read",), None),
        ("preview", "admin", ("read",), "restore"),
        ("preview", "token other", ("read", "backup"), "restore"),
        ("backup", "token ci", ("read", "backup"), None),
        ("backup", "token ci", ("read",), "backup"),
        ("restore", "token ci", ("read", "backup"), "restore"),
        ("restore", "beat daily", ("read", "restore"), None),
        ("of another version", "token ci", ("read",), "restore"),
    ],
)
def test_a_token_cancels_its_own_and_with_restore_everybodys(
    operation: str, asked_by: str, scopes: tuple[str, ...], lacking: str | None, web_app: Web
) -> None:
    one = remember(web_app, operation, asked_by=asked_by, state="STARTED")
    answer = web_app.with_token(*scopes, name="ci").delete(f"/api/runs/{one.id}")
    if lacking is None:
        assert answer.status_code == 202
        assert cancelled_by(web_app, one) == "token ci"
    else:
        assert answer.status_code == 403
        assert error(answer) == f"This token lacks the scope {lacking}, which cancelling this run takes."
        assert cancelled_by(web_app, one) is None


def test_a_cancelled_run_counts_for_no_failure(web_app: Web, script: FlaskClient) -> None:
    remember(web_app, id="good", state="SUCCESS", value={"name": "a"})
    remember(web_app, id="cancelled", state="CANCELLED", error="Cancelled by admin.")
    told = script.get("/metrics").text
    assert 'redis_backup_last_run_succeeded{operation="backup"} 1.0' in told
    assert 'redis_backup_runs{operation="backup",state="CANCELLED"} 1.0' in told


def test_a_session_needs_its_csrf_token_to_cancel(web_app: Web, admin: Browser) -> None:
    one = remember(web_app, state="STARTED")
    assert admin.delete(f"/api/runs/{one.id}", csrf=False).status_code == 400
    assert cancelled_by(web_app, one) is None
    assert admin.delete(f"/api/runs/{one.id}").status_code == 202
