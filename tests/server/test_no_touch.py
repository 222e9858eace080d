"""What is only read is no use of the keys: a full server still throws out what its own clients do not ask for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.backups import asking, settings_for, take
from tests.support.servers import Binary, Server
from worker.arguments.questions import SearchArguments
from worker.arguments.restore import PreviewArguments
from worker.progress import silent
from worker.restore.preview.preview import preview
from worker.search.search import search

KEYS = [b"used:%d" % number for number in range(20)]
USED, IDLE_SECONDS = 9, 5000


def look(server: Server, storage: Path) -> None:
    preview(settings_for(server, storage), PreviewArguments(name="latest", mode="mirror"), silent)


def find(server: Server, storage: Path) -> None:
    search(settings_for(server, storage), SearchArguments(match="used:*"), silent)


READERS: dict[str, Callable[[Server, Path], object]] = {
    "scan": lambda server, storage: take(server, storage, engine="scan"),
    "typed": lambda server, storage: take(server, storage, engine="typed", format="json"),
    "replication": lambda server, storage: take(server, storage, engine="replication"),
    "preview": look,
    "search": find,
}
QUICK = ("scan", "preview")


def fill(server: Server, policy: str, word: str, number: int) -> None:
    """Keys that have been used so much, or so long ago."""
    client = asking(server)
    for setting, value in (("maxmemory-policy", policy), ("lfu-log-factor", 0), ("lfu-decay-time", 0)):
        client.execute_command("CONFIG", "SET", setting, value)
    client.execute_command("SET", "made", "value")
    payload = client.execute_command("DUMP", "made")
    for key in KEYS:
        client.execute_command("RESTORE", key, 0, payload, "REPLACE", word, number)
    client.execute_command("DEL", "made")


def told(server: Server, word: str) -> list[int]:
    client = asking(server)
    return [int(client.execute_command("OBJECT", word, key)) for key in KEYS]


@pytest.mark.parametrize(
    "reader", [pytest.param(one, marks=() if one in QUICK else pytest.mark.slow) for one in READERS]
)
def test_what_is_read_counts_as_no_use_where_the_server_can_do_that(
    reader: str, binary: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(binary)
    able = binary.version >= (7, 2) or reader == "replication"
    fill(server, "allkeys-lfu", "FREQ", USED)
    take(server, tmp_path, engine="replication")
    READERS[reader](server, tmp_path)
    frequencies = told(server, "FREQ")
    assert all((one == USED) == able for one in frequencies), frequencies
    fill(server, "allkeys-lru", "IDLETIME", IDLE_SECONDS)
    READERS[reader](server, tmp_path)
    seconds = told(server, "IDLETIME")
    assert all((one >= IDLE_SECONDS) == able for one in seconds), seconds
