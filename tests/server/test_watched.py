"""A source and a target that Sentinels watch over: found anew for each run, across failovers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.faults.line import Line
from tests.support.processes import eventually
from tests.support.sentinels import NAME, Sentinel, watched
from tests.support.servers import Binary, Server, free_port, newest_ones
from tests.support.states import assert_same
from worker.arguments.backups import BackupArguments
from worker.arguments.restore import RestoreArguments, UndoArguments
from worker.backups.backup import backup
from worker.config.sentinel_url import parsed
from worker.config.settings import Settings
from worker.errors import SourceUnavailableError, TargetError, UsageError
from worker.progress import silent
from worker.restore.restore import restore
from worker.restore.undo.undo import undo
from worker.server.endpoint import SOURCE, TARGET, Endpoint
from worker.server.info import read_facts


@dataclass
class Watch:
    """A primary and a replica of it, under a Sentinel."""

    binary: Binary
    primary: Server
    replica: Server
    sentinel: Sentinel

    def url(self, query: str = "", service: str = NAME) -> str:
        """The first of the two that it names is not there."""
        return f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{self.sentinel.port}/{service}/0{query}"

    def settings(self, storage: Path, query: str = "") -> Settings:
        url = f"redis+sentinel://127.0.0.1:{self.sentinel.port}/{NAME}/0{query}"
        return Settings(redis_url=url, backup_storage=str(storage))

    def fails_over(self) -> None:
        """Wait until the replica is the primary."""
        eventually(lambda: self.sentinel.primary == self.replica.port, "a failover")
        eventually(lambda: self.replica.client().info("replication")["role"] == "master", "the replica's promotion")


@pytest.fixture(params=newest_ones(), ids=str)
def watch(request: pytest.FixtureRequest, start_server: StartServer, tmp_path: Path) -> Iterator[Watch]:
    binary: Binary = request.param
    primary, replica = start_server(binary), start_server(binary)
    replica.client().replicaof("127.0.0.1", primary.port)
    eventually(lambda: replica.client().info("replication")["master_link_status"] == "up", "the replica's link")
    with watched(binary, tmp_path / "sentinel", primary) as sentinel:
        watch = Watch(binary, primary, replica, sentinel)
        eventually(lambda: place(watch.url()) == replica.port, "Sentinel to see the replica's link")
        yield watch


KEYS = 200_000


def fill(server: Server, *, waited: int = 1) -> None:
    """Some 100 MB, with commands that go to replicas too, in pieces that Sentinel does not take for an end."""
    client = server.client()
    for start in range(0, KEYS, 5000):
        client.mset({f"key:{number}": f"{number:0500}" for number in range(start, start + 5000)})
    client.wait(waited, 20_000)


def place(url: str, role: Any = SOURCE) -> int:
    """The port of the server that it leads to."""
    endpoint = Endpoint(url, role)
    with endpoint.translated("looking"):
        connection = endpoint.connect()
    port = int(connection.port)
    connection.disconnect()
    return port


def test_a_source_is_read_from_its_replica_and_a_target_is_the_primary(watch: Watch) -> None:
    assert place(watch.url()) == watch.replica.port
    assert place(watch.url("?role=replica")) == watch.replica.port
    assert place(watch.url("?role=primary")) == watch.primary.port
    assert place(watch.url(), TARGET) == watch.primary.port
    watch.replica.kill()
    eventually(lambda: place(watch.url()) == watch.primary.port, "Sentinel to miss the replica")


def test_a_backup_warns_where_the_replica_that_it_is_to_read_is_none(watch: Watch, tmp_path: Path) -> None:
    def warned(query: str) -> bool:
        told = backup(watch.settings(tmp_path, query), BackupArguments(), silent)["warnings"]
        return any("No healthy replica was there" in one for one in told)

    assert not warned("?role=replica")
    watch.replica.kill()
    eventually(lambda: place(watch.url("?role=replica")) == watch.primary.port, "Sentinel to miss the replica")
    assert [warned(query) for query in ("?role=replica", "?role=primary", "")] == [True, False, False]


def test_what_no_sentinel_knows_is_said(watch: Watch) -> None:
    words = r"no Sentinel tells where other is: .*does not answer; .*knows no primary of that name.*is REDIS_URL right"
    with pytest.raises(SourceUnavailableError, match=words):
        place(watch.url(service="other"))
    watch.sentinel.stop()
    with pytest.raises(SourceUnavailableError, match=r"no Sentinel tells where mymaster is: .*does not answer"):
        place(watch.url())


@pytest.mark.parametrize("rate", [5, 0.5], ids=["slowly", "hardly"])
def test_a_sentinel_that_trickles_is_left_for_the_next(rate: float, watch: Watch) -> None:
    with Line(watch.sentinel.port, f"redis://127.0.0.1:{watch.sentinel.port}") as line:
        line.trickle(rate)
        hasty = replace(SOURCE, connect_seconds=0.5)
        alone = f"redis+sentinel://127.0.0.1:{line.port}/{NAME}/0"
        with pytest.raises(SourceUnavailableError, match=r"no Sentinel tells where mymaster is: .* does not answer"):
            place(alone, hasty)
        both = f"redis+sentinel://127.0.0.1:{line.port},127.0.0.1:{watch.sentinel.port}/{NAME}/0"
        assert place(both, hasty) == watch.replica.port


def test_backups_and_restores_go_on_after_a_failover(watch: Watch, tmp_path: Path) -> None:
    settings = watch.settings(tmp_path / "backups")
    client = watch.primary.client()
    client.mset({f"key:{number}": number for number in range(500)})
    client.wait(1, 5000)
    first = backup(settings, BackupArguments(), silent)
    assert (first["keys"], first["engine"]) == (500, "replication")
    watch.sentinel.ask("SENTINEL", "FAILOVER", NAME)
    watch.fails_over()
    watch.replica.client().delete("key:1")
    report = restore(settings, RestoreArguments(name="latest"), silent)
    assert (report["restored"], report["skipped"]) == (1, 499)
    # Known by one name before and after: the undo finds its target, the backup its predecessor.
    assert backup(settings, BackupArguments(), silent)["source"]["address"] == first["source"]["address"]
    undone = undo(settings, UndoArguments(run=report["undo"]["name"]), silent)
    assert (undone["deleted"], undone["left_alone"]) == (1, 0)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["replication", pytest.param("scan", marks=pytest.mark.slow)])
def test_a_failover_during_a_backup_is_told_and_the_next_try_reads_the_new_primary(
    engine: Any, watch: Watch, tmp_path: Path
) -> None:
    fill(watch.primary)
    settings = watch.settings(tmp_path / "backups", "?role=primary")
    failed: list[bool] = []

    def once(phase: str, current: int, total: int | None, unit: str) -> None:
        if not failed:
            failed.append(True)
            watch.primary.kill_all()

    with pytest.raises(SourceUnavailableError):
        backup(settings, BackupArguments(engine=engine), once)
    watch.fails_over()
    manifest = backup(settings, BackupArguments(engine=engine), silent)
    assert manifest["keys"] == KEYS


@pytest.mark.slow
def test_a_failover_during_a_restore_ends_it_with_exact_counts_and_is_told(
    watch: Watch, start_server: StartServer, tmp_path: Path
) -> None:
    source = start_server(watch.binary)
    fill(source, waited=0)
    backup(Settings(redis_url=source.url, backup_storage=str(tmp_path / "backups")), BackupArguments(), silent)
    settings = watch.settings(tmp_path / "backups")
    moved: list[int] = []

    def once(phase: str, current: int, total: int | None, unit: str) -> None:
        if phase == "restoring" and current and not moved:
            moved.append(current)
            watch.sentinel.ask("SENTINEL", "FAILOVER", NAME)
            watch.fails_over()
            eventually(lambda: watch.primary.client().info("replication")["role"] == "slave", "the old one to follow")

    with pytest.raises(TargetError) as caught:
        restore(settings, RestoreArguments(name="latest"), once)
    told = str(caught.value)
    assert f"Meanwhile 127.0.0.1:{watch.replica.port} has become the primary: it may lack what 127.0.0.1:" in told
    assert told.endswith("Run the same again to complete it.")
    report = caught.value.report or {}
    assert moved[0] <= report["restored"] + report["unconfirmed"] < KEYS
    again = restore(settings, RestoreArguments(name="latest"), silent)
    assert again["restored"] + again["skipped"] == KEYS
    assert_same(watch.replica, source)


@pytest.mark.parametrize("port", [b"00000", b"70000"])
def test_a_replica_at_a_port_that_there_is_not_is_passed_over(port: bytes, watch: Watch) -> None:
    with Line(watch.sentinel.port, f"redis://127.0.0.1:{watch.sentinel.port}") as line:
        line.reword(b"%d" % watch.replica.port, port)
        assert place(f"redis+sentinel://127.0.0.1:{line.port}/{NAME}/0") == watch.primary.port


def test_a_primary_that_stays_has_not_moved_whatever_replicas_it_has(watch: Watch) -> None:
    target = Endpoint(watch.url(), TARGET)
    target.connect().disconnect()
    assert target.moved() == ""


def test_what_is_wrong_with_a_sentinel_is_told(watch: Watch) -> None:
    with pytest.raises(SourceUnavailableError, match=rf"127\.0\.0\.1:{watch.primary.port} is no Sentinel\)"):
        place(f"redis+sentinel://127.0.0.1:{watch.primary.port}/{NAME}/0")
    watch.sentinel.ask("ACL", "SETUSER", "default", "resetpass", f">{SECRET}")
    for query in ("", "?sentinel_password=wrong"):
        with pytest.raises(
            SourceUnavailableError, match=r"refuses the user name or password \(sentinel_username"
        ) as caught:
            place(watch.url(query))
        assert SECRET not in str(caught.value)
    assert place(watch.url(f"?sentinel_password={SECRET}")) == watch.replica.port


def test_a_mirror_by_way_of_sentinels_gives_the_same_data(
    watch: Watch, start_server: StartServer, tmp_path: Path
) -> None:
    watch.primary.client().mset({f"key:{number}": number for number in range(500)})
    settings = watch.settings(tmp_path / "backups", "?role=primary")
    backup(settings, BackupArguments(), silent)
    other = start_server(watch.binary)
    other.client().set("surplus", "x")
    targets = Settings(
        redis_url=watch.settings(tmp_path).redis_url,
        redis_targets={"other": other.url},
        backup_storage=str(tmp_path / "backups"),
    )
    restore(targets, RestoreArguments(name="latest", mode="mirror", target="other"), silent)
    assert_same(other, watch.primary)


def test_facts_tell_of_the_server_that_was_found(watch: Watch) -> None:
    assert read_facts(Endpoint(watch.url(), SOURCE)).role == "slave"
    assert read_facts(Endpoint(watch.url(), TARGET)).role == "master"


SECRET = "s3cret-canary"
WRONG: dict[str, Callable[[], object]] = {
    "no service": lambda: Endpoint(f"redis+sentinel://u:{SECRET}@host:1", SOURCE),
    "no host": lambda: Endpoint(f"redis+sentinel://u:{SECRET}@/name/0", SOURCE),
    "a port that is none": lambda: Endpoint(f"redis+sentinel://u:{SECRET}@host:99999/name/0", SOURCE),
    "a role that is none": lambda: Endpoint(f"redis+sentinel://u:{SECRET}@host:1/name/0?role=boss", SOURCE),
    "an option that is none": lambda: Endpoint(f"redis+sentinel://u:{SECRET}@host:1/name/0?nonsense=1", SOURCE),
}


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
def test_a_wrong_address_is_refused_without_its_password(make: Callable[[], object]) -> None:
    with pytest.raises(UsageError, match="The setting REDIS_URL") as caught:
        make()
    assert SECRET not in str(caught.value)


def test_an_address_is_taken_apart() -> None:
    told = parsed(
        "rediss+sentinel://me:p%40ss@a:1,b,[::1]:3/the%20one/2?role=primary&sentinel_password=x&ssl_ca_certs=/c"
    )
    assert told.sentinels == (("a", 1), ("b", 26379), ("[::1]", 3))
    assert (told.service, told.wanted, told.login) == ("the one", "primary", (None, "x"))
    assert told.url == "rediss://me:p%40ss@a:26379/2?ssl_ca_certs=%2Fc"
    assert told.address == "the one@a:1"
