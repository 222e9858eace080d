"""`python -m web`: when the dashboard does not start, and how it runs and ends as a process."""

import http.client
import json
import signal
import socket
import sys
from typing import Any

import pytest

from tests.support.processes import CANARY, WAIT_SECONDS
from tests.support.served import Serve, ask
from web import LARGEST_BODY_BYTES
from web.__main__ import LARGEST_HEADER_BYTES, main
from web.errors import HEADERS
from worker.config.settings import load_web


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"SESSION_SECRET": ""}, "SESSION_SECRET"),
        ({"SESSION_SECRET": "short-" + CANARY}, "SESSION_SECRET"),
        ({"ADMIN_PASSWORD": ""}, "ADMIN_PASSWORD is wrong: must be set, or ADMIN_PASSWORD_HASH in its place"),
        ({"ADMIN_PASSWORD": "canary-"}, "ADMIN_PASSWORD"),
        ({"ADMIN_PASSWORD": " " * 12}, "ADMIN_PASSWORD is wrong: must be more than blanks"),
        ({"SESSION_SECRET": "s" * 64}, "SESSION_SECRET is wrong: must be random"),
        ({"BACKUP_STORAGE": f"s3://key:{CANARY}@b"}, "BACKUP_STORAGE is wrong: must hold no key"),
        ({"ADMIN_PASSWORD_HASH": CANARY}, "ADMIN_PASSWORD_HASH"),
        ({"ADMIN_PASSWORD_HASH": "scrypt:32768:8:1" + CANARY}, "ADMIN_PASSWORD_HASH"),
        ({"PORT": "99999"}, "PORT"),
        ({"CELERY_BROKER_URL": f"http://:{CANARY}@host"}, "CELERY_BROKER_URL"),
    ],
)
def test_it_does_not_start_with(
    web_env: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: dict[str, str],
    said: str,
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    load_web.cache_clear()
    assert main() == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert said in err
    assert "canary-" not in err


def test_the_dashboard_runs_as_a_process_and_ends_when_told(served: Serve) -> None:
    process, url = served(sys.executable, "-m", "web")
    process.wait_until_it_says(f"The dashboard is at {url}\n")
    status, headers, body = ask(url, "/healthz")
    assert (status, json.loads(body)) == (200, {"status": "ok"})
    assert "Server" not in headers
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.9.8.7"}
    assert "; Secure" not in ask(url, "/login", **told)[1]["Set-Cookie"]
    process.process.send_signal(signal.SIGTERM)
    assert process.process.wait(WAIT_SECONDS) == 0
    assert CANARY not in process.said
    # On a busy machine its server may find all of its threads at work, and says so.
    quiet = ('"event": "Task queue depth is ', '"event": "request"')
    lines = [line for line in process.said.splitlines() if not any(words in line for words in quiet)]
    assert lines == [f"The dashboard is at {url}"]


def test_behind_a_proxy_the_process_hears_what_the_proxy_tells(served: Serve) -> None:
    process, url = served(sys.executable, "-m", "web", WEB_PROXIES="1")
    process.wait_until_it_says(url)
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.9.8.7"}
    assert "; Secure" in ask(url, "/login", **told)[1]["Set-Cookie"]
    assert ask(url, "/api/backup/list", Authorization="Bearer wrong", **told)[0] == 401
    assert process.event("audit", what="token")["details"] == {"address": "10.9.8.7"}


def test_a_port_that_is_taken_is_one_sentence(served: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        process, _ = served(sys.executable, "-m", "web", PORT=str(port))
        assert process.process.wait(WAIT_SECONDS) == 1
    assert process.said == f"Error: The dashboard cannot listen on port {port}: Address already in use.\n"


def test_headers_without_an_end_are_refused(served: Serve) -> None:
    process, url = served(sys.executable, "-m", "web")
    process.wait_until_it_says(url)
    status, headers, body = ask(url, "/healthz", **{"X-Long": "x" * LARGEST_HEADER_BYTES})
    assert status == 431
    assert json.loads(body)["error"].startswith("The head of the request is larger than 32 KiB")
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("more", [0, 1, LARGEST_BODY_BYTES, 1 << 40])
def test_a_body_that_is_too_large_is_refused_in_json_with_the_usual_headers(served: Serve, more: int) -> None:
    process, url = served(sys.executable, "-m", "web")
    process.wait_until_it_says(url)
    size = LARGEST_BODY_BYTES + more
    head = f"POST /api/backup/create HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 20) as client:
        client.sendall(head + (b"x" * size if more <= 1 else b""))
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert answer.status == (413 if more > 1 else 401)
        assert set(json.loads(answer.read())) == {"error"}
        assert all(answer.headers[name] == value for name, value in HEADERS.items())
        assert answer.headers["Cache-Control"] == "no-store"
