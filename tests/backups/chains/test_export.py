"""A chain exported is a folder that stock servers load: all that the source held at the moment, with all that expires."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.segments.playing import scenes
from tests.support.backups import asking
from tests.support.servers import Binary, Server, binaries
from tests.support.streams import BACKLOG, Streamed
from worker.backups.chains.export import export_chain
from worker.errors import UsageError
from worker.progress import silent
from worker.segments.playing import aof


@pytest.fixture
def streamed(binary: Binary, start_server: StartServer, tmp_path: Path) -> Streamed:
    streamed = Streamed(start_server(binary, *BACKLOG), tmp_path)
    scenes.before(streamed.source)
    streamed.take()
    streamed.visit()
    return streamed


def lasting(server: Server) -> None:
    """Nothing of what is written expires within a test, so that the source can be asked at any time."""
    for name in server.client().info("keyspace"):
        client: Any = server.client(int(name.removeprefix("db")))
        for key in client.scan_iter():
            if client.pttl(key) >= 0:
                client.pexpire(key, scenes.LONG)
            if server.binary.fields_expire and client.type(key) == b"hash":
                fields = client.hkeys(key)
                client.execute_command("HPEXPIRE", key, scenes.LONG, "FIELDS", len(fields), *fields)


@contextlib.contextmanager
def loaded(binary: Binary, folder: Path) -> Iterator[Server]:
    """A stock server of that release which has loaded it."""
    server = Server(binary, folder, "--appendonly", "yes")
    try:
        while server.client().info("persistence")["loading"]:
            pass
        yield server
    finally:
        server.stop()


@pytest.mark.every_server
def test_stock_servers_load_what_the_source_held(streamed: Streamed, binary: Binary, tmp_path: Path) -> None:
    scenes.after(streamed.source)
    lasting(streamed.source)
    streamed.visit()
    then, digest = scenes.state(streamed.source), asking(streamed.source).execute_command("DEBUG", "DIGEST")
    folder = tmp_path / "chain"
    written = export_chain(streamed.settings, None, folder, silent)
    assert written["in_one_file"] == (binary.version < (7, 0))
    assert (folder / aof.NAME).exists() == written["in_one_file"]
    assert sum(path.stat().st_size for path in folder.rglob("*.aof")) <= written["bytes"]
    with loaded(binary, folder) as server:
        assert asking(server).execute_command("DEBUG", "DIGEST") == digest
        found = scenes.state(server)
    assert found.keys() == then.keys()
    # What 6.2 sends says how long, and not until when.
    assert found == then or binary.version < (7, 0)


def test_a_later_server_loads_what_an_earlier_one_sent(start_server: StartServer, tmp_path: Path) -> None:
    eldest, *later = [binary for binary in binaries() if binary.name == "redis"]
    streamed = Streamed(start_server(eldest, *BACKLOG), tmp_path)
    scenes.before(streamed.source)
    streamed.take()
    streamed.visit()
    streamed.source.client().mset({f"key:{number}": number for number in range(100)})
    streamed.source.client(3).rpush("list", 1, 2, 3)
    streamed.visit()
    for number, binary in enumerate(later):
        folder = tmp_path / f"chain-{number}"
        export_chain(streamed.settings, None, folder, silent)
        with loaded(binary, folder) as server:
            assert server.client().get("key:99") == b"99"
            assert server.client(3).llen("list") == 3


def test_nothing_is_written_over(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    streamed = Streamed(start_server(newest, *BACKLOG), tmp_path)
    streamed.take()
    streamed.visit()
    streamed.source.client().set("a", 1)
    streamed.visit()
    (tmp_path / "there").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        export_chain(streamed.settings, None, tmp_path / "there", silent)
    with pytest.raises(UsageError, match="There is no folder"):
        export_chain(streamed.settings, None, tmp_path / "not/there", silent)
    assert [*(tmp_path / "there").iterdir()] == []
