"""A server that was backed up, and has lived on."""

import os
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.backups import take
from tests.support.servers import Binary, Server


@pytest.fixture
def live(newest: Binary, start_server: StartServer, tmp_path: Path) -> Server:
    """A server that was backed up twice, and that has other data now."""
    server = start_server(newest)
    for number in range(2):
        server.client().mset({f"key:{key}": os.urandom(50) + bytes((number,)) for key in range(300)})
        take(server, tmp_path / "backups")
    server.client().set("key:7", "changed since")
    server.client().delete("key:8")
    return server
