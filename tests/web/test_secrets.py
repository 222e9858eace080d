"""Security, rules 6 to 8: a name is one of the catalogue, no address comes from outside, no secret gets out."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.backups import take
from tests.support.dashboard import HOSTILE, PASSWORD, SECRET, Browser, Web, fresh_app, own_logging, working
from tests.support.processes import CANARY, Background, eventually
from tests.web.routes import SLOW, content, error_of, outcomes, routes
from worker.repository import catalogue
from worker.repository.manifest import to_json
from worker.storage import open_storage

NAMES = [
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e%2fsecret.txt",
    "..\\secret.txt",
    "secret.txt",
    "secret.txt%00.rdb.zst",
    ".hidden",
    "a" * 200,
    "UPPER",
    HOSTILE,
    "redis_backup_20231205_143022.rdb.zst",
]


# Rule 6: names.


@pytest.fixture
def tempting(web_app: Web) -> str:
    """A storage with one backup, a file that is none, and a link that leads out of it."""
    name = str(take(web_app.source, web_app.storage)["name"])
    (web_app.storage / "secret.txt").write_text(CANARY)
    (web_app.folder / "secret.txt").write_text(CANARY)
    link = web_app.storage / "redis_backup_20200101_000000.rdb.zst"
    link.symlink_to(web_app.folder / "secret.txt")
    manifest = catalogue.get(open_storage(str(web_app.storage)), name).model_copy(
        update={"name": link.name, "created_at": datetime(2020, 1, 1, tzinfo=UTC)}
    )
    (web_app.storage / f"{link.name}.manifest.json").write_bytes(to_json(manifest))
    return name


def test_only_what_is_in_the_catalogue_is_handed_out(web_app: Web, admin: Browser, tempting: str) -> None:
    before = sorted(web_app.storage.iterdir())
    assert admin.get(f"/api/backup/download/{tempting}").status_code == 200
    for name in [*NAMES, "redis_backup_20200101_000000.rdb.zst", f"{tempting}.manifest.json"]:
        for method, path in (
            ("GET", f"/api/backup/download/{name}"),
            ("GET", f"/api/backup/manifest/{name}"),
            ("DELETE", f"/api/backup/delete/{name}"),
            ("GET", f"/backups/{name}"),
            ("GET", f"/backups/{name}/restore"),
        ):
            if "20200101" in name and "download" not in path:
                continue
            answer = admin.open(path, method=method)
            assert answer.status_code in (400, 404, 405), (method, path, answer.status_code)
            assert CANARY not in answer.text, path
            assert answer.mimetype == "application/json" or HOSTILE not in answer.text, path
    assert sorted(web_app.storage.iterdir()) == before


def test_no_task_is_queued_for_a_name_that_is_none(web_app: Web, admin: Browser) -> None:
    for name in NAMES:
        for path in ("verify", "restore"):
            answer = admin.post(
                f"/api/backup/{path}", json={"name": name, "mode": "skip"} if path == "restore" else {"name": name}
            )
            assert answer.status_code in (400, 404), (path, name, answer.text)
            assert "error" in (answer.json or {})
    assert web_app.broker.client().llen("jobs") == 0


def test_no_address_and_no_path_is_taken_from_outside(admin: Browser) -> None:
    for more in (
        {"redis_url": "redis://evil"},
        {"storage": "/etc"},
        {"target": "redis://evil"},
        {"path": "/etc/passwd"},
    ):
        assert admin.post("/api/backup/create", json=more).status_code == 400


# Rule 8: no secret gets out.


def test_no_secret_is_in_a_page_an_answer_or_the_log_whatever_fails(
    web_app: Web, admin: Browser, capfd: pytest.CaptureFixture[str]
) -> None:
    take(web_app.source, web_app.storage)
    with own_logging():
        browser = Browser(fresh_app())
        assert browser.log_in().status_code == 303
        told = [browser.log_in(PASSWORD + "x")]
        faults: list[Callable[[], object]] = [web_app.broker.client().ping, web_app.source.kill, web_app.broker.kill]
        for fault in faults:
            fault()
            for endpoint, method, url in routes(web_app.app):
                if not endpoint.endswith("static") and endpoint not in ("auth.logout", SLOW):
                    told.append(browser.open(url, method=method))
    shown = [answer.text + str(answer.headers) for answer in told]
    assert len(shown) > 60
    assert {503, 404, 400, 200} <= {answer.status_code for answer in told}
    out, err = capfd.readouterr()
    assert '"event": "audit"' in err
    for secret in (CANARY, SECRET, web_app.broker.url, web_app.source.url):
        assert [text for text in [*shown, out, err] if secret in text] == []
    assert "Traceback" not in err, err


def test_an_error_that_nobody_foresaw_is_logged_whole_and_told_by_its_kind(
    web_app: Web, admin: Browser, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail() -> str:
        raise LookupError("the details")

    with own_logging():
        app = fresh_app()
        app.add_url_rule("/api/broken", "broken", fail)
        app.add_url_rule("/broken", "broken_page", fail)
        browser = Browser(app)
        browser.log_in()
        told, page = browser.get("/api/broken"), browser.get("/broken")
    assert (told.status_code, page.status_code) == (500, 500)
    assert error_of(told) == "An unexpected LookupError: please report it; the log of the dashboard has the details."
    assert "LookupError" in page.text
    assert "LookupError: the" not in told.text + page.text
    line = next(json.loads(line) for line in capfd.readouterr().err.splitlines() if "request_failed" in line)
    assert "LookupError: the details" in line["exception"]


@pytest.fixture
def real_worker(web_app: Web) -> Iterator[Background]:
    with working(web_app, forked=False) as worker:
        yield worker


def test_a_run_that_somebody_asked_for_is_audited_under_that_name_and_tells_no_secret(
    web_app: Web, admin: Browser, real_worker: Background
) -> None:
    script = web_app.with_token("backup", name="ci")
    assert script.post("/api/backup/create", json={}).status_code == 202
    eventually(lambda: ("token ci", "backup", "SUCCESS") in outcomes(web_app), "the audit of the backup")
    web_app.source.kill()
    asked = admin.post("/api/ping")
    result = (asked.json or {})["result_id"]
    ended = eventually(lambda: _ended(admin, result), "the end of the ping")
    name = next(web_app.storage.glob("*.zst")).name
    assert admin.delete(f"/api/backup/delete/{name}", json={"confirm": name}).status_code == 202
    eventually(lambda: ("admin", "delete", "SUCCESS") in outcomes(web_app), "the audit of the deletion")
    assert ended["successful"] is False
    pages = [admin.get(path).text for path in ("/", "/tasks", f"/tasks/{result}", "/system", "/api/runs", "/metrics")]
    for text in (json.dumps(ended), real_worker.said, real_worker.command_lines(), str(content(web_app)), *pages):
        assert CANARY not in text


def _ended(admin: Browser, result: str) -> dict[str, Any] | None:
    told: dict[str, Any] = admin.get(f"/api/result/{result}").json or {}
    return told if told["ready"] else None
