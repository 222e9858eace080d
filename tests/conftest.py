"""Fixtures: real redis-server processes on free ports, and a place for backups."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import Binary, Server, binaries

pytest_plugins = ["tests.web", "tests.works"]

StartServer = Callable[..., Server]


@pytest.fixture(params=binaries(), ids=str)
def binary(request: pytest.FixtureRequest) -> Binary:
    """Each redis-server of this machine in turn; the test's id names it."""
    chosen: Binary = request.param
    return chosen


@pytest.fixture
def newest() -> Binary:
    """One server is enough: the newest redis-server of this machine."""
    return binaries()[-1]


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Starts servers that end with the test: `start_server(binary, "--maxmemory", "1mb", password="...")`."""
    started: list[Server] = []

    def start(binary: Binary, *options: str, **more: Any) -> Server:
        started.append(Server(binary, tmp_path / f"redis-{len(started)}", *options, **more))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def source(binary: Binary, start_server: StartServer) -> Server:
    return start_server(binary)


@pytest.fixture
def target(binary: Binary, start_server: StartServer) -> Server:
    return start_server(binary)
