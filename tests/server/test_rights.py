"""Users who may do little: what is enough for each operation, what is said to those who may less, in a shell and by ping."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.backups import bring_back, fill_all, take
from tests.support.processes import ROOT, Ended, Shell, command, let_in, with_password
from tests.support.servers import Binary, Server
from tests.support.states import State, assert_same, state
from worker.server import refusals, rights
from worker.server.endpoint import TARGET, Endpoint

QUICK = (
    *("backup by scan", "restore of json, overwrite", "whole restore as one file", "mirror as one file"),
    "preview of a mirror",
)
"""One of each kind; the others belong to the slow set."""
WAYS = {"mirror as one file": "replication", "mirror key by key": "keys"}
MODES = {"preview": "overwrite", "preview of a mirror": "mirror"}


def operations(kind: str) -> list[Any]:
    """Those whose names begin so."""
    return [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in rights.OPERATIONS
        if name.startswith(kind)
    ]


def least(server: Server, operation: str) -> str:
    return rights.line(operation, server.binary.name, server.binary.release)


def best(server: Server, operation: str) -> str:
    """The least, and all that it does better with."""
    better = rights.OPERATIONS[operation].better.split()
    known = [one for one in better if rights.is_known(one, server.binary.name, server.binary.release)]
    return f"{least(server, operation)} {rights.as_acl(known)}"


def refused(server: Server) -> set[str]:
    """The commands that somebody was not allowed."""
    return {str(entry["object"]) for entry in server.client().acl_log()}


def without_functions(server: Server) -> State:
    return replace(state(server), functions=[])


class Scene:
    """A server that was backed up in both formats, one to write to, and a shell with a user who may just do one thing."""

    def __init__(self, binary: Binary, start_server: StartServer, folder: Path) -> None:
        self.source, self.other, self.folder = fill_all(start_server(binary)), start_server(binary), folder
        client = self.source.client()
        # Pending entries that are gone, in the middle and at the head: to build those takes XDEL and XTRIM.
        client.xdel("stream", "1700000000000-1", "1700000000000-2", "1700000000000-8")

    def taken(self, data_format: str = "rdb") -> str:
        return str(take(self.source, self.folder / "backups", format=data_format)["name"])

    def shell(self, server: Server, acl: str) -> Shell:
        return Shell(let_in(server, acl), self.folder / "backups", self.folder)


@pytest.fixture
def scene(binary: Binary, start_server: StartServer, tmp_path: Path) -> Scene:
    return Scene(binary, start_server, tmp_path)


def good(ended: Ended) -> Any:
    assert (ended.code, ended.err) == (0, "")
    return ended.data


@pytest.mark.parametrize("operation", operations("backup"))
def test_the_least_rights_are_enough_for_a_backup(operation: str, scene: Scene) -> None:
    source, engine = scene.source, operation.rsplit(maxsplit=1)[-1]
    made = backed_up(scene, least(source, operation), engine)
    blind = engine != "replication" and source.binary.version >= (7, 0)
    assert any("function libraries are not in this backup" in one for one in made["warnings"]) == blind
    assert_same_keys(bring(scene.other, scene), source, times=engine != "typed")


@pytest.mark.slow
@pytest.mark.parametrize("operation", operations("backup"))
def test_a_backup_asks_for_no_more_than_its_line_says(operation: str, scene: Scene) -> None:
    source, engine = scene.source, operation.rsplit(maxsplit=1)[-1]
    made = backed_up(scene, best(source, operation), engine)
    assert refused(source) == set()
    assert len(made["warnings"]) == (engine == "typed")
    assert_same(bring(scene.other, scene), source, times=engine != "typed")


def backed_up(scene: Scene, acl: str, engine: str) -> Any:
    data_format = "json" if engine == "typed" else "rdb"
    return good(scene.shell(scene.source, acl)("backup", "--json", "--engine", engine, "--format", data_format))


def bring(server: Server, scene: Scene, name: str = "latest") -> Server:
    bring_back(server, scene.folder / "backups", name)
    return server


def assert_same_keys(one: Server, other: Server, *, times: bool) -> None:
    assert_same(replace(state(one, times=times), functions=[]), replace(state(other, times=times), functions=[]))


@pytest.mark.parametrize("operation", operations("restore"))
def test_the_least_rights_are_enough_for_a_restore(operation: str, scene: Scene) -> None:
    target = scene.other
    target.client().set("there before", "and left alone")
    report = restored(scene, least(target, operation), operation)
    assert report["undo"]["days"] == 7
    target.client().delete("there before")
    assert_same_keys(target, scene.source, times="rdb" in operation)


@pytest.mark.slow
@pytest.mark.parametrize("operation", operations("restore"))
def test_a_restore_asks_for_no_more_than_its_line_says(operation: str, scene: Scene) -> None:
    target = scene.other
    target.client().set("text", "there before")
    restored(scene, best(target, operation), operation)
    assert refused(target) == set()
    target.client().set("text", scene.source.client().get("text") or b"")
    assert_same(target, scene.source, times="rdb" in operation)


def restored(scene: Scene, acl: str, operation: str) -> Any:
    data_format, mode = re.findall("rdb|json|skip|overwrite", operation)
    scene.taken(data_format)
    return good(scene.shell(scene.other, acl)("restore", "latest", "--mode", mode, "--yes", "--json"))


@pytest.mark.parametrize("rightly", [least, pytest.param(best, marks=pytest.mark.slow)])
def test_the_least_rights_are_enough_for_a_whole_restore_as_one_file(
    rightly: Callable[[Server, str], str], scene: Scene
) -> None:
    source, target = scene.source, scene.other
    scene.taken()
    shell = scene.shell(target, rightly(target, "whole restore as one file"))
    done = good(shell("restore", "latest", "--json", RESTORE_WHOLE_KEYS="1"))
    assert (done["way"], done["undo"]["keys"]) == ("replication", 0)
    assert_same(target, source)
    assert rightly is least or refused(target) == set()


@pytest.mark.parametrize("operation", operations("mirror"))
def test_the_least_rights_are_enough_for_a_mirror_and_for_its_undo(operation: str, scene: Scene) -> None:
    source, target = scene.source, scene.other
    scene.taken()
    target.client().mset({"text": "there before", "other": "x"})
    before = state(target)
    done = good(
        scene.shell(target, least(target, operation))("restore", "latest", "--mode", "mirror", "--yes", "--json")
    )
    assert done["way"] == WAYS[operation]
    assert_same_keys(target, source, times=True)
    undone = scene.shell(target, least(target, "undo"))("undo", done["undo"]["name"], "--yes", "--force")
    assert undone.code == 0
    assert_same(without_functions(target), before)


@pytest.mark.slow
@pytest.mark.parametrize("operation", WAYS)
def test_a_mirror_asks_for_no_more_than_its_line_says(operation: str, scene: Scene) -> None:
    source, target = scene.source, scene.other
    scene.taken()
    acl = best(target, operation).replace("+config|get", "" if "key by key" in operation else "+config|get")
    done = good(scene.shell(target, acl)("restore", "latest", "--mode", "mirror", "--yes", "--json"))
    assert done["way"] == WAYS[operation]
    assert refused(target) <= {"config|get", "config"}
    assert_same(target, source)


@pytest.mark.parametrize("rightly", [least, pytest.param(best, marks=pytest.mark.slow)])
def test_the_least_rights_are_enough_for_an_undo(rightly: Callable[[Server, str], str], scene: Scene) -> None:
    target = scene.other
    scene.taken()
    target.client().set("text", "there before")
    before = state(target)
    kept = bring_back(target, scene.folder / "backups", mode="overwrite")["undo"]["name"]
    assert scene.shell(target, rightly(target, "undo"))("undo", kept, "--yes").code == 0
    if rightly is least:
        assert_same(without_functions(target), before)
    else:
        assert_same(target, before)
        assert refused(target) == set()


@pytest.mark.parametrize("operation", operations("preview"))
def test_the_least_rights_are_enough_for_a_preview_which_says_what_the_restore_lacks(
    operation: str, scene: Scene
) -> None:
    target, mode = scene.other, MODES[operation]
    scene.taken("json")
    target.client().mset({"text": "there before", "only there": "x"})
    asked = ("preview", "latest", "--mode", mode, "--json")
    told = good(scene.shell(target, least(target, operation))(*asked))
    assert told["counts"]["differs"] == 1
    assert told["counts"].get("deleted", 0) == (mode == "mirror")
    assert "+xdel +xtrim" in told["refusal"]
    assert "ACL SETUSER lean +set +del" in told["refusal"]
    given = re.findall(r"ACL SETUSER lean ([^`]*)`", told["refusal"])[0]
    assert good(scene.shell(target, f"{best(target, operation)} {given}")(*asked))["refusal"] is None


@pytest.mark.slow
@pytest.mark.parametrize("asked", [("search", "text"), ("search", "--match", "t*")])
def test_the_least_rights_are_enough_for_a_search(asked: tuple[str, ...], scene: Scene) -> None:
    scene.taken()
    for acl in (least(scene.source, "search"), best(scene.source, "search")):
        scene.source.client().acl_log_reset()
        told = good(scene.shell(scene.source, acl)(*asked, "--json"))
        assert "text" in str(told)
        assert "live" in str(told)
    assert refused(scene.source) == set()


def test_the_least_rights_are_enough_for_statistics(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(newest)
    told = Shell(let_in(server, least(server, "stats")), tmp_path / "backups", tmp_path)("stats", "--json")
    assert good(told)["source"]["reachable"]
    assert refused(server) == set()


def test_a_restore_without_a_right_writes_nothing_and_says_which(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    scene = Scene(newest, start_server, tmp_path)
    target = scene.other
    scene.taken("json")
    acl = least(target, "restore of json, overwrite").replace("+xdel", "").replace("+rpush", "")
    ended = scene.shell(target, acl)("restore", "latest", "--mode", "overwrite", "--yes")
    assert ended.code == 1
    assert "does not allow a restore: the user lean lacks +rpush +xdel." in ended.err
    assert "ACL SETUSER lean +rpush +xdel" in ended.err
    assert target.client().dbsize() == 0
    command(target, "ACL", "SETUSER", "lean", "+rpush", "+xdel")
    url = with_password(target, user="lean")
    good(
        Shell(url, scene.folder / "backups", scene.folder)(
            "restore", "latest", "--mode", "overwrite", "--yes", "--json"
        )
    )


def test_a_user_who_may_not_psync_gets_a_backup_by_scan_that_says_why(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source = start_server(newest)
    source.client().set("key", "value")
    shell = Shell(let_in(source, least(source, "backup by scan")), tmp_path / "backups", tmp_path)
    made = good_or_warned(shell("backup", "--json"))
    assert made["engine"] == "scan"
    assert "PSYNC was refused: NOPERM" in made["engine_reason"]


def good_or_warned(ended: Ended) -> Any:
    assert ended.code == 0
    return ended.data


@pytest.mark.slow
def test_ping_names_what_each_operation_lacks_and_that_is_enough(
    binary: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source = start_server(binary)
    source.client().set("key", "value")
    shell = Shell(let_in(source, "+info +ping"), tmp_path / "backups", tmp_path)
    told = good(shell("ping", "--json"))
    assert (told["may_backup"], told["may_restore"]) == (False, False)
    assert {name for name, one in told["rights"].items() if one["allowed"]} == {"stats"}
    people = shell("ping").out
    for operation, one in told["rights"].items():
        given = least(source, operation)
        assert sorted(one["missing"].split()) == sorted(set(given.split()) - {"+info", "+ping"})
        assert not one["missing"] or f"not allowed: ACL SETUSER lean {one['missing']}" in people
        let_in(source, f"+info +ping {given}")
        again = shell("ping", "--json").data["rights"][operation]
        assert (again["allowed"], again["missing"]) == (True, "")
    assert source.client().keys() == [b"key"]
    everything = " ".join(f"{one['missing']} {one['better']}" for one in told["rights"].values())
    let_in(source, f"+info +ping {everything}")
    assert {(one["missing"], one["better"]) for one in shell("ping", "--json").data["rights"].values()} == {("", "")}


@pytest.mark.every_server
def test_a_server_is_asked_for_no_right_that_it_does_not_know(binary: Binary, start_server: StartServer) -> None:
    server = start_server(binary)
    for operation in rights.OPERATIONS:
        command(server, "ACL", "SETUSER", "lean", "reset", *best(server, operation).split())
    unknown = [one for one in rights.ALL if not rights.is_known(one, binary.name, binary.release)]
    for one in unknown:
        assert command(server, "COMMAND", "INFO", one) == [None]
    let_in(server, "+info")
    assert not set(unknown) & set(refusals.missing(Endpoint(with_password(server, user="lean"), TARGET), rights.ALL))


@pytest.mark.every_server
def test_to_try_rights_changes_nothing(binary: Binary, start_server: StartServer) -> None:
    server = start_server(binary)
    everybody, nobody = Endpoint(server.url, TARGET), Endpoint(let_in(server, "+info"), TARGET)
    assert refusals.missing(everybody, rights.ALL) == []
    # A transaction that may not be begun must not let through what was to be lined up in it.
    writer = Endpoint(let_in(server, "~* +@all -multi", "writer"), TARGET)
    assert refusals.missing(writer, rights.ALL) == ["append", "multi", "rpush", "sadd"]
    assert len(refusals.missing(nobody, rights.ALL)) > 40
    assert server.client().dbsize() == 0
    assert server.client().info("replication")["role"] == "master"


def test_keys_out_of_bounds_are_told_as_such(newest: Binary, start_server: StartServer) -> None:
    server = start_server(newest)
    some = Endpoint(let_in(server, "~mine:* +@all"), TARGET)
    assert refusals.missing(some, ["scan", "dump", "restore"]) == ["~*"]


def test_to_ask_a_replica_what_is_allowed_leaves_it_one_and_says_that_nothing_is_restored_there(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    primary, replica = start_server(newest), start_server(newest)
    replica.client().replicaof("127.0.0.1", str(primary.port))
    told = Shell(replica.url, tmp_path / "backups", tmp_path)("ping", "--json")
    assert told.data["may_restore"] is False
    assert told.data["rights"]["undo"]["why"] == "it is a replica, which takes no writes"
    facts = replica.client().info("replication")
    assert (facts["role"], facts["master_port"]) == ("slave", primary.port)


def test_the_guide_says_what_the_table_says() -> None:
    section = (ROOT / "docs/guide.md").read_text().partition("\n## Rights\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    newest = ("redis", (99,))
    assert rows == [
        "| "
        + " | ".join((name, f"`{_cell(rights.line(name, *newest))}`", f"`{_cell(better)}`" if better else ""))
        + " |"
        for name, needs in rights.OPERATIONS.items()
        for better in (rights.as_acl(needs.better.split()),)
    ]


def _cell(acl: str) -> str:
    return acl.replace("|", "\\|")
