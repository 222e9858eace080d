"""A mirror, both ways: afterwards the target holds the backup and nothing else, and whatever happens it is a primary, and whole."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.conftest import StartServer
from tests.support.backups import Given, asking, bring_back, eventually, fill_all, rewrite, settings_for, take
from tests.support.gates import Disguise
from tests.support.processes import Shell
from tests.support.servers import Binary, Server, free_port
from tests.support.states import assert_same, state
from worker.arguments.backups import AdoptArguments
from worker.arguments.restore import RestoreArguments
from worker.backups.adopt import adopt
from worker.config.settings import Settings
from worker.errors import RefusedError, TargetError, UsageError
from worker.formats.entries import Entry, Opaque
from worker.formats.portable import document
from worker.formats.rdb.census import Census
from worker.formats.rdb.payload import crc64, seal
from worker.progress import silent
from worker.repository import catalogue
from worker.restore.mirror import handover, replicate
from worker.restore.mirror.primary import Primary
from worker.restore.restore import restore
from worker.storage.local import Folder


def role(server: Server) -> str:
    return str(server.client().info("replication")["role"])


def without_replicaof(server: Server) -> str:
    """The URL of a user there who may do all but that."""
    asking(server).execute_command("ACL", "SETUSER", "limited", "on", ">pw", "~*", "+@all", "-replicaof")
    return server.url.replace("//", "//limited:pw@")


def mirror(server: Server, storage: Path, way: str = "replication", **arguments: Any) -> Any:
    """Mirror the newest backup; the report."""
    settings = settings_for(server, storage, **({"redis_url": without_replicaof(server)} if way == "keys" else {}))
    return restore(settings, RestoreArguments(**{"name": "latest", "mode": "mirror"} | arguments), silent)


both_ways = pytest.mark.parametrize("way", ["replication", "keys"])


def other_data(server: Server) -> None:
    """What a server holds that is about to become a mirror: keys of the backup with other values, and others."""
    client = server.client()
    client.mset({f"other:{number}": "x" for number in range(1500)})
    client.set("text", "mine", ex=1000)
    client.rpush("hash:big", "another type")
    server.client(3).set("other", "x")
    server.client(7).set("in a database that the backup does not have", "x")
    if server.binary.version >= (7, 0):
        client.function_load("#!lua name=other\nredis.register_function('other', function() return 1 end)")


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


@pytest.fixture
def small(newest: Binary, start_server: StartServer) -> Server:
    return start_server(newest)


def test_a_unix_socket_leads_to_the_same_machine(small: Server, tmp_path: Path) -> None:
    small.client().set("k", "v")
    take(small, tmp_path)
    small.client().set("other", "x")
    settings = settings_for(small, tmp_path, redis_url=f"unix://{small.socket}")
    assert restore(settings, RestoreArguments(name="latest", mode="mirror"), silent)["way"] == "replication"
    assert small.client().keys() == [b"k"]


BY_KEYS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a part": ({}, {"match": "*"}, "only a part of the backup is meant"),
    "elsewhere": ({}, {"prefix": "new:"}, "its keys go elsewhere"),
    "other times": ({}, {"expiry": "floor:100"}, "expire at other times"),
    "json": ({"format": "json"}, {}, "no RDB file"),
    "some databases": ({"databases": {0}}, {}, "of some databases only"),
}


@pytest.mark.parametrize(("backup", "arguments", "words"), BY_KEYS.values(), ids=BY_KEYS)
def test_what_cannot_be_loaded_as_one_goes_key_by_key_and_says_why(
    backup: dict[str, Any], arguments: dict[str, Any], words: str, small: Server, tmp_path: Path
) -> None:
    server = small
    server.client().set("k", "v")
    take(server, tmp_path, **backup)
    report = mirror(server, tmp_path, **arguments)
    assert report["way"] == "keys"
    assert words in report["reason"]
    assert "not all or nothing" in " ".join(report["warnings"])


def test_an_adopted_file_goes_key_by_key(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    """A server that meets damage in a file has dropped its data by then, and does not start with that file again."""
    server = start_server(newest)
    server.client().set("k", "v")
    server.client().save()
    adopt(settings_for(server, tmp_path / "backups"), AdoptArguments(file=server.folder / "dump.rdb"), silent)
    server.client().set("other", "x")
    report = mirror(server, tmp_path / "backups")
    assert (report["way"], report["deleted"], server.client().keys()) == ("keys", 1, [b"k"])
    assert "adopted" in report["reason"]


@pytest.mark.parametrize(
    ("origin", "words"),
    [({"server": "garnet"}, "of a server of another make"), ({"version": "99.1.0"}, "of a newer server")],
)
def test_a_backup_of_a_server_that_the_target_may_not_understand_goes_key_by_key(
    origin: dict[str, str], words: str, small: Server, tmp_path: Path
) -> None:
    small.client().set("k", "v")
    take(small, tmp_path)
    (manifest,) = catalogue.read(Folder(tmp_path)).backups
    made = manifest.model_copy(update={"source": manifest.source.model_copy(update=origin)})
    rewrite(Folder(tmp_path), made)
    report = mirror(small, tmp_path)
    assert (report["way"], words in report["reason"]) == ("keys", True)


def _limited(server: Server, rule: str) -> dict[str, Any]:
    asking(server).execute_command("ACL", "SETUSER", "u", "on", ">pw", "~*", "+@all", rule)
    return {"redis_url": server.url.replace("//", "//u:pw@")}


def _disguised(server: Server, **disguise: Any) -> dict[str, Any]:
    return {"redis_url": f"redis://127.0.0.1:{Disguise(server.port, **disguise).port}/0"}


def _set(server: Server, name: str, value: str) -> dict[str, Any]:
    server.client().config_set(name, value)
    return {}


UNABLE: dict[str, tuple[Callable[[Server], dict[str, Any]], str]] = {
    "it is no real Redis": (lambda server: _disguised(server, unknown=b"repl-diskless-load"), "does not say whether"),
    "it has no id": (lambda server: _disguised(server, renamed=b"master_replid"), "no replication id"),
    "it takes writes as a replica": (lambda server: _set(server, "replica-read-only", "no"), "replica-read-only"),
    "it replicates over TLS": (lambda server: _disguised(server, yes=b"tls-replication"), "replicates over TLS only"),
    "it may not be asked": (lambda server: _limited(server, "-config"), "does not say whether it would keep its data"),
    "no REPLICAOF": (lambda server: _limited(server, "-replicaof"), "does not allow REPLICAOF: NOPERM"),
    "the port is taken": (
        lambda server: {"mirror_port": server.port},
        "nobody can listen on 127.0.0.1: Address already",
    ),
    "not our address": (lambda _: {"mirror_bind": "192.0.2.1"}, "nobody can listen on 192.0.2.1: Cannot assign"),
}


@pytest.mark.parametrize(("obstacle", "words"), UNABLE.values(), ids=UNABLE)
def test_a_target_that_cannot_load_it_as_one_gets_it_key_by_key(
    obstacle: Callable[[Server], dict[str, Any]],
    words: str,
    small: Server,
    tmp_path: Path,
) -> None:
    server = small
    server.client().set("k", "v")
    take(server, tmp_path)
    server.client().set("other", "x")
    settings = settings_for(server, tmp_path, **obstacle(server))
    report = restore(settings, RestoreArguments(name="latest", mode="mirror"), silent)
    assert report["way"] == "keys"
    assert re.search(words, report["reason"])
    assert (report["deleted"], server.client().keys(), role(server)) == (1, [b"k"], "master")


def test_a_target_that_is_reached_over_tls_gets_it_key_by_key(encrypted: Server, tmp_path: Path) -> None:
    encrypted.client().set("k", "v")
    take(encrypted, tmp_path)
    encrypted.client().set("other", "x")
    report = mirror(encrypted, tmp_path)
    assert (report["way"], report["deleted"], encrypted.client().keys()) == ("keys", 1, [b"k"])
    assert "encrypted" in report["reason"]


def test_where_a_key_cannot_be_written_nothing_is_deleted(small: Server, tmp_path: Path) -> None:
    """As where the target lacks a module: load it, and run the mirror again."""
    payload = b"\x07\x81" + (0x4964D87DB6990C00).to_bytes(8, "big") + b"\0"
    entries = [
        Entry(0, b"doc", None, "module", None, Opaque(seal(payload, 9))),
        Entry(0, b"k", None, "string", None, b"v"),
    ]
    (tmp_path / "given.json").write_bytes(b"".join(document.write(Given(entries), {})))
    adopt(settings_for(small, tmp_path / "backups"), AdoptArguments(file=tmp_path / "given.json"), silent)
    small.client().set("other", "x")
    report = mirror(small, tmp_path / "backups")
    assert (report["restored"], report["failed"], report["deleted"]) == (1, 1, 0)
    assert "Nothing was deleted, for not every key of the backup could be written." in report["warnings"]
    assert set(small.client().keys()) == {b"k", b"other"}


class Elsewhere(Primary):
    """One that listens where nobody looks for it, as behind a firewall."""

    def __init__(self, bind: str, port: int) -> None:
        super().__init__(bind, port)
        self.port = free_port()


def test_a_target_that_cannot_reach_us_gets_it_key_by_key(
    small: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "COMING_SECONDS", 0.3)
    monkeypatch.setattr(replicate, "Primary", Elsewhere)
    small.client().set("k", "v")
    take(small, tmp_path)
    other_data(small)
    report = mirror(small, tmp_path)
    assert report["way"] == "keys"
    assert (
        report["reason"] == "the target did not come to 127.0.0.1 to fetch the backup, see MIRROR_BIND and MIRROR_PORT"
    )
    assert (role(small), small.client().keys()) == ("master", [b"k"])


@pytest.fixture
def varied(newest: Binary, start_server: StartServer, tmp_path: Path) -> Server:
    """A server that was backed up, and that has more of everything now."""
    server = start_server(newest)
    for db in (0, 3):
        server.client(db).mset({"user:1": "Ann", "job:1": "x"})
        server.client(db).rpush("queue", "x")
    take(server, tmp_path)
    for db in (0, 3, 5):
        server.client(db).mset({"user:2": "Bob", "user:3:x": "x", "job:2": "x", "us*er": "x"})
        server.client(db).set(b"\xff\x00", "x")
        server.client(db).rpush("user:list", "x")
        server.client(db).hset("hash", "field", "x")
    return server


ALL = {b"user:2", b"user:3:x", b"job:2", b"us*er", b"\xff\x00", b"user:list", b"hash"}
USERS = {b"user:2", b"user:3:x", b"user:list"}


def everywhere(keys: set[bytes]) -> dict[int, set[bytes]]:
    return {0: keys, 3: keys, 5: keys}


REACH: dict[str, tuple[dict[str, Any], dict[int, set[bytes]]]] = {
    "all": ({}, everywhere(ALL)),
    "a pattern": ({"match": "user:*"}, everywhere(USERS)),
    "a pattern and an exception": (
        {"match": "user:*", "exclude": "*:x"},
        everywhere({b"user:2", b"user:list"}),
    ),
    "a star that is none": ({"match": "us\\*er"}, everywhere({b"us*er"})),
    "a type": ({"types": {"list"}}, everywhere({b"user:list"})),
    "named keys": ({"keys": {"job:2", "\\xff\\x00", "nothing"}}, everywhere({b"job:2", b"\xff\x00"})),
    "a database": ({"databases": {3}}, {3: ALL}),
    "a database that the backup has not": ({"databases": {3, 5}}, {3: ALL, 5: ALL}),
    "a database and a type": ({"databases": {0}, "types": {"hash"}}, {0: {b"hash"}}),
    "into another database": ({"map_databases": {0: 5}, "databases": {0}}, {5: ALL}),
    "all into others": ({"map_databases": {0: 5, 3: 6}}, {5: ALL}),
    "under a prefix": ({"prefix": "user:"}, everywhere(USERS)),
    "under a prefix, a pattern": ({"prefix": "user:", "match": "2"}, everywhere({b"user:2"})),
    "less a prefix": ({"strip_prefix": "user:", "match": "user:*"}, everywhere(ALL)),
    "less a prefix, a pattern": ({"strip_prefix": "user:", "match": "user:j*"}, everywhere({b"job:2"})),
}


def keys_by_db(server: Server) -> dict[int, set[bytes]]:
    return {db: set(asking(server, db).execute_command("KEYS", "*")) for db in (0, 3, 5, 6)}


@pytest.mark.parametrize(("arguments", "deleted"), REACH.values(), ids=REACH)
def test_it_deletes_only_what_the_request_reaches(
    arguments: dict[str, Any], deleted: dict[int, set[bytes]], varied: Server, tmp_path: Path
) -> None:
    before = keys_by_db(varied)
    renamed: set[bytes] = {b"user:1", b"job:1", b"queue"} if {"prefix", "strip_prefix"} & arguments.keys() else set()
    report = mirror(varied, tmp_path, "keys", **arguments)
    after = keys_by_db(varied)
    for db, keys in before.items():
        assert keys - after[db] - renamed == deleted.get(db, set()), db
    assert report["deleted"] == sum(len(keys - after[db]) for db, keys in before.items())


def test_a_backup_of_one_database_says_nothing_of_the_others(varied: Server, tmp_path: Path) -> None:
    name = take(varied, tmp_path, databases={0})["name"]
    before = keys_by_db(varied)
    for databases in (None, {0, 3}):
        varied.client().set("other", "x")
        assert mirror(varied, tmp_path, name=name, databases=databases)["deleted"] == 1
        assert keys_by_db(varied) == before


def test_a_pattern_that_fits_nothing_in_the_backup_still_deletes_what_it_fits(varied: Server, tmp_path: Path) -> None:
    report = mirror(varied, tmp_path, match="job:2")
    assert (report["restored"], report["deleted"]) == (0, 3)
    assert "No key of the backup fits: nothing was restored." in report["warnings"]


def test_what_was_deleted_and_overwritten_can_be_undone(varied: Server, tmp_path: Path) -> None:
    report = mirror(varied, tmp_path)
    assert report["undo"]["keys"] == 27


def refused(server: Server, storage: Path, words: str, **settings: Any) -> None:
    before = state(server)
    with pytest.raises(RefusedError, match=words):
        restore(settings_for(server, storage, **settings), RestoreArguments(name="latest", mode="mirror"), silent)
    for key in server.client(5).scan_iter("redis_backup:fence:*"):
        server.client(5).delete(key)  # what the broker remembers, where it is one
    assert_same(server, before)


@pytest.mark.parametrize("which", ["celery_broker_url", "celery_result_backend"])
def test_a_target_that_is_the_broker_too_is_refused(which: str, varied: Server, tmp_path: Path) -> None:
    refused(varied, tmp_path, "The broker runs on the target", **{which: varied.url.replace("/0", "/5")})


def test_a_broker_that_tells_us_nothing_is_known_by_its_address(varied: Server, tmp_path: Path) -> None:
    refused(varied, tmp_path, "The broker runs on the target", celery_broker_url=varied.url.replace("//", "//no:pw@"))


def test_a_target_with_replicas_is_refused_unless_forced(
    varied: Server, start_server: StartServer, newest: Binary, tmp_path: Path
) -> None:
    replica = start_server(newest)
    replica.client().replicaof("127.0.0.1", str(varied.port))
    assert eventually(lambda: varied.client().info("replication")["connected_slaves"] == 1)
    refused(varied, tmp_path, "has replicas.*--force")
    report = mirror(varied, tmp_path, force=True)
    assert (report["way"], report["deleted"]) == ("replication", 21)
    assert eventually(lambda: state(replica) == state(varied))


def test_a_replica_is_refused_and_what_may_have_made_it_one_is_said(
    varied: Server, start_server: StartServer, newest: Binary, tmp_path: Path
) -> None:
    primary = start_server(newest)
    varied.client().replicaof("127.0.0.1", str(primary.port))
    assert eventually(lambda: bool(varied.client().info("replication")["master_link_status"] == "up"))
    with pytest.raises(RefusedError, match=r"replica, which takes no writes: name its primary\.$"):
        mirror(varied, tmp_path)
    primary.kill()
    assert eventually(lambda: bool(varied.client().info("replication")["master_link_status"] == "down"))
    with pytest.raises(RefusedError, match=r"Its link to that is down: .* `REPLICAOF NO ONE` makes it a primary"):
        mirror(varied, tmp_path)


@pytest.mark.parametrize("command", ["scan", "unlink"])
def test_a_user_who_may_not_delete_is_told_so_before_anything_is_written(
    command: str, varied: Server, tmp_path: Path
) -> None:
    settings = settings_for(varied, tmp_path, **_limited(varied, f"-{command}"))
    before = state(varied)
    with pytest.raises(TargetError, match=rf"does not allow a mirror: .*lacks \+{command}\."):
        restore(settings, RestoreArguments(name="latest", mode="mirror", match=("user:*",)), silent)
    assert_same(varied, before)


def test_kinds_make_no_mirror(varied: Server, tmp_path: Path) -> None:
    before = state(varied)
    with pytest.raises(UsageError, match="A mirror is of all keys"):
        mirror(varied, tmp_path, kinds={"new"})
    assert_same(varied, before)


def test_a_file_of_a_version_that_the_target_does_not_load_goes_key_by_key(varied: Server, tmp_path: Path) -> None:
    varied.client().save()
    before = state(varied)
    dump = b"REDIS0079" + (varied.folder / "dump.rdb").read_bytes()[9:-8]
    (tmp_path / "new.rdb").write_bytes(dump + crc64(dump).to_bytes(8, "little"))
    settings = settings_for(varied, tmp_path / "backups")
    name = adopt(settings, AdoptArguments(file=tmp_path / "new.rdb"), silent)["name"]
    assert catalogue.get(Folder(tmp_path / "backups"), name).rdb_version == 79
    other_data(varied)
    report = mirror(varied, tmp_path / "backups", name=name)
    assert (report["way"], report["failed"]) == ("keys", 0)
    assert_same(varied, before)


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


def test_an_address_to_listen_on_must_be_one() -> None:
    assert Settings(mirror_bind="0.0.0.0").mirror_bind == "0.0.0.0"
    for wrong in ({"mirror_bind": "redis.example.com"}, {"mirror_port": 70_000}):
        with pytest.raises(ValidationError):
            Settings(**wrong)


@pytest.mark.parametrize(("answer", "left"), [("y\n", [b"k"]), ("n\n", [b"other"]), ("", [b"other"])])
def test_the_shell_asks_first_and_tells_the_way(
    answer: str, left: list[bytes], newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(newest)
    server.client().set("k", "v")
    name = take(server, tmp_path / "backups")["name"]
    server.client().rename("k", "other")
    shell = Shell(server.url, tmp_path / "backups", tmp_path)
    ended = shell("restore", "latest", "--mode", "mirror", answer=answer)
    assert (
        f"with {name} of 127.0.0.1:{server.port} (1 keys), and delete those that it does not have? [y/N]" in ended.err
    )
    assert server.client().keys() == left
    assert ("mirrored by replication: the target allows it" in ended.out) == (left == [b"k"])
    assert ("1 restored, 0 skipped, 0 expired, 0 failed, 1 deleted" in ended.out) == (left == [b"k"])
    assert ended.code == (0 if left == [b"k"] else 1)
