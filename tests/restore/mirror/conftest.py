"""A server that is about to become a mirror."""

from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.backups import take
from tests.support.servers import Binary, Server


@pytest.fixture
def varied(newest: Binary, start_server: StartServer, tmp_path: Path) -> Server:
    """A server that was backed up, and that has more of everything now."""
    server = start_server(newest)
    for db in (0, 3):
        server.client(db).mset({"user:1": "Ann", "job:1": "x"})
        server.client(db).rpush("queue", "x")
    take(server, tmp_path)
    for db in (0, 3, 5):
        server.client(db).mset({"user:2": "Bob", "user:3:x": "x", "job:2": "x", "us*er": "x"})
        server.client(db).set(b"\xff\x00", "x")
        server.client(db).rpush("user:list", "x")
        server.client(db).hset("hash", "field", "x")
    return server
