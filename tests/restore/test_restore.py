"""The way back: what is left alone, what is refused before the first write, and what is counted when it goes wrong."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.backups import (
    ANYWHERE,
    Given,
    asking,
    bring_back,
    eventually,
    files,
    fill_all,
    manifest_of,
    settings_for,
    take,
    wipe,
)
from tests.support.payloads import string
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.backups import AdoptArguments
from worker.arguments.restore import PreviewArguments, RestoreArguments
from worker.backups.adopt import adopt
from worker.errors import (
    ArtifactError,
    BackupSystemError,
    BusyError,
    FormatError,
    IncompleteError,
    NotFoundError,
    RefusedError,
    TargetError,
    TargetUnavailableError,
)
from worker.formats.entries import Entry
from worker.formats.rdb.writer import write
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.manifest import MANIFEST_SUFFIX, to_json
from worker.repository.notes import NOTES_SUFFIX
from worker.restore.preview.preview import preview
from worker.restore.restore import check_complete, restore
from worker.storage.local import Folder

each_format = pytest.mark.parametrize("data_format", ["rdb", "json"])
COUNTS = ("restored", "skipped", "expired", "failed")


def counts(report: dict[str, Any]) -> dict[str, int]:
    return {name: report[name] for name in COUNTS if report[name]}


def told(error: BaseException) -> dict[str, int]:
    """The counts that an error tells."""
    found = {name: re.search(rf"([\d,]+) {name}", str(error)) for name in COUNTS}
    return {name: int(match[1].replace(",", "")) for name, match in found.items() if match}


def everything(server: Server) -> dict[tuple[int, bytes], bytes]:
    """What DUMP says of every key."""
    clients: dict[int, Any] = {db: server.client(db) for db in (0, 3)}
    return {(db, key): bytes(client.dump(key) or b"") for db, client in clients.items() for key in client.keys("*")}


def run(server: Server, storage: Path, during: Callable[[int], object], **arguments: Any) -> dict[str, Any]:
    """Restore, and do something each time that keys have been sent."""

    def progress(phase: str, current: int, total: int | None, unit: str) -> None:
        if phase == "restoring":
            during(current)

    return restore(settings_for(server, storage), RestoreArguments(name="latest", **arguments), progress)


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


@pytest.fixture
def live(newest: Binary, start_server: StartServer, tmp_path: Path) -> Server:
    """A server that was backed up twice, and that has other data now."""
    server = start_server(newest)
    for number in range(2):
        server.client().mset({f"key:{key}": os.urandom(50) + bytes((number,)) for key in range(300)})
        take(server, tmp_path / "backups")
    server.client().set("key:7", "changed since")
    server.client().delete("key:8")
    return server


def artifacts(storage: Path) -> list[Path]:
    return sorted(path for path in storage.iterdir() if not path.name.endswith((MANIFEST_SUFFIX, NOTES_SUFFIX)))


def empty(storage: Path) -> None:
    artifacts(storage)[1].write_bytes(b"")


def cut(storage: Path) -> None:
    path = artifacts(storage)[1]
    path.write_bytes(path.read_bytes()[:-1])


def flip(storage: Path) -> None:
    path = artifacts(storage)[1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def prolong(storage: Path) -> None:
    with artifacts(storage)[1].open("ab") as file:
        file.write(b"\x00")


def swap(storage: Path) -> None:
    one, other = artifacts(storage)
    first, second = one.read_bytes(), other.read_bytes()
    # Of the same length, so that only the contents differ.
    size = min(len(first), len(second))
    manifest = catalogue.get(Folder(storage), other.name, ANYWHERE)
    other.write_bytes((first + bytes(len(second)))[: manifest.bytes.stored])
    one.write_bytes(second[:size])


def remove(storage: Path) -> None:
    artifacts(storage)[1].unlink()


def link(storage: Path) -> None:
    path = artifacts(storage)[1]
    path.rename(storage.parent / "elsewhere")
    path.symlink_to(storage.parent / "elsewhere")


def spoof(**changes: Any) -> Callable[[Path], None]:
    def change(storage: Path) -> None:
        name = artifacts(storage)[1].name
        manifest = catalogue.get(Folder(storage), name, ANYWHERE)
        (storage / (name + MANIFEST_SUFFIX)).write_bytes(to_json(manifest.model_copy(update=changes)))

    return change


def garble(storage: Path) -> None:
    (storage / (artifacts(storage)[1].name + MANIFEST_SUFFIX)).write_bytes(b"{}")


def of_another(storage: Path) -> None:
    one, other = (storage / (path.name + MANIFEST_SUFFIX) for path in artifacts(storage))
    other.write_bytes(one.read_bytes())


def foreign(storage: Path) -> None:
    """Another file, with a manifest that knows its size and sha256."""
    name, content = artifacts(storage)[1].name, b"\x89PNG\r\n\x1a\n" + bytes(1000)
    (storage / name).write_bytes(content)
    spoof(
        **manifest_of(name, content).model_dump(include={"sha256", "compression"}),
        bytes=manifest_of(name, content).bytes,
    )(storage)


BROKEN: dict[str, tuple[Callable[[Path], None], type[BackupSystemError], str]] = {
    "empty": (empty, ArtifactError, "cut short"),
    "cut": (cut, ArtifactError, "cut short"),
    "flipped": (flip, ArtifactError, "has changed"),
    "prolonged": (prolong, ArtifactError, "longer than it was"),
    "swapped": (swap, ArtifactError, "has changed"),
    "missing": (remove, NotFoundError, "There is no"),
    "a link": (link, BackupSystemError, "."),
    "foreign": (foreign, FormatError, "no RDB file"),
    "manifest garbled": (garble, ArtifactError, "damaged"),
    "manifest of another": (of_another, ArtifactError, "another backup"),
    "sha256 spoofed": (spoof(sha256="0" * 64), ArtifactError, "has changed"),
    "compression spoofed": (spoof(compression="none"), ArtifactError, "."),
    "format spoofed": (spoof(data_format="json"), ArtifactError, "."),
    "unknown databases": (spoof(keys_by_db={99: {"string": 300}}), RefusedError, "no database 99"),
    "keys unknown": (
        spoof(keys=None, warnings=["It has a type 200."]),
        RefusedError,
        "redis-server of the source's version",
    ),
}


@pytest.mark.parametrize(("broken", "error", "words"), BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_refused_before_anything_is_written(
    broken: Callable[[Path], None], error: type[BackupSystemError], words: str, live: Server, tmp_path: Path
) -> None:
    storage = tmp_path / "backups"
    name = artifacts(storage)[1].name
    broken(storage)
    before = state(live)
    with pytest.raises(error, match=words) as caught:
        bring_back(live, storage, name, mode="overwrite")
    assert_same(live, before)
    assert str(caught.value).endswith(".")


def test_a_number_of_stored_bytes_that_was_spoofed_is_refused(live: Server, tmp_path: Path) -> None:
    storage = tmp_path / "backups"
    name = artifacts(storage)[1].name
    size = catalogue.get(Folder(storage), name, ANYWHERE).bytes
    for wrong in (size.stored - 1, size.stored + 1, 0):
        spoof(bytes=size.model_copy(update={"stored": wrong}))(storage)
        before = state(live)
        with pytest.raises(ArtifactError):
            bring_back(live, storage, name, mode="overwrite")
        assert_same(live, before)


@pytest.mark.parametrize("name", ["redis_backup_20010101_000000.rdb", "../../etc/passwd", "nonsense"])
def test_a_name_that_is_not_there_is_not_found(name: str, live: Server, tmp_path: Path) -> None:
    before = state(live)
    with pytest.raises(NotFoundError, match="There is no backup"):
        bring_back(live, tmp_path / "backups", name)
    with pytest.raises(NotFoundError):
        bring_back(live, tmp_path / "none")
    assert_same(live, before)


def test_a_target_with_too_little_memory_is_refused_beforehand(source: Server, target: Server, tmp_path: Path) -> None:
    source.client().mset({f"key:{number}": os.urandom(50_000) for number in range(200)})
    take(source, tmp_path)
    target.client().set("mine", bytes(8_000_000))
    target.client().config_set("maxmemory", target.client().info("memory")["used_memory"] + 5_000_000)
    before = state(target)
    assert preview(settings_for(target, tmp_path), PreviewArguments(name="latest"), silent)["refusal"]
    with pytest.raises(
        RefusedError, match=r"too little memory: maxmemory is .* with --force .*would stop when it is full"
    ):
        bring_back(target, tmp_path)
    assert_same(target, before)
    with pytest.raises(TargetError, match=r"OOM.*Until then: [1-9]\d* restored"):
        bring_back(target, tmp_path, force=True)
    target.client().config_set("maxmemory", 9_000_000)
    with pytest.raises(RefusedError, match=r"in use, and it takes no writes\. Raise maxmemory, or delete something"):
        bring_back(target, tmp_path, force=True)


@each_format
def test_a_full_target_that_holds_the_keys_already_takes_the_backup(
    data_format: str, newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    # Valkey's replication backlog grows to ten megabytes, with every write since a backup by replication.
    source = start_server(newest, "--repl-backlog-size", "1mb")
    source.client().mset({f"key:{number}": os.urandom(20_000).hex() for number in range(200)})
    take(source, tmp_path, format=data_format)
    source.client().set("key:7", "changed since")
    source.client().config_set("maxmemory", source.client().info("memory")["used_memory"] + 5_000_000)
    found = preview(settings_for(source, tmp_path), PreviewArguments(name="latest", mode="overwrite"), silent)
    assert (found["refusal"], found["warnings"]) == (None, [])
    assert counts(bring_back(source, tmp_path, mode="overwrite")) == {"restored": 200}
    assert counts(bring_back(source, tmp_path)) == {"skipped": 200}


@each_format
def test_a_target_that_runs_full_stops_with_exact_counts_and_the_next_run_completes_it(
    data_format: str, source: Server, target: Server, tmp_path: Path
) -> None:
    # Far smaller in the file than in memory: the check beforehand cannot know.
    source.client().mset({f"key:{number}": b"%04d" % number * 2500 for number in range(3000)})
    take(source, tmp_path, format=data_format, compression="none" if data_format == "rdb" else "gzip")
    client = target.client()
    limit = client.info("memory")["used_memory"] + 15_000_000

    def shrink(done: int) -> None:
        client.config_set("maxmemory", limit)

    with pytest.raises(TargetError, match=r"OOM.*Until then:.*Run the same again") as caught:
        run(target, tmp_path, shrink)
    written = client.dbsize()
    assert 0 < written < 3000
    assert told(caught.value) == {"restored": written, "skipped": 0, "expired": 0, "failed": 0}
    client.config_set("maxmemory", 0)
    assert counts(bring_back(target, tmp_path)) == {"restored": 3000 - written, "skipped": written}
    assert_same(target, source)


def test_a_target_that_evicts_is_filled_by_force_until_the_first_key_goes(
    source: Server, target: Server, tmp_path: Path
) -> None:
    source.client().mset({f"key:{number}": b"%04d" % number * 2500 for number in range(3000)})
    take(source, tmp_path)
    client = target.client()
    client.config_set("maxmemory-policy", "allkeys-random")
    client.config_set("maxmemory", client.info("memory")["used_memory"] + 15_000_000)
    with pytest.raises(RefusedError, match=r"would make it throw keys out \(allkeys-random\), its own too"):
        bring_back(target, tmp_path)
    assert client.dbsize() == 0
    with pytest.raises(
        TargetError, match=r"begun to throw keys out .*, so this was stopped: raise maxmemory"
    ) as caught:
        bring_back(target, tmp_path, force=True)
    report = caught.value.report
    assert report is not None
    assert report["evicted"] == report["restored"] - report["keys_after"] > 0
    # It is full: that we look at it may cost it a key more.
    assert report["keys_after"] - 20 <= client.dbsize() <= report["keys_after"]
    assert f"{report['restored']:,} restored, 0 skipped, 0 expired, 0 failed, {report['evicted']:,} evicted" in str(
        caught.value
    )


def test_a_read_only_replica_is_refused(source: Server, target: Server, tmp_path: Path) -> None:
    source.client().set("k", "v")
    take(source, tmp_path)
    target.client().replicaof("127.0.0.1", str(source.port))
    assert eventually(lambda: bool(target.client().info("replication")["master_link_status"] == "up"))
    with pytest.raises(RefusedError, match="replica, which takes no writes"):
        bring_back(target, tmp_path)


def test_a_node_of_a_cluster_is_refused(source: Server, start_server: StartServer, tmp_path: Path) -> None:
    source.client().set("k", "v")
    take(source, tmp_path)
    node = start_server(source.binary, cluster=True)
    settings = settings_for(node, tmp_path, redis_url=f"unix://{node.socket}")
    with pytest.raises(RefusedError, match="node of a cluster"):
        restore(settings, RestoreArguments(name="latest"), silent)


def test_a_target_with_too_few_databases_is_refused(source: Server, start_server: StartServer, tmp_path: Path) -> None:
    for db in (0, 3):
        source.client(db).set("k", "v")
    take(source, tmp_path)
    small = start_server(source.binary, "--databases", "2")
    with pytest.raises(RefusedError, match=r"no database 3.*leave it out with --db"):
        bring_back(small, tmp_path)
    assert small.client().dbsize() == 0
    assert bring_back(small, tmp_path, databases=0)["restored"] == 1


def test_a_user_who_may_not_restore_is_told_so_beforehand(live: Server, tmp_path: Path) -> None:
    asking(live).execute_command("ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@all", "-restore")
    settings = settings_for(live, tmp_path / "backups", redis_url=live.url.replace("//", "//reader:pw@"))
    before = state(live)
    with pytest.raises(TargetError, match="does not allow"):
        restore(settings, RestoreArguments(name="latest", mode="overwrite"), silent)
    assert_same(live, before)


@each_format
def test_a_target_that_is_killed_midway_is_told_with_counts_and_the_second_run_completes_it(
    data_format: str, source: Server, target: Server, tmp_path: Path
) -> None:
    source.client().mset({f"key:{number}": os.urandom(3000) for number in range(3000)})
    take(source, tmp_path, format=data_format)

    def kill(done: int) -> None:
        if done >= 1500 and target.process.poll() is None:
            target.kill()

    with pytest.raises(TargetUnavailableError, match=r"Until then: [\d,]+ restored") as caught:
        run(target, tmp_path, kill)
    assert 0 < told(caught.value)["restored"] < 3000
    said = str(caught.value)
    # Not bare: had a value ended it, that value would do it again.
    assert "Where it was stopped or cut off, see that it runs, and run the same again to complete it" in said
    report = caught.value.report or {}
    first = report["unconfirmed_keys"][0]["key"]
    assert f"one of the keys that were on their way did that, {first!r} of database 0" in said
    assert len(report["unconfirmed_keys"]) == min(20, report["unconfirmed"])
    target.start()
    assert counts(bring_back(target, tmp_path)) == {"restored": 3000}
    assert_same(target, source)


@each_format
def test_a_connection_that_breaks_midway_leaves_nothing_half_written(
    data_format: str, source: Server, target: Server, tmp_path: Path
) -> None:
    pipe = source.client().pipeline(transaction=False)
    for number in range(3000):
        pipe.rpush(f"key:{number}", *range(50))
    pipe.execute()
    take(source, tmp_path, format=data_format)

    def disconnect(done: int) -> None:
        if done >= 1500:
            target.client().client_kill_filter(_type="normal", skipme=True)

    with pytest.raises(TargetUnavailableError, match="Run the same again") as caught:
        run(target, tmp_path, disconnect)
    client: Any = target.client()
    there = {key for key in client.keys("*") if not key.startswith(b"redis_backup:")}
    assert 0 < told(caught.value)["restored"] <= len(there) < 3000
    assert all(client.llen(key) == 50 for key in sorted(there)[::10])
    assert all(client.ttl(key) > 0 for key in client.keys("redis_backup:*"))
    client.delete("nothing", *client.keys("redis_backup:*"))
    assert counts(bring_back(target, tmp_path)) == {"restored": 3000 - len(there), "skipped": len(there)}
    assert_same(target, source)


@pytest.mark.parametrize("hung_up", [True, False], ids=["hung up", "stopped"])
def test_what_is_on_its_way_when_a_restore_ends_early_is_counted_too(
    hung_up: bool, newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source, target = start_server(newest), start_server(newest)
    source.client().mset({f"key:{number}": os.urandom(100) for number in range(20_000)})
    take(source, tmp_path)

    def end(done: int) -> None:
        if done > 9000 and not hung_up:
            raise BusyError("Another is at work here.")
        if done > 9000:
            # By then all that was sent is there, and none of the last replies is read.
            target.client().ping()
            target.client().client_kill_filter(_type="normal", skipme=True)

    with pytest.raises(BackupSystemError, match="Until then") as caught:
        run(target, tmp_path, end)
    assert told(caught.value)["restored"] == target.client().dbsize() > 0


def test_a_dump_that_ends_midway_though_its_manifest_vouches_for_it_is_told_with_counts(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    target, storage = start_server(newest), Folder(tmp_path / "backups")
    entries = [Entry(0, b"key:%d" % number, None, "string", b"\x00" + string(bytes(50))) for number in range(20_000)]
    content = b"".join(write(Given(entries, rdb_version=9), {}))[:-300_000]
    storage.put("redis_backup_20231205_143022.rdb", content)
    catalogue.add(storage, manifest_of("redis_backup_20231205_143022.rdb", content))
    # Whoever keeps what is there first, meets the end before the first key is written.
    with pytest.raises(FormatError, match="cut short"):
        bring_back(target, storage.path)
    assert target.client().dbsize() == 0
    with pytest.raises(ArtifactError, match=r"cut short.*Until then: [\d,]+ restored") as caught:
        restore(settings_for(target, storage.path, backup_undo_days=0), RestoreArguments(name="latest"), silent)
    assert told(caught.value)["restored"] == target.client().dbsize() > 0


def test_one_bad_key_among_good_ones_is_counted_and_the_rest_restored(source: Server, tmp_path: Path) -> None:
    good = [Entry(0, b"good:%d" % number, None, "string", b"\x00" + string(b"v")) for number in range(1000)]
    bad = Entry(2, b"bad\xff", None, "set", b"\x0b" + string(b"no intset"))
    (tmp_path / "dump.rdb").write_bytes(b"".join(write(Given([*good[:500], bad, *good[500:]], rdb_version=9), {})))
    adopt(
        settings_for(source, tmp_path / "backups"),
        AdoptArguments(file=tmp_path / "dump.rdb", with_damaged=True),
        silent,
    )
    report = bring_back(source, tmp_path / "backups")
    assert counts(report) == {"restored": 1000, "failed": 1}
    (failure,) = report["failures"]
    assert (failure["db"], failure["key"], failure["type"]) == (2, "bad\\xff", "set")
    assert failure["error"].startswith("its value is damaged, and the target was not given it")
    assert source.client().dbsize() == 1000
    with pytest.raises(IncompleteError, match=r"1,000 restored, 0 skipped, 0 expired, 1 failed.*of database 2"):
        check_complete(report)


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


def test_damage_that_a_manifest_vouches_for_is_found_before_an_empty_target_is_written(
    target: Server, tmp_path: Path
) -> None:
    storage = Folder(tmp_path / "backups")
    entries = [Entry(0, b"key:%d" % number, None, "string", b"\x00" + string(bytes(50))) for number in range(20_000)]
    content = bytearray(b"".join(write(Given(entries, rdb_version=9), {})))
    content[-300_000] ^= 1
    storage.put("redis_backup_20231205_143022.rdb", bytes(content))
    catalogue.add(storage, manifest_of("redis_backup_20231205_143022.rdb", bytes(content)))
    with pytest.raises(FormatError, match="its checksum does not match"):
        bring_back(target, storage.path, mode="overwrite")
    assert target.client().dbsize() == 0


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


def test_a_target_that_is_away_is_said(live: Server, tmp_path: Path) -> None:
    live.kill()
    with pytest.raises(TargetUnavailableError, match="cannot be reached"):
        bring_back(live, tmp_path / "backups")


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
