"""A second server, to restore into."""

import pytest

from tests.conftest import StartServer
from tests.support.servers import Binary, Server


@pytest.fixture
def target(newest: Binary, start_server: StartServer) -> Server:
    return start_server(newest)
