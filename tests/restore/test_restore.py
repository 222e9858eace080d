"""The way back: what is restored, what is left alone, and what is counted."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.restore.counted import counts
from tests.support.backups import (
    Given,
    asking,
    bring_back,
    each_format,
    eventually,
    files,
    fill_all,
    settings_for,
    take,
    wipe,
)
from tests.support.payloads import string
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.backups import AdoptArguments
from worker.backups.adopt import adopt
from worker.formats.entries import Entry
from worker.formats.rdb.writer import write
from worker.progress import silent
from worker.repository import catalogue
from worker.storage.local import Folder


def everything(server: Server) -> dict[tuple[int, bytes], bytes]:
    """What DUMP says of every key."""
    clients: dict[int, Any] = {db: server.client(db) for db in (0, 3)}
    return {(db, key): bytes(client.dump(key) or b"") for db, client in clients.items() for key in client.keys("*")}


@each_format
def test_skip_leaves_what_is_there_alone(data_format: str, source: Server, target: Server, tmp_path: Path) -> None:
    fill_all(source)
    manifest = take(source, tmp_path, format=data_format)
    there = target.client()
    there.set("text", "mine")
    there.rpush("hash:big", "another type")
    there.set("only here", "x")
    before = everything(target)
    report = bring_back(target, tmp_path)
    assert counts(report) == {"restored": manifest["keys"] - 2, "skipped": 2}
    after = everything(target)
    assert {place: after[place] for place in before} == before
    assert len(after) == manifest["keys"] + 1


@each_format
def test_overwrite_replaces_and_leaves_the_others(
    data_format: str, source: Server, target: Server, tmp_path: Path
) -> None:
    fill_all(source)
    manifest = take(source, tmp_path, format=data_format)
    there = target.client()
    there.set("text", "mine", ex=1000)
    there.rpush("hash:big", "another type")
    there.set("only here", "x")
    assert counts(bring_back(target, tmp_path, mode="overwrite")) == {"restored": manifest["keys"]}
    assert there.get("only here") == b"x"
    assert there.ttl("text") == -1
    there.delete("only here")
    assert_same(target, source, times=data_format == "rdb")


@each_format
def test_a_second_run_finds_everything_there(data_format: str, source: Server, tmp_path: Path) -> None:
    fill_all(source)
    manifest = take(source, tmp_path, format=data_format)
    before = state(source, times=data_format == "rdb")
    assert counts(bring_back(source, tmp_path)) == {"skipped": manifest["keys"]}
    assert counts(bring_back(source, tmp_path, mode="overwrite")) == {"restored": manifest["keys"]}
    assert_same(source, before)


@pytest.mark.sweep
@each_format
@pytest.mark.parametrize("mode", ["skip", "overwrite"])
def test_a_key_that_has_expired_since_is_counted_and_the_live_one_untouched(
    data_format: str, mode: str, source: Server, target: Server, tmp_path: Path
) -> None:
    for server in (source, target):
        server.client().set("stays", "x")
    source.client().set("gone", "old", px=2000)
    source.client().set("gone too", "old", px=2000)
    assert take(source, tmp_path, format=data_format)["expiring"] == 2
    assert eventually(lambda: source.client().exists("gone", "gone too") == 0)
    target.client().set("gone", "live")
    report = bring_back(target, tmp_path, mode=mode)
    assert report["expired"] == 2
    assert target.client().get("gone") == b"live"
    assert target.client().ttl("gone") == -1
    assert target.client().exists("gone too") == 0


@each_format
def test_a_key_that_never_expires_does_not_inherit_an_expiry(data_format: str, source: Server, tmp_path: Path) -> None:
    source.client().set("k", "v")
    take(source, tmp_path, format=data_format)
    source.client().expire("k", 1000)
    bring_back(source, tmp_path, mode="overwrite")
    assert source.client().ttl("k") == -1


@pytest.fixture
def varied(source: Server, tmp_path: Path) -> Server:
    """A server with keys of several types in two databases, backed up, and then emptied."""
    for db in (0, 3):
        client = source.client(db)
        client.set("user:1", "Ann")
        client.set("user:2", "Bob")
        client.hset("user:3", "name", "Cid")
        client.rpush("queue:1", "job")
        client.sadd(b"\xff\x00binary", "x")
        client.set("us*er", "star")
    if source.binary.version >= (7, 0):
        source.client().function_load("#!lua name=lib\nredis.register_function('f', function() return 1 end)")
    take(source, tmp_path, engine="scan")
    take(source, tmp_path, format="json")
    wipe(source)
    return source


NARROWED: list[tuple[dict[str, Any], dict[int, set[bytes]]]] = [
    ({"match": "user:*"}, {0: {b"user:1", b"user:2", b"user:3"}, 3: {b"user:1", b"user:2", b"user:3"}}),
    ({"match": "user:[12]", "databases": {3}}, {0: set(), 3: {b"user:1", b"user:2"}}),
    ({"match": "us\\*er", "databases": "0"}, {0: {b"us*er"}, 3: set()}),
    ({"match": "nothing"}, {0: set(), 3: set()}),
    ({"types": {"hash", "list"}}, {0: {b"user:3", b"queue:1"}, 3: {b"user:3", b"queue:1"}}),
    ({"types": {"string"}, "match": "*:*", "databases": {0}}, {0: {b"user:1", b"user:2"}, 3: set()}),
    ({"types": {"set"}, "databases": {3, 9}}, {0: set(), 3: {b"\xff\x00binary"}}),
]


@pytest.mark.parametrize(("arguments", "expected"), NARROWED, ids=[str(number) for number in range(len(NARROWED))])
def test_a_part_of_a_backup_can_be_restored(
    arguments: dict[str, Any], expected: dict[int, set[bytes]], varied: Server, tmp_path: Path
) -> None:
    for manifest in catalogue.read(Folder(tmp_path)).backups:
        report = bring_back(varied, tmp_path, manifest.name, **arguments)
        assert {db: set(varied.client(db).keys()) for db in (0, 3)} == expected
        assert counts(report) == ({"restored": sum(map(len, expected.values()))} if any(expected.values()) else {})
        assert report["functions"] == 0
        said = [] if any(expected.values()) else ["No key of the backup fits: nothing was restored."]
        assert report["warnings"] == said
        wipe(varied)


def test_a_backup_without_keys_is_restored_and_says_so(source: Server, tmp_path: Path) -> None:
    take(source, tmp_path)
    assert bring_back(source, tmp_path)["warnings"] == ["The backup holds no key."]


def test_functions_that_exist_stay_or_are_replaced(source: Server, tmp_path: Path) -> None:
    if source.binary.version < (7, 0):
        assert take(source, tmp_path)["functions"] == 0
        return
    code = "#!lua name=lib\nredis.register_function('f', function() return %d end)"
    client = source.client()
    client.function_load(code % 1)
    take(source, tmp_path)
    client.function_load(code % 2, replace=True)
    assert bring_back(source, tmp_path)["functions"] == 0
    assert client.fcall("f", 0) == 2
    assert bring_back(source, tmp_path, mode="overwrite")["functions"] == 1
    assert client.fcall("f", 0) == 1


@each_format
def test_binary_keys_and_values_come_back(data_format: str, source: Server, tmp_path: Path) -> None:
    pairs = {bytes((code,)): bytes((code, 255 - code)) for code in range(256)} | {b"": b"", b"\r\n" * 9: b"$-1\r\n" * 9}
    source.client().mset(pairs)
    take(source, tmp_path, format=data_format)
    source.client().flushall()
    assert bring_back(source, tmp_path)["restored"] == len(pairs)
    client = source.client()
    assert {key: client.get(key) for key in client.keys("*")} == pairs


@pytest.mark.parametrize("mode", ["skip", "overwrite"])
def test_keys_values_and_expiry_times_of_any_length_arrive(mode: str, source: Server, tmp_path: Path) -> None:
    client = source.client()
    sizes = (0, 1, 9, 10, 99, 1000, 1013, 1014, 1015, 1023, 1024, 1025, 2000, 1 << 20, (1 << 20) + 1)
    moments = {b"k" * size: 10 ** (13 + size % 3) for size in sizes}
    for key, moment in moments.items():
        client.set(key, os.urandom(len(key)))
        client.pexpireat(key, moment)
    take(source, tmp_path)
    before = state(source)
    client.flushall()
    assert counts(bring_back(source, tmp_path, mode=mode)) == {"restored": len(sizes)}
    assert_same(source, before)
    now = time.time() * 1000
    assert all(abs(moment - now - client.pttl(key)) < 60_000 for key, moment in moments.items())


def test_only_the_first_failures_are_listed(source: Server, tmp_path: Path) -> None:
    bad = [Entry(0, b"bad:%d" % number, None, "set", b"\x0b" + string(b"no intset")) for number in range(100)]
    (tmp_path / "dump.rdb").write_bytes(b"".join(write(Given(bad, rdb_version=9), {})))
    adopt(
        settings_for(source, tmp_path / "backups"),
        AdoptArguments(file=tmp_path / "dump.rdb", with_damaged=True),
        silent,
    )
    report = bring_back(source, tmp_path / "backups")
    assert counts(report) == {"failed": 100}
    assert 0 < len(report["failures"]) <= 20


def test_the_report_says_what_was_done_and_where(source: Server, tmp_path: Path) -> None:
    source.client().set("k", "v")
    manifest = take(source, tmp_path)
    source.client().flushall()
    report = bring_back(source, tmp_path)
    assert (report["name"], report["mode"]) == (manifest["name"], "skip")
    assert report["target"] == f"127.0.0.1:{source.port}"
    assert report["seconds"] >= 0


def test_a_restore_changes_no_file_that_was_there(live: Server, tmp_path: Path) -> None:
    storage = tmp_path / "backups"
    before = {name: (storage / name).read_bytes() for name in files(storage)}
    bring_back(live, storage, mode="overwrite")
    assert {name: (storage / name).read_bytes() for name in before} == before


USAGE = {"allkeys-lfu": ("FREQ", 200), "allkeys-lru": ("IDLETIME", 50_000)}


@pytest.mark.parametrize("mode", ["overwrite", "mirror"])
@pytest.mark.parametrize("policy", USAGE)
def test_how_much_keys_are_used_survives(
    policy: str, mode: str, binary: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    word, number = USAGE[policy]
    options = ("--maxmemory-policy", policy, "--lfu-decay-time", "0", "--lfu-log-factor", "1000000")
    source, target = start_server(binary, *options), start_server(binary, *options)
    client, live = asking(source), asking(target)
    values = {"text": "x", "long": "x" * 300_000, "short": "\0" * 200}
    for place, (key, value) in enumerate(values.items()):
        client.execute_command("SET", key, value)
        dump = client.execute_command("DUMP", key)
        client.execute_command("RESTORE", key, 0, dump, "REPLACE", word, number + place)
        live.execute_command("SET", key, "newly used")
    take(source, tmp_path)
    # A mirror is made by both ways, for a part of the backup goes key by key.
    parts: list[dict[str, Any]] = [{}, {"exclude": ["nothing"]}] if mode == "mirror" else [{}]
    for part in parts:
        assert bring_back(target, tmp_path, mode=mode, **part)["restored"] == len(values)
        for place, key in enumerate(values):
            found = live.execute_command("OBJECT", word, key)
            assert 0 <= found - number - place < 30, (key, found)
        assert_same(target, source)
