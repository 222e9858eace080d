"""`python -m web` and gunicorn: when the dashboard does not start, and how it runs and ends as a process."""

import http.client
import json
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.processes import BIN, CANARY, Background, environment, eventually
from tests.servers import Binary, free_port
from tests.web import PASSWORD, SECRET
from web.__main__ import main
from worker.config import load_web


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"SESSION_SECRET": ""}, "SESSION_SECRET"),
        ({"SESSION_SECRET": "short-" + CANARY}, "SESSION_SECRET"),
        ({"ADMIN_PASSWORD": ""}, "ADMIN_PASSWORD is wrong: must be set, or ADMIN_PASSWORD_HASH in its place"),
        ({"ADMIN_PASSWORD": "canary-"}, "ADMIN_PASSWORD"),
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


@pytest.fixture
def served(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> Iterator[Callable[..., tuple[Background, str]]]:
    """Starts the dashboard as a process: itself and its address."""
    broker, started = start_server(newest, password=CANARY), []
    settings = {
        "CELERY_BROKER_URL": broker.url,
        "CELERY_RESULT_BACKEND": broker.url,
        "BACKUP_STORAGE": str(tmp_path / "backups"),
        "SESSION_SECRET": SECRET,
        "ADMIN_PASSWORD": PASSWORD,
    }

    def start(*command: str, **more: str) -> tuple[Background, str]:
        port = free_port()
        words = [word.format(port=port) for word in command]
        env = environment(**{**settings, "PORT": str(port), **more})
        env.pop("LOG_LEVEL", None)
        started.append(Background(*words, env=env, cwd=tmp_path))
        return started[-1], f"http://127.0.0.1:{port}"

    yield start
    for process in started:
        process.stop()


def ask(url: str, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    """One request to a process: status, headers, body."""
    host, _, port = url.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


def test_the_dashboard_runs_as_a_process_and_ends_when_told(served: Callable[..., tuple[Background, str]]) -> None:
    process, url = served(sys.executable, "-m", "web")
    process.wait_until_it_says(f"The dashboard is at {url}\n")
    status, headers, body = ask(url, "/healthz")
    assert (status, json.loads(body)) == (200, {"status": "ok"})
    assert "Server" not in headers
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.9.8.7"}
    assert "; Secure" not in ask(url, "/login", **told)[1]["Set-Cookie"]
    process.process.send_signal(signal.SIGTERM)
    assert process.process.wait(10) == 0
    assert CANARY not in process.said
    assert process.said == f"The dashboard is at {url}\n"


def test_behind_a_proxy_the_process_hears_what_the_proxy_tells(served: Callable[..., tuple[Background, str]]) -> None:
    process, url = served(sys.executable, "-m", "web", WEB_PROXIES="1")
    process.wait_until_it_says(url)
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.9.8.7"}
    assert "; Secure" in ask(url, "/login", **told)[1]["Set-Cookie"]
    assert ask(url, "/api/backup/list", Authorization="Bearer wrong", **told)[0] == 401
    assert process.event("audit", what="token")["details"] == {"address": "10.9.8.7"}


def test_a_port_that_is_taken_is_one_sentence(served: Callable[..., tuple[Background, str]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        process, _ = served(sys.executable, "-m", "web", PORT=str(port))
        assert process.process.wait(10) == 1
    assert process.said == f"Error: The dashboard cannot listen on port {port}: Address already in use.\n"


def test_gunicorn_serves_it_too(served: Callable[..., tuple[Background, str]]) -> None:
    gunicorn = (str(BIN / "gunicorn"), "web:create_app()", "--threads", "2", "--bind", "127.0.0.1:{port}")
    process, url = served(*gunicorn)
    process.wait_until_it_says("Listening at")
    assert eventually(lambda: ask(url, "/healthz"), "an answer")[0] == 200
    assert ask(url, "/api/backup/list", Authorization="Bearer wrong")[0] == 401
    assert process.event("audit", what="token")["outcome"] == "failed"


def test_gunicorn_does_not_serve_it_without_a_secret(served: Callable[..., tuple[Background, str]]) -> None:
    process, _ = served(str(BIN / "gunicorn"), "web:create_app()", "--bind", "127.0.0.1:{port}", SESSION_SECRET="")
    assert process.process.wait(20) != 0
    assert "The setting SESSION_SECRET is wrong" in process.said
    assert CANARY not in process.said
