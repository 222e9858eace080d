"""The demo data of `make run`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from local import demo
from tests.conftest import StartServer
from tests.support.backups import ANYWHERE, take
from tests.support.servers import Binary
from tests.support.states import assert_same, state
from worker.repository import catalogue
from worker.storage.local import Folder

NOW = 1_900_000_000


def test_the_demo_has_every_type_and_is_the_same_every_time(binary: Binary, start_server: StartServer) -> None:
    one, two = start_server(binary), start_server(binary)
    keys = demo.fill(one.port, NOW)
    assert 3000 < keys < 5000
    clients: list[Any] = [one.client(db) for db in range(3)]
    types = {client.type(key) for client in clients for key in client.scan_iter(count=1000)}
    assert types == {b"string", b"list", b"set", b"zset", b"hash", b"stream"}
    assert all(client.dbsize() for client in clients)
    demo.fill(two.port, NOW)
    # Only what consumers have read, and when, is of the moment.
    first, second = (replace(state(server), values={}) for server in (one, two))
    assert_same(first, second)


def test_the_demo_has_what_makes_restoring_hard(binary: Binary, start_server: StartServer) -> None:
    server = start_server(binary)
    demo.fill(server.port, NOW)
    client: Any = server.client()
    assert client.xpending("queue:outgoing", "senders")["pending"] == 50
    assert client.get("avatar:1").startswith(b"\x89PNG")
    assert server.client(1).info("keyspace")["db1"]["expires"] > 900
    assert client.geopos("places", "Berlin")
    assert server.client(2).pfcount("visitors:1")
    if binary.version >= (7, 0):
        assert client.execute_command("FUNCTION", "LIST")
    if binary.fields_expire:
        assert client.execute_command("HPTTL", "tokens", "FIELDS", 1, "app")[0] > 0


def test_what_is_not_empty_is_left_alone(newest: Binary, start_server: StartServer) -> None:
    server = start_server(newest)
    server.client(2).set("somebody", "else's")
    before = state(server)
    assert demo.fill(server.port, NOW) == 1
    assert_same(server, before)


def test_two_backups_of_it_have_the_same_prefixes_each_counted(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(newest)
    demo.fill(server.port, NOW)
    first, second = (take(server, tmp_path)["name"] for _ in range(2))
    told = [catalogue.get(Folder(tmp_path), name, ANYWHERE).prefixes for name in (first, second)]
    assert told[0] == told[1]
    assert told[0] is not None
    assert told[0].exact
    assert told[0].counts["session:"] == 500
