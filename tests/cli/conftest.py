"""A house with a source of fifty keys."""

from os import urandom
from pathlib import Path

import pytest

from tests.cli.house import House
from tests.conftest import StartServer
from tests.support.backups import take
from tests.support.processes import CANARY, Shell
from tests.support.servers import Binary


@pytest.fixture
def house(newest: Binary, start_server: StartServer, tmp_path: Path) -> House:
    source = start_server(newest, password=CANARY)
    for number in range(50):
        source.client().set(f"key:{number}", urandom(100))
    name = take(source, tmp_path / "backups")["name"]
    return House(source, Shell(source.url, tmp_path / "backups", tmp_path), name, start_server)
