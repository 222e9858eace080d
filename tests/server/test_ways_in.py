"""However a server is reached, IPv6 and a socket among them, and what happens where others end connections."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.faults.fixtures import WireTo
from tests.support.backups import bring_back, endpoint, fill_all, take, unlocked
from tests.support.processes import Shell, eventually
from tests.support.servers import Binary, Server
from tests.support.states import assert_same
from worker.errors import SourceUnavailableError
from worker.formats.entries import EntriesAlone, Entry
from worker.restore.target import writer
from worker.restore.target.target import Target


@contextlib.contextmanager
def over_ipv6(server: Server) -> Iterator[str]:
    yield f"redis://[::1]:{server.port}/0"


@contextlib.contextmanager
def over_a_socket(server: Server) -> Iterator[str]:
    yield f"unix://{server.socket}"


WAYS: dict[str, Any] = {"ipv6": over_ipv6, "socket": over_a_socket}
QUICK = ("ipv6",)


@pytest.mark.parametrize("way", [pytest.param(way, marks=() if way in QUICK else pytest.mark.slow) for way in WAYS])
def test_a_backup_a_preview_restores_and_their_undo(
    way: str, binary: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source, target = (start_server(binary, "--bind", "127.0.0.1", "::1") for _ in range(2))
    fill_all(source)
    lead: Callable[[Server], contextlib.AbstractContextManager[str]] = WAYS[way]
    with lead(source) as there, lead(target) as back:
        shell, again = (Shell(url, tmp_path / "backups", tmp_path) for url in (there, back))
        for engine in ("replication", "scan"):
            made = shell("backup", "--engine", engine, "--json")
            assert (made.code, made.err) == (0, "")
            assert made.data["engine"] == engine
        target.client().mset({"text": "there before", **{f"surplus:{number}": "x" * 100 for number in range(9000)}})
        for mode in ("overwrite", "mirror"):
            assert again("preview", "latest", "--mode", mode).code == 0
            done = again("restore", "latest", "--mode", mode, "--yes", "--json")
            assert (done.code, done.err) == (0, "")
        assert_same(target, source)
        assert again("undo", done.data["undo"]["name"], "--yes").code == 0
        assert target.client().exists("surplus:8999") == 1


@pytest.mark.parametrize("engine", ["auto", pytest.param("scan", marks=pytest.mark.slow)])
def test_a_replica_whose_link_is_down_is_not_read(
    engine: str, newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    primary, replica = start_server(newest), start_server(newest)
    primary.client().set("key", "value")
    replica.client().replicaof("127.0.0.1", str(primary.port))
    eventually(lambda: replica.client().info("replication")["master_link_status"] == "up", "the replica to follow")
    assert take(replica, tmp_path, engine=engine)["keys"] == 1
    primary.kill()
    eventually(lambda: replica.client().info("replication")["master_link_status"] == "down", "the link to break")
    with pytest.raises(SourceUnavailableError, match="is a replica without a link to its primary: mend that link, or"):
        take(replica, tmp_path, engine=engine)


def test_nothing_stays_open_between_two_runs(
    newest: Binary, start_server: StartServer, wire_to: WireTo, tmp_path: Path
) -> None:
    server = start_server(newest)
    server.client().set("key", "value")
    line = wire_to(server)
    runs: list[Callable[[], object]] = [
        lambda: take(server, tmp_path, engine="replication"),
        lambda: take(server, tmp_path, engine="scan"),
        lambda: bring_back(server, tmp_path, mode="overwrite"),
        lambda: bring_back(server, tmp_path, mode="mirror"),
    ]
    for work in runs:
        server.port, real = line.port, server.port
        try:
            work()
        finally:
            server.port = real
        eventually(lambda: line.connections == 0, "all connections to be closed")
        # What a proxy does to those that are idle: none of the next run is among them.
        line.cut()


@dataclass
class Idle(EntriesAlone):
    """An EntryStream that has nothing to write for a long time, and then one key."""

    rdb_version: int | None = None
    libraries: list[bytes] = field(default_factory=list)

    def batches(self) -> Iterator[list[Entry]]:
        yield [Entry(0, b"first", None, "string", None, b"value")]
        yield from ([] for _ in range(20))
        yield [Entry(0, b"last", None, "string", None, b"value")]


@pytest.mark.parametrize(("seconds", "least", "most"), [(0, 20, 30), (3600, 0, 5)])
def test_a_connection_that_has_nothing_to_write_is_used_all_the_same(
    seconds: float, least: int, most: int, newest: Binary, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "IDLE_SECONDS", seconds)
    server = start_server(newest)
    target = Target(endpoint(server), "overwrite")
    for _ in target.restore(Idle(), unlocked(endpoint(server))):
        pass
    assert target.report.restored == 2
    assert least <= server.client().info("commandstats")["cmdstat_time"]["calls"] <= most
