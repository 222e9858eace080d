"""A target that cannot take a backup, or not all of it, says so in time."""

import os
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.restore.counted import counts, run, told
from tests.support.backups import asking, bring_back, each_format, eventually, settings_for, take
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.restore import PreviewArguments, RestoreArguments
from worker.errors import RefusedError, TargetError, TargetUnavailableError
from worker.progress import silent
from worker.restore.preview.preview import preview
from worker.restore.restore import restore


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


@pytest.mark.slow
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


def test_a_target_that_is_away_is_said(live: Server, tmp_path: Path) -> None:
    live.kill()
    with pytest.raises(TargetUnavailableError, match="cannot be reached"):
        bring_back(live, tmp_path / "backups")
