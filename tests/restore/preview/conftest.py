"""A server that has changed since its backup."""

from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.restore.preview.looks import change
from tests.support.servers import Binary, Server


@pytest.fixture
def changed(newest: Binary, start_server: StartServer, tmp_path: Path) -> Server:
    """A server that was backed up, and has been changed since."""
    return change(start_server(newest), tmp_path / "rdb")
