"""A mirror, both ways: afterwards the target holds the backup and nothing else, and is a primary."""

import os
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.restore.mirror.mirrors import both_ways, mirror, other_data, refused, role
from tests.support.backups import asking, bring_back, eventually, fill_all, settings_for, take
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.restore import RestoreArguments
from worker.errors import RefusedError
from worker.formats.rdb.reader.census import Census
from worker.progress import silent
from worker.restore.restore import restore


@both_ways
def test_afterwards_the_target_holds_the_backup_and_nothing_else(
    way: str, source: Server, target: Server, tmp_path: Path
) -> None:
    manifest = take(fill_all(source), tmp_path)
    other_data(target)
    report = mirror(target, tmp_path, way)
    assert (report["way"], report["restored"], report["deleted"]) == (way, manifest["keys"], 1502)
    assert (report["skipped"], report["expired"], report["failed"]) == (0, 0, 0)
    assert_same(state(source), state(target))
    assert target.client(7).dbsize() == 0
    assert role(target) == "master"
    assert report["undo"]["keys"] == 1504


@both_ways
def test_an_empty_target_and_one_that_holds_it_already(
    way: str, source: Server, target: Server, tmp_path: Path
) -> None:
    manifest = take(fill_all(source), tmp_path)
    for _ in range(2):
        report = mirror(target, tmp_path, way)
        assert (report["way"], report["restored"], report["deleted"]) == (way, manifest["keys"], 0)
        assert_same(target, source)


@both_ways
def test_an_empty_backup_empties_the_target(
    way: str, newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source, target = start_server(newest), start_server(newest)
    take(source, tmp_path)
    other_data(target)
    report = mirror(target, tmp_path, way)
    assert (report["way"], report["restored"], report["deleted"]) == (way, 0, 1504)
    assert_same(target, source)
    assert "The backup holds no key." in report["warnings"]


def test_a_file_that_no_server_wrote_but_a_scan(source: Server, target: Server, tmp_path: Path) -> None:
    take(fill_all(source), tmp_path, engine="scan")
    other_data(target)
    assert mirror(target, tmp_path)["way"] == "replication"
    assert_same(target, source)


def test_a_backup_of_which_nothing_can_expire_is_read_only_once(
    newest: Binary, start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = start_server(newest), start_server(newest)
    source.client().mset({"a": "x", "b": "x"})
    take(source, tmp_path)
    monkeypatch.setattr(Census, "chunks", None)
    settings = settings_for(target, tmp_path, backup_undo_days=0)
    report = restore(settings, RestoreArguments(name="latest", mode="mirror"), silent)
    assert (report["way"], report["restored"], report["expired"]) == ("replication", 2, 0)
    assert_same(target, source)


@both_ways
def test_keys_that_have_expired_since_are_not_there_and_neither_are_live_ones_of_their_name(
    way: str, source: Server, target: Server, tmp_path: Path
) -> None:
    source.client().mset({"stays": "x", "stays too": "x"})
    source.client().expire("stays too", 1000)
    for number in range(20):
        source.client().set(f"gone:{number}", "old", px=2000)
    assert take(source, tmp_path)["expiring"] == 21
    assert eventually(lambda: source.client().exists("gone:0", "gone:19") == 0)
    target.client().mset({"gone:0": "live", "other": "x"})
    report = mirror(target, tmp_path, way)
    assert (report["restored"], report["expired"], report["deleted"]) == (2, 20, 2)
    client = target.client()
    assert [client.get(key) for key in ("gone:0", "gone:19", "other", "stays", "stays too")] == [None] * 3 + [b"x"] * 2
    assert eventually(lambda: client.dbsize() == 2)


def test_a_target_with_a_password_for_its_primaries(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    target = start_server(newest, "--masterauth", "whatever", "--masteruser", "somebody", password="hers")
    target.client().set("k", "v")
    take(target, tmp_path)
    target.client().set("other", "x")
    report = mirror(target, tmp_path)
    assert (report["way"], report["deleted"], target.client().keys()) == ("replication", 1, [b"k"])


@pytest.mark.parametrize("diskless", ["swapdb", "on-empty-db"])
def test_a_target_that_loads_from_the_wire(
    diskless: str, newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source, target = start_server(newest), start_server(newest, "--repl-diskless-load", diskless)
    take(fill_all(source), tmp_path)
    other_data(target)
    report = mirror(target, tmp_path)
    assert (report["way"], "let it BGSAVE" in " ".join(report["warnings"])) == ("replication", diskless == "swapdb")
    assert_same(target, source)


def test_a_target_with_an_aof_has_the_new_data_after_a_restart(
    source: Server, start_server: StartServer, tmp_path: Path
) -> None:
    target = start_server(source.binary, "--appendonly", "yes")
    take(fill_all(source), tmp_path)
    other_data(target)
    report = mirror(target, tmp_path)
    assert "its AOF anew" in " ".join(report["warnings"])
    persisted = target.client().info

    def rewritten() -> bool:
        info = persisted("persistence")
        return not (info["aof_rewrite_in_progress"] or info["aof_rewrite_scheduled"])

    assert eventually(rewritten)
    target.client().set("written since", "x")
    before = state(target)
    asking(target).execute_command("CONFIG", "SET", "appendfsync", "always")
    target.kill()
    target.start()
    assert eventually(lambda: not target.client().info("persistence")["loading"])
    assert_same(target, before)


def test_a_mirror_needs_no_room_beside_what_it_replaces(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source, target = start_server(newest), start_server(newest)
    source.client().mset({f"key:{number}": os.urandom(50_000) for number in range(200)})
    take(source, tmp_path)
    target.client().mset({f"other:{number}": os.urandom(50_000) for number in range(200)})
    target.client().config_set("maxmemory", target.client().info("memory")["used_memory"] + 2_000_000)
    with pytest.raises(RefusedError, match="too little memory"):
        bring_back(target, tmp_path, mode="overwrite")
    assert mirror(target, tmp_path)["way"] == "replication"
    target.client().config_set("maxmemory", 2_000_000)
    refused(target, tmp_path, "too little memory")
