"""Every way to take a backup, with every server: what was there before is there afterwards."""

import contextlib
import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.conftest import StartServer
from tests.support.backups import (
    asking,
    bring_back,
    eventually,
    files,
    fill_all,
    settings_for,
    take,
    wipe,
)
from tests.support.data import fill, fill_rare
from tests.support.servers import Binary, Server, binaries, free_port
from tests.support.states import assert_same, state
from worker.arguments.backups import BackupArguments, VerifyArguments
from worker.arguments.restore import RestoreArguments
from worker.backups import verify
from worker.backups.backup import backup
from worker.errors import SourceError, SourceUnavailableError
from worker.progress import silent
from worker.restore.restore import restore


class Way(NamedTuple):
    engine: str
    format: str
    compression: str


WAYS = [
    Way("replication", "rdb", "zstd"),
    pytest.param(Way("replication", "rdb", "none"), marks=pytest.mark.slow),
    Way("replication", "json", "gzip"),
    Way("scan", "rdb", "gzip"),
    pytest.param(Way("scan", "rdb", "none"), marks=pytest.mark.slow),
    Way("scan", "json", "zstd"),
    pytest.param(Way("typed", "json", "none"), marks=pytest.mark.slow),
    Way("typed", "json", "gzip"),
]
SUFFIX = {"zstd": ".zst", "gzip": ".gz", "none": ""}
REDIS = [binary for binary in binaries() if binary.name == "redis"]
PAIRS = [pytest.param(old, REDIS[-1], id=f"{REDIS[-1]}-to-{old}") for old in REDIS[:-1]]

pytestmark = pytest.mark.every_server


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_what_was_backed_up_comes_back(way: Way, source: Server, tmp_path: Path) -> None:
    storage = tmp_path / "backups"
    fill_all(source)
    fill_rare(source.client(), source.binary)
    for db in range(16):
        source.client(db).set(f"of database {db}", db)
    before = state(source, times=way.format == "rdb")
    manifest = take(source, storage, **way._asdict())
    assert manifest["name"].endswith(f".{way.format}{SUFFIX[way.compression]}")
    assert (manifest["engine"], manifest["compression"]) == (way.engine, way.compression)
    assert manifest["keys"] == sum(source.client(db).dbsize() for db in range(16))
    assert manifest["expiring"] == len(before.expiries)
    assert manifest["functions"] == len(before.functions)
    assert verify.verify(settings_for(source, storage), VerifyArguments(name="latest"), silent)
    wipe(source)
    report = bring_back(source, storage)
    assert (report["restored"], report["failed"], report["warnings"]) == (manifest["keys"], 0, [])
    assert_same(before, state(source, times=way.format == "rdb"))


