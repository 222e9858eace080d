"""Undo: after a restore of any kind the target becomes what it was."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.restore.undo.undoing import kept_in, take_back
from tests.support.backups import bring_back, eventually, fill_all, take
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.repository import catalogue
from worker.restore.undo.current import Present
from worker.storage.local import Folder

FUNCTION = "#!lua name=lib0\nredis.register_function('f0', function() return 2 end)"
LATER_MS = 3000


def drift(server: Server) -> None:
    """What becomes of data after its backup: changed, deleted, made, given another expiry or type."""
    for db in (0, 3):
        client = server.client(db)
        client.set("text", "since", ex=1000)
        client.delete("empty", "list:big")
        client.rpush("list:small", "one more")
        client.persist("ttl:ms")
        client.expire("zset:big", 5000)
        client.delete("set:big")
        client.set("set:big", "another type")
        client.set("only here", "x", px=3_600_123)
    if server.binary.version >= (7, 0):
        server.client().function_load(FUNCTION, replace=True)
        server.client().function_delete("lib3")


def few(client: Any) -> None:
    """Of what `drift` changes a little, and names that collide with others' when they are redirected."""
    client.mset({"text": "x", "empty": "", "ttl:ms": "x", "int:1": 1, "int:big": "taken", "restored:text": "taken"})
    client.rpush("list:small", "a", "b")
    client.rpush("list:big", *range(2000))
    client.sadd("set:big", *range(2000))
    client.zadd("zset:big", {str(number): number for number in range(2000)})
    client.expire("ttl:ms", 3600)
    client.function_load("#!lua name=lib3\nredis.register_function('f3', function() return 1 end)", replace=True)


@pytest.fixture
def drifted(binary: Binary, start_server: StartServer, tmp_path: Path) -> Server:
    """A server with data of every type that was backed up in both formats, and has lived on since."""
    source = fill_all(start_server(binary))
    take(source, tmp_path, format="json")
    take(source, tmp_path)
    drift(source)
    return source


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("mode", "data_format"),
    [("skip", "rdb"), ("overwrite", "rdb"), ("mirror", "rdb"), ("overwrite", "json"), ("mirror", "json")],
)
def test_after_an_undo_all_is_as_before_the_restore(
    mode: str, data_format: str, drifted: Server, tmp_path: Path
) -> None:
    before = state(drifted)
    name = next(one.name for one in catalogue.read(Folder(tmp_path)).backups if one.data_format == data_format)
    report = bring_back(drifted, tmp_path, name, mode=mode)
    assert report["failed"] == 0
    assert state(drifted) != before
    told = report["undo"]
    assert (told["name"], told["days"]) == (kept_in(tmp_path)[0].name, 7)
    assert take_back(drifted, tmp_path)["left_alone"] == 0
    assert_same(before, state(drifted))


def test_a_mirror_key_by_key_is_undone_as_well(drifted: Server, tmp_path: Path) -> None:
    before = state(drifted)
    report = bring_back(drifted, tmp_path, mode="mirror", databases=[0])
    assert report["way"] == "keys"
    assert drifted.client().exists("only here") == 0
    assert drifted.client(3).exists("only here") == 1
    take_back(drifted, tmp_path)
    assert_same(before, state(drifted))


NARROWED: list[dict[str, Any]] = [
    {"match": "*:small"},
    {"types": {"string", "set"}, "databases": {3}},
    {"keys": {"text", "empty", "set:big"}},
    {"kinds": {"new"}},
    {"kinds": {"differs"}},
    {"kinds": {"expiry"}},
    {"prefix": "restored:"},
    {"map_databases": {0: 5, 3: 0}},
    {"prefix": "int:", "strip_prefix": "list:"},
    {"expiry": "persist"},
    {"expiry": "shift"},
    {"expiry": "floor:90000"},
]


@pytest.mark.parametrize("arguments", NARROWED, ids="-".join)
def test_a_restore_that_was_narrowed_or_redirected_is_undone_as_far_as_it_went(
    arguments: dict[str, Any], newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(newest)
    for db in (0, 3):
        few(server.client(db))
    take(server, tmp_path)
    drift(server)
    before = state(server)
    restored = bring_back(server, tmp_path, mode="overwrite", **arguments)["restored"]
    assert restored
    assert state(server) != before
    report = take_back(server, tmp_path)
    assert report["put_back"] + report["deleted"] + report["as_before"] == restored
    assert_same(before, state(server))


def test_what_has_expired_since_does_not_come_back(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    servers = {mode: start_server(newest) for mode in ("overwrite", "mirror")}
    over = [_restored_and_short(server, tmp_path / mode, mode) for mode, server in servers.items()]
    time.sleep(max(0.0, max(over) - time.monotonic()))
    for mode, server in servers.items():
        client = server.client()
        assert client.exists("short in the backup") == 0
        assert take_back(server, tmp_path / mode)["left_alone"] == 0
        assert {key: client.get(key) for key in client.scan_iter()} == {
            b"was forever": b"old",
            b"short in the backup": b"live",
            b"over before": b"live",
        }
        assert [client.ttl(key) for key in client.scan_iter()] == [-1, -1, -1]


def _restored_and_short(server: Server, storage: Path, mode: str) -> float:
    """A restore in that mode, with keys that are about to expire before and in the backup; when they all have."""
    client = server.client()
    client.mset({"was forever": "old", "was short": "old"})
    client.set("short in the backup", "old", px=LATER_MS)
    client.set("over before", "old", px=30)
    take(server, storage)
    assert eventually(lambda: client.exists("over before") == 0)
    client.set("over before", "live")
    client.set("short in the backup", "live")
    client.set("was short", "live", px=LATER_MS)
    over = time.monotonic() + LATER_MS / 1000 + 0.1
    bring_back(server, storage, mode=mode)
    assert client.get("short in the backup") == b"old"
    assert client.ttl("was short") == -1
    assert client.get("over before") == (b"live" if mode == "overwrite" else None)
    return over


def test_an_empty_target_is_not_asked_for_millions_of_keys(server: Server, target: Server, tmp_path: Path) -> None:
    fill_all(server)
    take(server, tmp_path)
    report = bring_back(target, tmp_path)
    assert report["undo"]["keys"] == 0
    assert "cmdstat_dump" not in target.client().info("commandstats")
    assert take_back(target, tmp_path)["deleted"] == report["restored"]
    assert (target.client().dbsize(), target.client(3).dbsize()) == (0, 0)


def test_a_mirror_into_an_empty_target_is_undone_though_nothing_was_read_for_it(
    server: Server, target: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_all(server)
    take(server, tmp_path)
    monkeypatch.setattr(Present, "_there", None)
    report = bring_back(target, tmp_path, mode="mirror")
    assert report["undo"]["keys"] == 0
    assert_same(target, server)
    assert take_back(target, tmp_path)["deleted"] == report["restored"]
    assert (target.client().dbsize(), target.client(3).dbsize()) == (0, 0)
