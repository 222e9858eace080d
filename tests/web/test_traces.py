"""Whoever is given data leaves a trace, and so does each request."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.support.backups import take
from tests.support.dashboard import Browser, Web
from tests.support.processes import run as ran
from tests.support.served import Serve, ask
from worker.broker import audit
from worker.runs.recorder import Recording
from worker.runs.run import new


def readings(web: Web) -> list[tuple[str, str, dict[str, Any]]]:
    """Who was given what, oldest first."""
    told = [(deed.who, deed.what, deed.details) for deed in reversed(audit.recent(web.settings, 100))]
    return [one for one in told if one[1] in ("download", "export", "preview shown", "search shown")]


def test_a_download_leaves_a_trace_of_who_from_where_and_how_much(web_app: Web, admin: Browser) -> None:
    web_app.source.client().set("a", "x" * 1000)
    name = str(take(web_app.source, web_app.storage)["name"])
    size, there = (web_app.storage / name).stat().st_size, f"/api/backup/download/{name}"
    elsewhere: dict[str, Any] = {"environ_overrides": {"REMOTE_ADDR": "192.0.2.7"}}
    script = web_app.with_token("read", name="ci")
    assert script.get(there, **elsewhere).status_code == 200
    assert script.get(there, headers={"Range": "bytes=10-19"}).status_code == 206
    assert admin.get("/api/backup/download/latest").status_code == 200
    script.head(there)
    script.get(
        there, headers={"If-None-Match": f'"{json.loads(script.get(f"/api/backup/manifest/{name}").data)["sha256"]}"'}
    )
    with admin.session_transaction() as session:
        of_the_admin = {"session": session["name"]}
    assert readings(web_app) == [
        ("token ci", "download", {"address": "192.0.2.7", "name": name, "bytes": size}),
        ("token ci", "download", {"address": "127.0.0.1", "name": name, "bytes": 10}),
        ("admin", "download", {"address": "127.0.0.1", "name": name, "bytes": size, **of_the_admin}),
    ]


SAMPLE = {"key": "k", "rows": [{"part": "value", "backup": "1234", "live": None}]}


@pytest.mark.parametrize(
    ("operation", "arguments", "found", "traced"),
    [
        ("preview", {"name": "b", "match": "x"}, {"samples": {"new": [SAMPLE]}}, {"name": "b"}),
        ("preview", {"name": "b"}, {"samples": {"identical": [{"key": "k", "rows": []}]}}, None),
        ("search", {"key": "k" * 300, "show": "b"}, SAMPLE, {"key": "k" * 200, "show": "b"}),
        ("search", {"key": "k"}, {"found": [], "key": "k"}, None),
        ("backup", {}, {"name": "b"}, None),
    ],
)
def test_whoever_is_shown_values_leaves_a_trace_at_each_of_the_doors(
    web_app: Web,
    operation: str,
    arguments: dict[str, Any],
    found: dict[str, Any],
    traced: dict[str, Any] | None,
) -> None:
    Recording(web_app.settings, new("id", operation, arguments, "admin"), patience=0).end("SUCCESS", value=found)
    script = web_app.with_token("read", name="ci")
    for path in ("/tasks/id", "/api/runs/id", "/api/result/id", "/api/runs"):
        assert script.get(path).status_code == 200
    seen = [
        (who, what, {name: details[name] for name in details if name != "bytes"})
        for who, what, details in readings(web_app)
    ]
    told = {"address": "127.0.0.1", "id": "id", **(traced or {})}
    # A list shows no values.
    assert seen == ([("token ci", f"{operation} shown", told)] * 3 if traced else [])
    assert all(details["bytes"] >= len(json.dumps(found)) - 20 for _, _, details in readings(web_app))


def test_a_shell_leaves_the_same_trace(web_app: Web) -> None:
    web_app.source.client().set("a", "1")
    name = str(take(web_app.source, web_app.storage)["name"])
    for words in (["export", name, "-o", "-"], ["search", "a", "--show", name], ["search", "a"], ["preview", name]):
        ran(sys.executable, "-m", "worker", *words, env=web_app.env, cwd=web_app.folder)
    (_, first, exported), (_, second, shown), (who, third, previewed) = readings(web_app)
    assert (first, second, third) == ("export", "search shown", "preview shown")
    assert who.startswith("shell ")
    assert exported["name"] == previewed["name"] == shown["show"] == name
    assert shown["key"] == "a"
    assert min(one["bytes"] for one in (exported, shown, previewed)) > 0


def test_readings_push_out_nothing_that_was_done(web_app: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "KEPT", 5)
    audit.record(web_app.settings, "admin", "restore", "SUCCESS")
    for _ in range(300):
        audit.read(web_app.settings, "admin", "download")
    kept = [deed.what for deed in audit.recent(web_app.settings, 1000)]
    assert kept.count("restore") == 1
    assert kept.count("download") < 300


def test_each_request_is_a_line_without_what_it_asked_for(web_app: Web, admin: Browser) -> None:
    with capture_logs() as lines:
        admin.get("/search?text=a-secret-key&how=key")
        web_app.with_token("read", name="ci").get("/api/backup/list?page=2")
        web_app.browser().get("/api/a-key?b")
        web_app.browser().log_in("wrong-one")
        admin.get("/healthz")
    told = [line for line in lines if line["event"] == "request"]
    seen = [(line["log_level"], line["method"], line["path"], line["status"], line["who"]) for line in told]
    assert seen == [
        ("info", "GET", "/search", 200, "admin"),
        ("info", "GET", "/api/backup/list", 200, "token ci"),
        ("info", "GET", "/api/a-key", 401, None),
        ("info", "POST", "/login", 401, None),
        ("debug", "GET", "/healthz", 200, None),
    ]
    assert all(line["address"] == "127.0.0.1" and line["bytes"] > 0 and line["seconds"] >= 0 for line in told)
    assert "a-secret-key" not in str(lines)


def test_the_process_writes_them_in_json(served: Serve, tmp_path: Path) -> None:
    process, url = served(sys.executable, "-m", "web")
    process.wait_until_it_says(url)
    ask(url, "/login?next=/search?text=a-secret-key")
    assert process.event("request", path="/login")["status"] == 200
    assert "a-secret-key" not in process.said
