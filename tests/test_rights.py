"""Users of the source who may do little: what is enough, what is said to those who may not, in a shell and by ping."""

from pathlib import Path

import pytest

from tests.backups import bring_back, fill_all, take
from tests.conftest import StartServer
from tests.processes import CANARY, Shell, command, with_password
from tests.servers import Binary, Server
from tests.states import assert_same, state

# What a restore is about to touch is kept first, so that it can be undone.
KEEPING = " +exists +dump +pttl +pexpiretime +function|dump"
# ACL lines that are enough, each for one purpose (`ACL SETUSER name on >password ~* <line>`); a server that does not
# know a command, such as PEXPIRETIME before 7.0, is not given it.
LEAST_RIGHTS = {
    "backup by replication": "+ping +info +replconf +psync",
    "backup by scan": "+info +select +time +scan +dump +pttl +pexpiretime +function|dump",
    "backup by typed": (
        "+info +select +time +scan +type +pttl +pexpiretime +hpexpiretime +function|list "
        "+strlen +get +getrange +llen +lrange +scard +smembers +sscan +zcard +zrange +zscan +hlen +hgetall +hscan "
        "+xinfo +xrange +xpending"
    ),
    "restore rdb": "+info +select +time +restore +function|load" + KEEPING,
    "restore json": (
        "+info +select +time +restore +function|load +exists +del +rename +renamenx +expire +pexpireat +persist "
        "+hpexpireat +multi +exec +set +append +rpush +sadd +zadd +hset +xadd +xsetid +xgroup +xclaim" + KEEPING
    ),
    "mirror by keys": (
        "+info +select +time +restore +function|load +scan +unlink +function|list +function|delete" + KEEPING
    ),
    "mirror by replication": (
        "+info +select +time +restore +function|load +scan +unlink +config|get +replicaof" + KEEPING
    ),
    "undo": "+info +select +time +restore +function|load +unlink +function|delete" + KEEPING,
}


def let_in(server: Server, rights: str, user: str = "lean") -> str:
    """Make a user with these rights and no others: the URL to come in by."""
    words = [word for word in rights.split() if _knows(server, word[1:].partition("|")[0])]
    command(server, "ACL", "SETUSER", user, "reset", "on", f">{CANARY}", "~*", *words)
    return with_password(server, user=user)


def _knows(server: Server, name: str) -> bool:
    return bool(command(server, "COMMAND", "INFO", name) != [None])