@pytest.mark.sweep
@pytest.mark.parametrize("engine", ["replication", "scan", "typed"])
def test_some_databases_are_backed_up_and_no_others(engine: str, source: Server, tmp_path: Path) -> None:
    fill_all(source)
    before = source.client(3).dbsize()
    manifest = take(source, tmp_path, engine=engine, format="json" if engine == "typed" else "rdb", databases=3)
    assert set(manifest["keys_by_db"]) == {"3"}
    assert manifest["source"]["databases"] == [3]
    wipe(source)
    assert bring_back(source, tmp_path)["restored"] == before
    assert (source.client(0).dbsize(), source.client(3).dbsize()) == (0, before)


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_json_of_a_newer_server_goes_into_an_older_one(
    old: Binary, new: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    newer, older = fill_all(start_server(new)), start_server(old)
    manifest = take(newer, tmp_path, format="json")
    report = bring_back(older, tmp_path)
    assert (report["restored"], report["failed"]) == (manifest["keys"], 0)
    assert_same(newer, older, times=False)


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_what_the_older_server_cannot_be_told_is_said(
    old: Binary, new: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    newer, older = fill_all(start_server(new)), start_server(old)
    take(newer, tmp_path, format="json")
    warnings = " ".join(bring_back(older, tmp_path)["warnings"])
    assert ("no functions" in warnings) == (old.version < (7, 0) <= new.version)
    assert ("expiry of single fields" in warnings) == (new.fields_expire and not old.fields_expire)


def test_a_user_who_may_not_replicate_gets_a_scan(source: Server, tmp_path: Path) -> None:
    fill_all(source)
    rules = ["on", ">secret", "~*", "&*", "+@all", "-psync", "-sync"]
    asking(source).execute_command("ACL", "SETUSER", "careful", *rules)
    settings = settings_for(source, tmp_path, redis_url=source.url.replace("//", "//careful:secret@"))
    manifest = backup(settings, BackupArguments(), silent)
    assert manifest["engine"] == "scan"
    assert "psync" in manifest["engine_reason"].lower()
    assert "secret" not in str(manifest)
    before = state(source)
    wipe(source)
    restore(settings, RestoreArguments(name="latest"), silent)
    assert_same(source, before)


def test_a_password_is_used_and_told_nowhere(binary: Binary, start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(binary, password="canary-7")
    fill(server.client(), binary)
    before = state(server)
    manifest = take(server, tmp_path)
    server.client().flushall()
    report = bring_back(server, tmp_path)
    assert_same(server, before)
    stored = b"".join((tmp_path / name).read_bytes() for name in files(tmp_path) if "redis_backup" in name)
    assert b"canary-7" not in stored
    assert "canary-7" not in f"{manifest} {report}"


@pytest.mark.parametrize("login", ["", ":wrong@", "nobody:wrong@"])
def test_a_wrong_password_is_said_in_plain_words(
    login: str, binary: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(binary, password="right")
    settings = settings_for(server, tmp_path / "none", redis_url=f"redis://{login}127.0.0.1:{server.port}/0")
    with pytest.raises(SourceError, match="refuses the user name or password: check REDIS_URL") as caught:
        backup(settings, BackupArguments(), silent)
    assert not isinstance(caught.value, SourceUnavailableError)
    assert "wrong" not in str(caught.value)
    assert files(tmp_path / "none") == []


@pytest.mark.sweep
@pytest.mark.parametrize("engine", ["replication", "scan", "typed"])
def test_a_unix_socket_will_do(engine: str, source: Server, tmp_path: Path) -> None:
    fill(source.client(), source.binary)
    before = state(source, times=engine != "typed")
    settings = settings_for(source, tmp_path, redis_url=f"unix://{source.socket}?db=0")
    data_format = "json" if engine == "typed" else "rdb"
    manifest = backup(settings, BackupArguments.model_validate({"engine": engine, "format": data_format}), silent)
    assert manifest["source"]["address"] == source.socket
    wipe(source)
    restore(settings, RestoreArguments(name="latest"), silent)
    assert_same(source, before)


@pytest.mark.parametrize("engine", ["replication", "scan", "typed"])
def test_tls_is_spoken(engine: str, encrypted: Server, tmp_path: Path) -> None:
    fill_all(encrypted)
    before = state(encrypted, times=engine != "typed")
    manifest = take(encrypted, tmp_path, engine=engine, format="json" if engine == "typed" else "rdb")
    assert manifest["engine"] == engine
    wipe(encrypted)
    bring_back(encrypted, tmp_path)
    assert_same(encrypted, before)


def test_a_certificate_that_nobody_vouches_for_is_refused(encrypted: Server, tmp_path: Path) -> None:
    settings = settings_for(encrypted, tmp_path / "none", redis_url=encrypted.url.partition("?")[0])
    with pytest.raises(SourceUnavailableError, match="a certificate that nobody known here has signed"):
        backup(settings, BackupArguments(), silent)
    assert files(tmp_path / "none") == []


def replica_of(port: int, binary: Binary, start_server: StartServer) -> Server:
    replica = start_server(binary, "--repl-timeout", "5")
    replica.client().replicaof("127.0.0.1", str(port))
    return replica


def link(replica: Server) -> Any:
    return replica.client().info("replication")["master_link_status"]


@pytest.mark.sweep
@pytest.mark.parametrize("engine", ["auto", "scan", "typed"])
def test_a_replica_is_a_source_too(engine: str, source: Server, start_server: StartServer, tmp_path: Path) -> None:
    before = state(fill_all(source), times=False)
    replica = replica_of(source.port, source.binary, start_server)
    assert eventually(lambda: bool(link(replica) == "up"))
    manifest = take(replica, tmp_path, engine=engine, format="json" if engine == "typed" else "rdb")
    assert manifest["engine"] == ("replication" if engine == "auto" else engine)
    wipe(source)
    bring_back(source, tmp_path)
    assert_same(before, state(source, times=False))


@pytest.mark.parametrize("stale", ["yes", "no"])
@pytest.mark.parametrize("engine", ["auto", "replication"])
def test_a_replica_that_has_lost_its_primary_is_refused(
    engine: str, stale: str, binary: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    replica = replica_of(free_port(), binary, start_server)
    replica.client().config_set("replica-serve-stale-data", stale)
    with pytest.raises(SourceUnavailableError, match="without a link to its primary"):
        take(replica, tmp_path / "none", engine=engine)
    assert files(tmp_path / "none") == []


class SlowToLoad(Server):
    """A server that takes two seconds for 200 keys, and looks up from that work every 2 MB."""

    def start(self) -> None:
        self.options = ("--key-load-delay", "10000")
        super().start()

    def _wait(self) -> None:
        assert eventually(self._loading)

    def _loading(self) -> bool:
        with contextlib.suppress(redis.ConnectionError):
            return bool(self.client(retry=Retry(NoBackoff(), 0)).info("persistence")["loading"])
        return False


def test_a_source_that_is_still_loading_is_refused(source: Server, tmp_path: Path) -> None:
    for number in range(200):
        source.client().set(f"key:{number}", os.urandom(100_000))
    source.client().save()
    slow = SlowToLoad(source.binary, source.folder)
    try:
        with pytest.raises(SourceUnavailableError, match="still loading its data"):
            take(slow, tmp_path / "none")
    finally:
        slow.stop()
    assert files(tmp_path / "none") == []
