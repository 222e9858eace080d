"""A whole backup into an empty target goes in as one file, in the modes that leave alone what is there; else key by key."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.restore.mirror.mirrors import limited, role
from tests.restore.undo.undoing import counts, take_back
from tests.support.backups import eventually, fill_all, kill_myself, killed, settings_for, take
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.restore import RestoreArguments
from worker.config.settings import Settings
from worker.progress import Progress, silent
from worker.restore.mirror import handover, replicate
from worker.restore.mirror.password import agree
from worker.restore.mirror.primary import Primary
from worker.restore.mirror.whole import REASON
from worker.restore.restore import restore

LATE = "others have written there in the last moment: "
each_mode = pytest.mark.parametrize("mode", ["skip", "overwrite"])


def restored(
    server: Server, storage: Path, mode: str, progress: Progress = silent, *, told: Any = None, **settings: Any
) -> Any:
    """Restore the newest backup, however few keys it has; the report."""
    wanted = settings_for(server, storage, **{"restore_whole_keys": 1, **settings})
    return restore(wanted, RestoreArguments(**{"name": "latest", "mode": mode, **(told or {})}), progress)


def way(report: dict[str, Any]) -> tuple[str, str]:
    return report["way"], report["reason"]


@pytest.fixture
def backed_up(newest: Binary, start_server: StartServer, tmp_path: Path) -> Server:
    """A server that was backed up, and is empty now."""
    server = start_server(newest)
    server.client().mset({"a": "old", "b": "old"})
    take(server, tmp_path)
    server.client().flushall()
    return server


@each_mode
def test_it_is_loaded_as_one_file_and_can_be_undone(mode: str, source: Server, target: Server, tmp_path: Path) -> None:
    before, manifest = state(target), take(fill_all(source), tmp_path)
    report = restored(target, tmp_path, mode)
    assert (way(report), report["mode"], role(target)) == (("replication", REASON), mode, "master")
    shown = ("restored", "skipped", "differing", "expired", "failed", "deleted", "keys_before", "keys_after")
    assert [report[name] for name in shown] == [manifest["keys"], 0, 0, 0, 0, 0, 0, manifest["keys"]]
    assert_same(target, source)
    assert (report["undo"]["keys"], report["functions"]) == (0, manifest["functions"])
    assert counts(take_back(target, tmp_path)) == {"deleted": manifest["keys"]}
    assert_same(target, before)


def test_keys_that_have_expired_since_are_counted(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    source, target = start_server(newest), start_server(newest)
    source.client().set("stays", "x")
    source.client().set("gone", "x", px=500)
    assert take(source, tmp_path)["expiring"] == 1
    assert eventually(lambda: source.client().exists("gone") == 0)
    report = restored(target, tmp_path, "skip")
    assert (report["way"], report["restored"], report["expired"]) == ("replication", 1, 1)
    assert (target.client().get("stays"), target.client().get("gone")) == (b"x", None)


WRITTEN: dict[str, tuple[Callable[[Server], object], str]] = {
    "a key": (lambda server: server.client().mset({"a": "theirs", "other": "theirs"}), "the target is not empty"),
    "a function": (
        lambda server: server.client().function_load("#!lua name=own\nredis.register_function('own', function() end)"),
        "the target has functions",
    ),
}
each_thing = pytest.mark.parametrize(("write", "reason"), WRITTEN.values(), ids=WRITTEN)


def test_what_others_write_until_it_takes_no_writes_any_more_is_not_lost(
    backed_up: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = _written_to_meanwhile(WRITTEN["a key"][0], "skip", backed_up, tmp_path, monkeypatch)
    client = backed_up.client()
    assert way(report) == ("keys", f"{LATE}the target is not empty")
    assert (report["restored"], report["skipped"], report["differing"], role(backed_up)) == (1, 1, 1, "master")
    assert client.mget("a", "b", "other") == [b"theirs", b"old", b"theirs"]
    assert client.config_get("masterauth") == {"masterauth": ""}
    assert counts(take_back(backed_up, tmp_path)) == {"deleted": 1}
    assert client.mget("a", "b", "other") == [b"theirs", None, b"theirs"]


def test_what_an_overwrite_replaces_of_that_can_be_had_back(
    backed_up: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = _written_to_meanwhile(WRITTEN["a key"][0], "overwrite", backed_up, tmp_path, monkeypatch)
    client = backed_up.client()
    assert (report["restored"], report["undo"]["keys"]) == (2, 1)
    assert client.mget("a", "b", "other") == [b"old", b"old", b"theirs"]
    assert counts(take_back(backed_up, tmp_path)) == {"put_back": 1, "deleted": 1}
    assert client.mget("a", "b", "other") == [b"theirs", None, b"theirs"]


def test_a_function_that_others_load_until_then_is_not_lost_either(
    backed_up: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = _written_to_meanwhile(WRITTEN["a function"][0], "overwrite", backed_up, tmp_path, monkeypatch)
    assert (way(report), report["restored"]) == (("keys", f"{LATE}the target has functions"), 2)
    assert len(backed_up.client().function_list()) == 1


def _written_to_meanwhile(
    write: Callable[[Server], object], mode: str, server: Server, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Restore, while somebody writes in the last moment in which the target takes writes."""

    def late(*told: Any) -> Any:
        write(server)
        return agree(*told)

    monkeypatch.setattr(handover, "agree", late)
    return restored(server, storage, mode)


