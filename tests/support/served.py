"""The dashboard as a process, and one request to it."""

import http.client
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.dashboard import PASSWORD, SECRET
from tests.support.processes import CANARY, Background, environment
from tests.support.servers import Binary, free_port

Serve = Callable[..., tuple[Background, str]]


@pytest.fixture
def served(newest: Binary, start_server: StartServer, tmp_path: Path) -> Iterator[Serve]:
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
        started.append(Background(*words, env=env, cwd=tmp_path, forked=False))
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
