"""A run is cancelled by a button on its page, and shown as cancelled everywhere."""

from datetime import UTC, datetime

import pytest

from tests.support.dashboard import Browser, Web
from tests.web.pages.given import ended, queued, remembered
from tests.web.pages.reading import read, words
from web.activity import Memory
from worker.alerts.judged import last_failure
from worker.runs.store import open_runs

BUTTON = 'action="/tasks/one/cancel"'


def test_a_run_that_waits_is_cancelled_by_its_button(web_app: Web, admin: Browser) -> None:
    remembered(web_app)
    assert BUTTON in admin.get("/tasks/one").text
    answer = admin.post("/tasks/one/cancel")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/tasks/one")
    page = admin.get("/tasks/one")
    assert "Backup Cancelled Cancelled by admin before it began." in words(page)
    assert BUTTON not in page.text
    assert queued(web_app) == []
    assert "Cancelled" in read(admin, "/tasks?state=cancelled")


def test_a_run_at_work_says_that_it_is_about_to_stop_and_has_no_button_any_more(web_app: Web, admin: Browser) -> None:
    remembered(web_app, operation="restore", state="STARTED", started_at=datetime.now(UTC))
    for _ in range(2):
        assert admin.post("/tasks/one/cancel").status_code == 303
    page = admin.get("/tasks/one")
    assert "admin has cancelled it: it ends as soon as nothing is on its way" in words(page)
    assert BUTTON not in page.text
    with open_runs(web_app.settings) as runs:
        assert runs.cancelled_by("one") == "admin"


def test_a_run_that_has_ended_meanwhile_is_shown_as_it_ended(web_app: Web, admin: Browser) -> None:
    ended(web_app, "SUCCESS", value={"keys": 1})
    assert BUTTON not in admin.get("/tasks/one").text
    assert admin.post("/tasks/one/cancel").status_code == 303
    assert "Cancelled" not in read(admin, "/tasks/one")


def test_what_there_is_not_has_no_page_to_go_to(admin: Browser) -> None:
    assert admin.post("/tasks/never/cancel").status_code == 404


def test_nobody_cancels_without_a_login_or_a_csrf_token(web_app: Web, admin: Browser, anonymous: Browser) -> None:
    remembered(web_app)
    assert admin.post("/tasks/one/cancel", csrf=False).status_code == 400
    assert anonymous.post("/tasks/one/cancel").status_code in (303, 400)
    assert len(queued(web_app)) == 1


@pytest.mark.parametrize("state", ["CANCELLED", "SUCCESS"])
def test_a_cancelled_backup_is_no_failure(state: str, web_app: Web) -> None:
    failed = ended(web_app, "FAILURE", id="failed", error="No.")
    later = ended(web_app, state, id="later")
    assert last_failure([later, failed], None) == (failed if state == "CANCELLED" else None)
    assert Memory(backups=[later]).troubled == []