@each_mode
@each_thing
def test_what_is_there_stays_and_the_rest_goes_key_by_key(
    write: Callable[[Server], object], reason: str, mode: str, backed_up: Server, tmp_path: Path
) -> None:
    write(backed_up)
    report = restored(backed_up, tmp_path, mode)
    assert (way(report), report["failed"]) == (("keys", reason), 0)
    there = "theirs" in reason or backed_up.client().get("other") == b"theirs"
    assert there or len(backed_up.client().function_list()) == 1


PARTS: dict[str, dict[str, Any]] = {
    "a pattern": {"match": ["*"]},
    "databases": {"databases": "0"},
    "a map": {"map_databases": {0: 3}},
    "a prefix": {"prefix": "again:"},
    "an expiry": {"expiry": "persist"},
    "kinds": {"kinds": ["new"]},
}


@pytest.mark.parametrize("told", PARTS.values(), ids=PARTS)
def test_what_is_not_the_whole_backup_as_it_is_goes_key_by_key(
    told: dict[str, Any], backed_up: Server, tmp_path: Path
) -> None:
    report = restored(backed_up, tmp_path, "skip", told=told)
    assert (report["way"], report["restored"]) == ("keys", 2)
    assert report["reason"].startswith(("only a part of the backup", "its keys go elsewhere"))


def _full(server: Server) -> dict[str, Any]:
    server.client().config_set("maxmemory", "100mb")
    return {"told": {"force": True}}


UNFIT: dict[str, tuple[Callable[[Server], dict[str, Any]], str]] = {
    "too few keys": (lambda _: {"restore_whole_keys": 3}, "the backup has fewer than 3 keys (RESTORE_WHOLE_KEYS)"),
    "never": (lambda _: {"restore_whole_keys": 0}, "RESTORE_WHOLE_KEYS says so"),
    "filled until it is full": (_full, "the target may not have the memory for all of it"),
    "no REPLICAOF": (lambda server: limited(server, "-replicaof"), "the target does not allow REPLICAOF: NOPERM"),
    "it may not be asked for functions": (
        lambda server: limited(server, "-function|list"),
        "the target does not say whether it has functions: NOPERM",
    ),
    "it may not be asked for modules": (
        lambda server: limited(server, "-module"),
        "the target does not say whether it has modules: NOPERM",
    ),
    "nobody can listen": (lambda _: {"mirror_bind": "192.0.2.1"}, "nobody can listen on 192.0.2.1: Cannot assign"),
}


@pytest.mark.parametrize(("obstacle", "reason"), UNFIT.values(), ids=UNFIT)
def test_a_target_that_cannot_load_it_so_gets_it_key_by_key(
    obstacle: Callable[[Server], dict[str, Any]], reason: str, backed_up: Server, tmp_path: Path
) -> None:
    report = restored(backed_up, tmp_path, "skip", **obstacle(backed_up))
    assert (report["way"], report["restored"], report["failed"]) == ("keys", 2, 0)
    assert report["reason"].startswith(reason)


def test_a_target_with_replicas_and_one_that_carries_the_broker_get_it_key_by_key(
    backed_up: Server, start_server: StartServer, tmp_path: Path
) -> None:
    report = restored(backed_up, tmp_path, "skip", celery_result_backend=backed_up.url)
    assert way(report) == ("keys", "the broker runs on the target")
    backed_up.client().flushall()
    start_server(backed_up.binary).client().replicaof("127.0.0.1", str(backed_up.port))
    assert eventually(lambda: backed_up.client().info("replication")["connected_slaves"] == 1)
    report = restored(backed_up, tmp_path, "skip")
    assert (report["way"], "has replicas" in report["reason"], report["restored"]) == ("keys", True, 2)


class HangsUp(Primary):
    """One that ends the replication before the file is whole, as a target does that has no disk for it."""

    def send(self, *_: Any) -> Any:
        raise ConnectionResetError("it ended the replication")


def test_a_target_that_cannot_take_the_file_gets_it_key_by_key(
    backed_up: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicate, "Primary", HangsUp)
    report = restored(backed_up, tmp_path, "overwrite")
    assert (report["way"], report["restored"], role(backed_up)) == ("keys", 2, "master")
    assert report["reason"].startswith("it could not load it as one file: ")
    assert "is a primary again, and holds what it held before." in report["reason"]
    assert (report["undo"]["keys"], counts(take_back(backed_up, tmp_path))) == (0, {"deleted": 2})


@pytest.mark.parametrize("step", ["sending", "loading"])
def test_our_process_is_killed(step: str, backed_up: Server, tmp_path: Path) -> None:
    def progress(phase: str, current: int, total: int | None, unit: str) -> None:
        if phase == step:
            kill_myself()

    assert killed(lambda: restored(backed_up, tmp_path, "skip", progress))
    assert eventually(lambda: role(backed_up) == "master")
    assert set(backed_up.client().keys()) in (set(), {b"a", b"b"})
    report = restored(backed_up, tmp_path, "skip")
    assert report["restored"] + report["skipped"] == 2
    assert backed_up.client().mget("a", "b") == [b"old", b"old"]


def test_by_default_a_small_backup_is_written_key_by_key() -> None:
    assert Settings().restore_whole_keys == 100_000