@pytest.mark.parametrize("purpose", [purpose for purpose in LEAST_RIGHTS if purpose.startswith("backup")])
def test_the_least_rights_are_enough_for_a_backup(
    purpose: str, binary: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source, other = fill_all(start_server(binary)), start_server(binary)
    engine = purpose.rsplit(maxsplit=1)[-1]
    shell = Shell(let_in(source, LEAST_RIGHTS[purpose]), tmp_path / "backups", tmp_path, forked=True)
    made = shell("backup", "--json", "--engine", engine, "--format", "json" if engine == "typed" else "rdb")
    assert (made.code, made.err) == (0, "")
    typed = engine == "typed"
    assert ["without a checksum" in one for one in made.data["warnings"]] == [True] * typed
    bring_back(other, shell.storage)
    assert_same(other, source, times=not typed)
    refused = [entry["object"] for entry in source.client().acl_log() if entry["reason"] == "command"]
    # Where DUMP is allowed a sample is compared with it.
    assert refused == ["dump"] * typed


@pytest.mark.parametrize("data_format", ["rdb", "json"])
@pytest.mark.parametrize("mode", ["skip", "overwrite"])
def test_the_least_rights_are_enough_for_a_restore(
    data_format: str, mode: str, binary: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source, target = fill_all(start_server(binary)), start_server(binary)
    take(source, tmp_path / "backups", format=data_format)
    shell = Shell(let_in(target, LEAST_RIGHTS[f"restore {data_format}"]), tmp_path / "backups", tmp_path, forked=True)
    done = shell("restore", "latest", "--mode", mode, "--yes")
    assert (done.code, done.err) == (0, "")
    assert_same(target, source, times=data_format == "rdb")


def test_the_least_rights_are_enough_for_an_undo(binary: Binary, start_server: StartServer, tmp_path: Path) -> None:
    source, target = fill_all(start_server(binary)), start_server(binary)
    take(source, tmp_path / "backups")
    target.client().set("text", "there before")
    before = state(target)
    report = bring_back(target, tmp_path / "backups", mode="overwrite")
    shell = Shell(let_in(target, LEAST_RIGHTS["undo"]), tmp_path / "backups", tmp_path, forked=True)
    done = shell("undo", report["undo"]["name"], "--yes")
    assert (done.code, done.err) == (0, "")
    assert_same(target, before)


@pytest.mark.parametrize("way", ["keys", "replication"])
def test_the_least_rights_are_enough_for_a_mirror_and_for_its_undo(
    way: str, binary: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source, target = fill_all(start_server(binary)), start_server(binary)
    take(source, tmp_path / "backups")
    target.client().mset({"text": "there before", "other": "x"})
    before = state(target)
    shell = Shell(let_in(target, LEAST_RIGHTS[f"mirror by {way}"]), tmp_path / "backups", tmp_path, forked=True)
    done = shell("restore", "latest", "--mode", "mirror", "--yes", "--json")
    assert (done.code, done.err, done.data["way"]) == (0, "", way)
    assert_same(target, source)
    rights = LEAST_RIGHTS["undo"] + " +scan"
    undone = Shell(let_in(target, rights), tmp_path / "backups", tmp_path, forked=True)
    assert undone("undo", done.data["undo"]["name"], "--yes", "--force").code == 0
    assert_same(target, before)


def test_a_user_who_may_not_psync_gets_a_backup_by_scan_that_says_why(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source = start_server(newest)
    source.client().set("key", "value")
    made = Shell(let_in(source, LEAST_RIGHTS["backup by scan"]), tmp_path / "backups", tmp_path, forked=True)(
        "backup", "--json"
    )
    assert made.code == 0
    assert made.data["engine"] == "scan"
    assert "PSYNC was refused: NOPERM" in made.data["engine_reason"]


def test_ping_names_the_rights_that_are_missing_and_they_are_enough(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source = start_server(newest)
    source.client().set("key", "value")
    shell = Shell(let_in(source, "+info +ping"), tmp_path / "backups", tmp_path, forked=True)
    told = shell("ping", "--json")
    assert told.code == 0
    assert (told.data["may_backup"], told.data["may_restore"]) == (False, False)
    missing = told.data["missing_acl"]
    assert "+psync" in missing["replication"].split()
    assert {"+scan", "+dump"} <= set(missing["scan"].split())
    assert {"+restore", "+exists", "+unlink"} <= set(missing["restore"].split())
    assert {"+scan", "+config|get", "+replicaof"} <= set(missing["mirror"].split())
    people = shell("ping")
    assert all(f"ACL SETUSER <user> {words}" in people.out for words in missing.values())
    words = [word for line in missing.values() for word in line.split()]
    command(source, "ACL", "SETUSER", "lean", *words)
    again = shell("ping", "--json").data
    assert (again["may_backup"], again["may_restore"], again["missing_acl"]) == (True, True, {})
    assert shell("backup").code == 0
    mirrored = shell("restore", "latest", "--mode", "mirror", "--yes", "--json").data
    assert (mirrored["way"], mirrored["undo"]["days"]) == ("replication", 7)
    assert shell("undo", mirrored["undo"]["name"], "--yes").code == 0


def test_to_ask_a_replica_what_is_allowed_leaves_it_one(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    primary, replica = start_server(newest), start_server(newest)
    replica.client().replicaof("127.0.0.1", str(primary.port))
    Shell(replica.url, tmp_path / "backups", tmp_path, forked=True)("ping")
    told = replica.client().info("replication")
    assert (told["role"], told["master_port"]) == ("slave", primary.port)
