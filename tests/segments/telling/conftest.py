"""A source that is visited."""

from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.servers import Binary
from tests.support.streams import BACKLOG, Streamed


@pytest.fixture
def streamed(binary: Binary, start_server: StartServer, tmp_path: Path) -> Streamed:
    """A source without data, of which there is a backup, and which was visited once."""
    streamed = Streamed(start_server(binary, *BACKLOG), tmp_path)
    streamed.take()
    streamed.visit()
    return streamed
