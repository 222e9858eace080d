"""A target that cannot be written, or not to the end: told beforehand, or with counts."""

import re
from collections.abc import Callable
from os import urandom

import pytest

from tests.cli.house import House, nobody_there
from tests.support.backups import take
from tests.support.processes import CANARY, command, damaged_dump, eventually, with_password
from tests.support.servers import Server
from tests.support.states import caught_up


def _full(house: House) -> Server:
    target = house.second("--maxmemory", "1mb", "--maxmemory-policy", "noeviction")
    command(target, "DEBUG", "POPULATE", 5000)
    return target


def _read_only_replica(house: House) -> Server:
    target = house.second("--replicaof", "127.0.0.1", str(house.source.port), "--masterauth", CANARY)
    eventually(lambda: caught_up(target, house.source), "the replica to have it all")
    return target


def _cluster(house: House) -> Server:
    return house.second(cluster=True)


def _one_database(house: House) -> Server:
    house.source.client(3).set("in", "three")
    take(house.source, house.shell.storage)
    return house.second("--databases", "1")


def _may_not_write(house: House) -> Server:
    target = house.second()
    command(target, "ACL", "SETUSER", "poor", "on", f">{CANARY}", "~*", "+@read", "+info", "+select")
    house.settings["REDIS_URL"] = with_password(target, user="poor")
    return target


TARGETS: dict[str, tuple[Callable[[House], Server], str]] = {
    "full": (_full, "too little memory: maxmemory is 1,048,576 bytes"),
    "a replica": (_read_only_replica, "is a replica, which takes no writes: name its primary"),
    "a node of a cluster": (_cluster, "is a node of a cluster"),
    "short of a database": (_one_database, "has no database 3"),
    "not to be written by this user": (_may_not_write, "NOPERM|does not allow"),
}


@pytest.mark.parametrize("what", TARGETS)
def test_nothing_is_restored_into_a_target_that_is(what: str, house: House) -> None:
    arrange, words = TARGETS[what]
    target = arrange(house)
    house.refuses("restore", "latest", words=words, watched=target)


def test_nothing_is_restored_into_a_target_that_cannot_be_reached(house: House) -> None:
    nobody_there(house)
    house.refuses("restore", "latest", words=r"target at 127\.0\.0\.1:\d+ cannot be reached")


@pytest.mark.parametrize("data_format", ["rdb", "json"])
def test_a_target_that_fills_up_on_the_way_is_told_with_counts(data_format: str, house: House) -> None:
    pipe = house.source.client().pipeline()
    for number in range(2000):
        pipe.rpush(f"list:{number}", *(urandom(60) for _ in range(50)))
    pipe.execute()
    name = take(house.source, house.shell.storage, format=data_format)["name"]
    # More than the dump has bytes: otherwise it could not go in whatever is said.
    target = house.second("--maxmemory", "6500kb", "--maxmemory-policy", "noeviction")
    ended = house.run("restore", name, "--force")
    kept = len(target.client().keys("[kl]*"))
    assert ended.code == 1
    assert f", not to its end: {kept:,} restored, " in ended.out
    assert re.search(rf"OOM .*Until then: {kept:,} restored, .*Run the same again to complete it\.$", ended.err)
    assert 0 < kept < 2000
    assert "Traceback" not in ended.err


def test_a_user_who_may_not_write_is_told_so_before_a_value_is_built(house: House) -> None:
    house.source.client().rpush("list", *range(10))
    name = take(house.source, house.shell.storage, format="json")["name"]
    target = house.second()
    command(target, "ACL", "SETUSER", "poor", "on", f">{CANARY}", "~*", "+@all", "-rpush")
    house.settings["REDIS_URL"] = with_password(target, user="poor")
    ended = house.run("restore", name, "--type", "list")
    assert ended.code == 1
    assert re.fullmatch(r"Error: The target .*does not allow a restore: .*lacks \+rpush\..*\n", ended.err)
    assert target.client().dbsize() == 0


def test_a_restore_with_a_key_that_cannot_be_written_exits_with_1_and_names_it(house: House) -> None:
    house.source.client().hset("good", mapping={"field": "value"})
    file = house.folder / "damaged.rdb"
    file.write_bytes(damaged_dump())
    name = house.run("adopt", str(file), "--damaged", "--json").data["name"]
    ended = house.run("restore", name, "--match", "*ed")
    assert ended.code == 1
    assert "1 restored, 0 skipped, 0 expired, 1 failed" in ended.out
    assert re.search(
        r"^  failed: database 0, hash 'damaged': its value is damaged, and the target was not given it",
        ended.out,
        re.MULTILINE,
    )
    assert house.source.client().get("unharmed") == b"x"
