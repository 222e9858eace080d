"""Another target, and a shell that knows one by its name."""

from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.backups import take
from tests.support.processes import CANARY, Shell
from tests.support.servers import Binary, Server


@pytest.fixture
def elsewhere(binary: Binary, start_server: StartServer) -> Server:
    """Another server, with a password, that a restore may be sent to."""
    return start_server(binary, password=CANARY)


@pytest.fixture
def shell(newest: Binary, start_server: StartServer, tmp_path: Path) -> Shell:
    """A shell at a source with a key in each of two databases, backed up."""
    source = start_server(newest, password=CANARY)
    for db in (0, 3):
        source.client(db).set("k", db, ex=1000)
    take(source, tmp_path / "backups")
    return Shell(source.url, tmp_path / "backups", tmp_path)


@pytest.fixture
def staging(newest: Binary, start_server: StartServer) -> Server:
    return start_server(newest, password=CANARY)
