"""A node of a cluster, and a Sentinel: recognised by every verb, and said to be what they are."""

from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.backups import bring_back, manifest_of, take
from tests.support.processes import Shell, command, eventually
from tests.support.sentinels import watched
from tests.support.servers import Binary, Server
from tests.support.states import assert_same
from worker.backups.retention.decide import decide
from worker.backups.retention.policy import Policy
from worker.errors import RefusedError
from worker.repository import catalogue
from worker.server import slots
from worker.storage.local import Folder

SLOTS = (0, 5460)
NAMES = [f"key:{number}" for number in range(60)]


def node_of(start_server: StartServer, binary: Binary, last: int = SLOTS[1]) -> Server:
    """A node with the slots from 0 to the last, and keys in those."""
    node = start_server(binary, "--cluster-require-full-coverage", "no", cluster=True)
    command(node, "CLUSTER", "ADDSLOTS", *range(last + 1))
    eventually(lambda: b"cluster_state:ok" in command(node, "CLUSTER", "INFO"), "the cluster to be ok")
    for name in NAMES:
        if int(command(node, "CLUSTER", "KEYSLOT", name)) <= last:
            command(node, "SET", name, "here")
    return node


@pytest.mark.parametrize(
    ("engine", "data_format"),
    [
        ("replication", "rdb"),
        pytest.param("scan", "rdb", marks=pytest.mark.slow),
        pytest.param("typed", "json", marks=pytest.mark.slow),
    ],
)
def test_a_backup_of_a_node_is_a_part_and_says_which_slots_it_has(
    engine: str, data_format: str, binary: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    node, other = node_of(start_server, binary), start_server(binary)
    made = take(node, tmp_path, engine=engine, format=data_format)
    assert (made["kind"], made["source"]["slots"], made["keys"]) == ("part", "0-5460", node.client().dbsize())
    assert made["warnings"][0] == (
        f"It is a part: the source at 127.0.0.1:{node.port} is one node of a cluster and has 5,461 of the 16,384 slots "
        "(0-5460). Back up each of the other nodes by its own address."
    )
    report = bring_back(other, tmp_path, made["name"])
    assert f"{made['name']} is a part: it does not hold all the keys that there were." in report["warnings"]
    assert_same(other, node)


def test_a_node_with_all_slots_gives_a_whole_backup(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    made = take(node_of(start_server, newest, slots.ALL - 1), tmp_path)
    assert (made["kind"], made["source"]["slots"], made["keys"]) == ("backup", "0-16383", len(NAMES))


def test_a_node_that_does_not_tell_its_slots_gives_a_part(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    node = node_of(start_server, newest)
    command(node, "ACL", "SETUSER", "default", "-cluster")
    made = take(node, tmp_path)
    assert (made["kind"], made["source"]["slots"]) == ("part", None)
    assert "does not tell which slots it has, for which this user needs +cluster|nodes" in made["warnings"][0]


def test_a_part_is_never_the_latest_and_keeps_the_promise_of_the_schedule_for_its_node(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    node = node_of(start_server, newest)
    shell = Shell(node.url, tmp_path / "backups", tmp_path)
    made = take(node, shell.storage, unless_younger_than_hours=24)
    assert made["kind"] == "part", made
    again = take(node, shell.storage, unless_younger_than_hours=24)
    assert again == {"skipped": f"{made['name']} is younger than 24 hours"}
    assert shell("backup").code == 0
    assert "(part)" in shell("list").out
    assert shell("verify", "latest").code == 1
    assert "There is no backup" in shell("restore", "latest").err
    refused = shell("restore", made["name"], "--mode", "mirror", "--yes")
    assert refused.code == 1
    assert "is a node of a cluster" in refused.err
    found = catalogue.read(Folder(tmp_path / "backups"))
    assert (len(found.partials), found.backups) == (2, [])


def test_parts_push_out_each_other_and_nothing_else() -> None:
    good = [manifest_of(f"redis_backup_2026010{day}_000000.rdb") for day in (1, 2)]
    parts = [manifest_of(f"redis_backup_2026020{day}_000000.rdb", kind="part") for day in range(1, 6)]
    found = decide([*good, *parts], [], Policy(keep=3, keep_manual=3, undo_days=7), parts[-1].created_at)
    assert {one.manifest.name for one in found if not one.keep} == {one.name for one in parts[:2]}
    assert {one.reason for one in found if not one.keep} == {"a part, older than the 3 newest such of the schedule"}


@pytest.mark.parametrize("mode", ["skip", "overwrite", "mirror"])
def test_a_restore_into_a_node_is_refused_before_anything_is_written_and_says_what_to_do(
    mode: str, newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source, node = start_server(newest), node_of(start_server, newest)
    source.client().set("key", "value")
    take(source, tmp_path)
    before = node.client().dbsize()
    with pytest.raises(
        RefusedError, match=r"a node of a cluster.*restore into a server that holds all the keys itself"
    ):
        bring_back(node, tmp_path, mode=mode)
    assert node.client().dbsize() == before


def test_every_verb_knows_a_node(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    node = node_of(start_server, newest)
    shell = Shell(node.url, tmp_path / "backups", tmp_path)
    told = shell("ping", "--json").data
    assert (told["may_backup"], told["may_restore"], told["facts"]["cluster"]) == (True, False, True)
    assert told["rights"]["undo"]["why"] == "it is a node of a cluster, which holds only some of the keys"
    assert "Restore" in shell("ping").out
    name = shell("backup", "--json").data["name"]
    here, elsewhere = (
        next(one for one in NAMES if (int(command(node, "CLUSTER", "KEYSLOT", one)) <= SLOTS[1]) == is_here)
        for is_here in (True, False)
    )
    assert "live" in shell("search", here).out
    said = shell("search", elsewhere)
    assert "is a node of a cluster, and" in said.out + said.err
    assert "name the node that has them" in said.out + said.err
    assert "'MOVED" not in said.out + said.err
    previewed = shell("preview", name, "--json").data
    assert "is a node of a cluster" in previewed["refusal"]


def test_every_verb_knows_a_sentinel(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    primary = start_server(newest)
    primary.client().set("key", "value")
    name = take(primary, tmp_path / "backups")["name"]
    with watched(newest, tmp_path / "sentinel", primary) as sentinel:
        shell = Shell(f"redis://127.0.0.1:{sentinel.port}/0", tmp_path / "backups", tmp_path)
        for words in (
            ("ping",),
            ("backup",),
            ("restore", name),
            ("preview", name),
            ("restore", name, "--mode", "mirror", "--yes"),
        ):
            said = shell(*words)
            assert said.code == 1, words
            assert (
                f"at 127.0.0.1:{sentinel.port} is a Sentinel, which holds no data: write redis+sentinel://127"
                in said.err
            )
        searched = shell("search", "key")
        assert "is a Sentinel, which holds no data" in searched.out + searched.err
        assert "is a Sentinel" in shell("stats", "--json").data["source"]["error"]
