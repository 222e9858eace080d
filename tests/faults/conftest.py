"""What several tests of faults begin with."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.faults.fixtures import WireTo
from tests.faults.frozen import LEASE_SECONDS, Scene
from tests.faults.room import FILLS, SMALL, used
from tests.support.backups import take
from tests.support.processes import environment
from tests.support.servers import Binary, Server
from worker.runs import reaper


@pytest.fixture
def scene(
    request: pytest.FixtureRequest, newest: Binary, start_server: StartServer, wire_to: WireTo, tmp_path: Path
) -> Scene:
    """With other options of the server where the test gives them."""
    request.getfixturevalue("monkeypatch").setattr(reaper, "AGAIN_SECONDS", 0)
    broker, server = start_server(newest), start_server(newest, *getattr(request, "param", ()))
    line = wire_to(server)
    env = environment(
        REDIS_URL=line.url,
        CELERY_BROKER_URL=broker.url,
        CELERY_RESULT_BACKEND=broker.url,
        BACKUP_STORAGE=str(tmp_path / "backups"),
        BACKUP_KEEP="50",
        REDIS_BACKUP_LEASE_SECONDS=str(LEASE_SECONDS),
    )
    found = Scene(tmp_path, broker, server, line, request.getfixturevalue("freezer"), env)
    found.fill("of the backup")
    assert found.shell("backup").code == 0
    return found


@pytest.fixture
def backed_up(newest: Binary, start_server: StartServer, tmp_path: Path) -> Callable[[str, str], tuple[Server, int]]:
    """A target with keys of its own, and how many bytes it really needs for the backup besides."""

    def make(what: str, data_format: str) -> tuple[Server, int]:
        source = start_server(newest, *SMALL)
        before = used(source)
        FILLS[what](source.client())
        needed = used(source) - before
        take(source, tmp_path, format=data_format)
        source.stop()
        return start_server(newest, *SMALL), needed

    return make
