"""Security, rule 9: headers, sizes, hostile text."""

import re
from typing import Any

import pytest

from tests.support.backups import take
from tests.support.dashboard import HOSTILE, Browser, Web
from tests.web.routes import error_of, routes
from worker.broker import audit
from worker.runs.run import new
from worker.runs.store import open_runs


def test_every_answer_has_the_headers(web_app: Web, admin: Browser, anonymous: Browser) -> None:
    for _, method, url in routes(web_app.app):
        for person in (admin, anonymous):
            headers = person.open(url, method=method).headers
            policy = headers["Content-Security-Policy"]
            for part in ("default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"):
                assert part in policy, url
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "same-origin"
            assert headers["Cache-Control"] == "no-store", url
            assert "Strict-Transport-Security" not in headers


def test_only_what_is_the_same_for_everybody_may_be_kept_by_a_browser(anonymous: Browser) -> None:
    sheet = anonymous.get("/bootstrap/static/css/bootstrap.min.css")
    assert sheet.status_code == 200
    assert "no-store" not in sheet.headers["Cache-Control"]
    assert "Set-Cookie" not in sheet.headers
    assert sheet.headers["X-Content-Type-Options"] == "nosniff"


def test_pages_hold_no_inline_script_no_inline_style_and_nothing_of_another_host(web_app: Web, admin: Browser) -> None:
    take(web_app.source, web_app.storage)
    name = next(web_app.storage.glob("*.zst")).name
    for path in ("/", "/backups", f"/backups/{name}", "/restores", "/tasks", "/schedule", "/system", "/login"):
        page = admin.get(path).text
        assert not re.search(r"<script(?![^>]*\ssrc=)", page), path
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page), path
        assert not re.search(r"""(src|href|action)=["']?(https?:)?//""", page), path


def test_hostile_text_of_a_run_is_shown_as_text(web_app: Web, admin: Browser) -> None:
    report = {
        "name": HOSTILE, "restored": 0, "skipped": 0, "expired": 0, "failed": 1, "warnings": [HOSTILE], "seconds": 1.0,
        "failures": [{"db": 0, "type": "string", "key": HOSTILE, "error": HOSTILE}], "source": HOSTILE, "target": HOSTILE,
    }  # fmt: skip
    for operation in ("restore", "backup", "verify", "delete", "prune", "ping", "stats"):
        one = new(f"id-{operation}", operation, {"name": HOSTILE, "match": HOSTILE}, HOSTILE)
        more = {"state": "FAILURE", "started_at": one.queued_at, "ended_at": one.queued_at, "worker": HOSTILE}
        lines = [{"timestamp": one.queued_at.isoformat(), "event": HOSTILE, "key": HOSTILE, "level": HOSTILE}]
        with open_runs(web_app.settings) as runs:
            value = report if operation == "restore" else None
            runs.put(one.model_copy(update={**more, "value": value, "error": HOSTILE, "log": lines}))
    audit.record(web_app.settings, HOSTILE, HOSTILE, HOSTILE, name=HOSTILE)
    paths = ["/", "/backups", "/restores", "/tasks", "/schedule", "/system", f"/tasks?kind={HOSTILE}&state={HOSTILE}"]
    shown = ""
    for path in [*paths, *(f"/tasks/id-{operation}" for operation in ("restore", "backup", "verify", "prune"))]:
        page = admin.get(path)
        assert page.status_code == 200, path
        assert "<img src=x" not in page.text, path
        shown += page.text
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown


@pytest.mark.parametrize("size", [1 << 20, 2_000_000])
@pytest.mark.parametrize("path", ["/api/backup/create", "/login", "/tokens"])
def test_a_body_that_is_too_large_is_refused(web_app: Web, admin: Browser, path: str, size: int) -> None:
    large = "x" * size
    sent: dict[str, Any] = {"json": {"format": large}} if path.startswith("/api") else {"data": {"password": large}}
    answer = admin.post(path, csrf=True, **sent)
    assert answer.status_code == 413
    assert "send less" in answer.text


def test_errors_have_one_shape_for_programs_and_another_for_people(admin: Browser) -> None:
    def told(method: str, path: str, status: int, **sent: Any) -> str:
        answer = admin.open(path, method=method, **sent)
        assert answer.status_code == status, (method, path)
        if path.startswith("/api"):
            return error_of(answer)
        assert answer.mimetype == "text/html"
        return answer.text

    assert "look at the address" in told("GET", "/api/nothing", 404)
    assert "look at the address" in told("GET", "/nothing", 404)
    assert "look at the method" in told("GET", "/api/backup/create", 405)
    assert "look at the method" in told("PUT", "/backups", 405)
    assert "application/json" in told("POST", "/api/backup/create", 415, data="a=1", content_type="text/plain")
    assert "not JSON" in told("POST", "/api/backup/create", 400, data="{", content_type="application/json")
    assert "format" in told("POST", "/api/backup/create", 400, json={"format": "nonsense"})
    assert HOSTILE not in told("POST", "/api/backup/create", 400, json={HOSTILE: HOSTILE, "format": HOSTILE})
    assert set(admin.put("/backups").headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_head_and_options_answer_as_they_should(admin: Browser) -> None:
    for path in ("/", "/backups", "/api/backup/list", "/login", "/healthz"):
        head = admin.head(path)
        assert (head.status_code, head.data) == (200, b""), path
        asked = admin.options(path)
        assert asked.status_code == 200
        assert {"GET", "HEAD", "OPTIONS"} <= set(asked.headers["Allow"].split(", ")), path
